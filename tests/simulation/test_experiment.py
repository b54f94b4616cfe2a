"""What a simulation says of the operator, which looks every 5 s."""

import random
from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.decision import Assurance, Compare, DeadlinePolicy
from model_rollouts.simulation.experiment import LATENCY, TAIL, Scenario, simulate
from model_rollouts.simulation.traffic import draw_from
from model_rollouts.simulation.trial import Outcome, run_trial

SELDOM = Scenario(
    target=0.999,
    within=None,
    share=0.99,
    requests_per_second=0.2,
    errors=0.7,
    stable_errors=0.0005,
    slow=0.0,
    stable_slow=0.0,
    steps=(0.1, 0.5),
    min_step=60.0,
    deadline=1_800.0,
    on_deadline=DeadlinePolicy.PROMOTE_WITH_BOUND,
    compare=Compare.AUTO,
    dispersion=1.0,
)


def _played(scenario: Scenario, seed: int, *, together: bool) -> Outcome:
    """One rollout whose looks are drawn each by its own time, so that both ways see the same."""
    judge = scenario.judge(Assurance.STANDARD)
    shares = {each.name: scenario.errors for each in judge.rules.objectives}
    shares |= {LATENCY: 0.02, TAIL: 0.01, "client-errors": 0.0}

    def draw(start: float, weight: float) -> Any:
        dice = random.Random(f"{seed}/{start}/{weight}")
        drawn = draw_from(
            dice, judge.rules.objectives, scenario.requests_per_second, 5.0, shares, shares
        )
        return drawn(start, weight)

    return run_trial(
        judge,
        draw,
        look=5.0,
        min_step=scenario.min_step,
        horizon=scenario.deadline,
        steps=scenario.given_steps,
        warm_after=60.0,
        independent=together,
    )


@pytest.mark.parametrize(
    ("rate", "errors", "more"),
    [
        (0.05, 0.5, {}),
        (0.2, 0.0005, {"replicas": 10, "max_extra": 1}),
        (0.2, 0.05, {"dispersion": 4.0}),
        (0.5, 0.01, {"within": 0.3}),
        (0.2, 0.0, {"compare": Compare.TARGET, "target": 0.9}),
    ],
)
def test_looks_without_requests_change_nothing_when_they_are_judged_together(
    rate: float, errors: float, more: dict[str, Any]
) -> None:
    scenario = replace(SELDOM, requests_per_second=rate, errors=errors, **more)
    judge = scenario.judge(Assurance.STANDARD)

    for seed in range(2):
        one_by_one = _played(scenario, seed, together=False)
        together = _played(scenario, seed, together=True)

        assert (one_by_one.end, one_by_one.seconds, one_by_one.requests, one_by_one.bad) == (
            together.end,
            together.seconds,
            together.requests,
            together.bad,
        )
        assert judge.fail_evidence(one_by_one.state) == pytest.approx(
            judge.fail_evidence(together.state), rel=1e-9
        )
        assert [each.pass_stable for each in one_by_one.state.evidence] == [
            pytest.approx(each.pass_stable, rel=1e-9) for each in together.state.evidence
        ]


def test_pods_bound_the_steps_and_so_the_requests_of_a_bad_version() -> None:
    """A tenth of the pods gets 8 % of the users, and half of them half."""
    many = replace(SELDOM, requests_per_second=50.0, errors=0.0, replicas=10)

    free = simulate(many, Assurance.STANDARD, trials=4, seed=1)
    bound = simulate(replace(many, max_extra=1), Assurance.STANDARD, trials=4, seed=1)

    assert [float(each.weight) for each in many.given_steps] == [0.1, 0.5, 1.0]
    assert [float(each.weight) for each in replace(many, max_extra=1).given_steps] == [0.08, 1.0]
    assert free.promotion_seconds is not None
    assert bound.promotion_seconds is not None
    assert bound.promotion_seconds.median > 1.5 * free.promotion_seconds.median


def test_a_latency_is_not_proven_by_pods_that_wait_for_users() -> None:
    timed = replace(SELDOM, requests_per_second=50.0, errors=0.0, within=0.3, deadline=1_800.0)
    idle = replace(timed, steps=(0.1,), replicas=10)

    assert simulate(timed, Assurance.FAST, trials=3, seed=1).promotion_seconds is not None
    assert simulate(idle, Assurance.FAST, trials=3, seed=1).promotion_seconds is None
