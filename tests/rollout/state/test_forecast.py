"""What is expected of a canary."""

from fractions import Fraction

from model_rollouts.decision import UNKNOWN, allowed_steps
from model_rollouts.rollout.state.forecast import canary_forecast
from model_rollouts.rollout.trial.trial import judge_for, trial_rules
from tests.rollout.made_up import spec

LATENCY = {
    "name": "latency",
    "type": "Latency",
    "latency": {"within": "250ms", "share": "99%"},
}
ASKED = (Fraction("0.1"), Fraction("0.5"))


def underpowered(pods: int, extra: int | None, asked: tuple[Fraction, ...]) -> bool:
    """Whether a canary with these steps stays undecided at a thousand requests per second."""
    deployed = spec(
        {
            "spec.objectives": [LATENCY],
            "spec.strategy.canary.steps": [f"{100 * share}%" for share in asked],
        }
    )
    judge = judge_for(trial_rules(deployed, baseline=True), UNKNOWN)
    steps = allowed_steps(asked, pods, extra)
    return canary_forecast(judge, 1_000.0, deployed, steps).underpowered


def test_pods_of_a_reduced_step_are_as_busy_as_those_of_stable() -> None:
    """One pod of ten gets 8 % of the users where 10 % or 50 % are asked for."""
    assert not underpowered(10, 1, ASKED)
    assert not underpowered(10, 1, ASKED[:1])
    assert not underpowered(10, None, ASKED)


def test_idle_pods_never_prove_a_latency() -> None:
    """Ten pods that wait for all users have 10 % of them."""
    assert underpowered(10, None, ASKED[:1])
