"""The end of the time: what is promoted, and with which bound."""

import pytest

from model_rollouts.decision import (
    Compare,
    Counts,
    DeadlineAction,
    DeadlinePolicy,
    Interval,
    Sample,
    State,
    at_deadline,
    errors,
    latency,
)
from tests.decision.made_up import EDGES, after, errors_judge, in_looks, interval, judge_of

BOUND = DeadlinePolicy.PROMOTE_WITH_BOUND


@pytest.mark.parametrize(
    ("bad", "total", "policy", "action"),
    [
        (0, 0, BOUND, DeadlineAction.END_UNDECIDED),
        (0, 500, BOUND, DeadlineAction.END_UNDECIDED),
        (1, 1500, BOUND, DeadlineAction.PROMOTE_WITH_BOUND),
        (1, 1500, DeadlinePolicy.HOLD, DeadlineAction.HOLD),
        (1, 1500, DeadlinePolicy.ROLLBACK, DeadlineAction.ROLL_BACK),
        (5, 20_000, DeadlinePolicy.ROLLBACK, DeadlineAction.PROMOTE),
        (20, 100, BOUND, DeadlineAction.ROLL_BACK),
        (20, 100, DeadlinePolicy.HOLD, DeadlineAction.ROLL_BACK),
    ],
)
def test_policies(bad: int, total: int, policy: DeadlinePolicy, action: DeadlineAction) -> None:
    judge = errors_judge(Compare.TARGET)
    state = after(judge, *in_looks(interval(0, bad, total))) if total else judge.start()

    assert at_deadline(judge, state, policy).action is action


def test_the_bound_is_the_smallest_rate_that_is_excluded() -> None:
    judge = errors_judge(Compare.TARGET)
    process = judge.processes[0]
    state = after(judge, interval(0, 1, 1500))

    outcome = at_deadline(judge, state, BOUND)

    (bound,) = outcome.bounds
    assert bound.upper is not None
    assert 0.002 < bound.upper < bound.acceptable == 0.005
    excluded = process.passing(state.evidence[0], process.proof(bound.upper, None))
    assert excluded == pytest.approx(judge.pass_needed, rel=1e-6)
    assert outcome.words == (
        "Undecided at the deadline, but good enough: errors has an error rate of at most 0.4 % "
        "(acceptable: 0.5 %)."
    )


@pytest.mark.parametrize(
    ("requests", "bound"),
    [(50, 0.08), (100, 0.043), (500, 0.011), (1000, 0.0068), (5000, 0.0028), (10_000, 0.0022)],
)
def test_what_a_number_of_requests_can_exclude(requests: int, bound: float) -> None:
    # A candidate exactly at the good limit of 0.1 %, expected counts. The figures are the rule of
    # thumb requests = 1.3 ln 20 / KL(0.1 %, bound), whose factor 1.3 is for bad luck.
    judge = errors_judge(Compare.TARGET)
    state = after(judge, interval(0, requests * 0.001, requests))

    upper = at_deadline(judge, state, BOUND).bounds[0].upper

    assert upper is not None
    assert 0.75 * bound < upper < 1.01 * bound


def test_every_gate_needs_its_bound() -> None:
    judge = judge_of(errors("errors", 0.999), latency("latency", 0.3, 0.99, EDGES))
    samples = {"errors": Sample(Counts.of(1500, 1), Counts.of(1500, 1))}

    def action(state: State) -> DeadlineAction:
        return at_deadline(judge, state, BOUND).action

    assert action(after(judge, Interval(0, 5, samples))) is DeadlineAction.END_UNDECIDED
    samples["latency"] = Sample(Counts.timed(1500, 12, 12, 1), Counts.timed(1500, 12, 12, 1))
    assert action(after(judge, Interval(0, 5, samples))) is DeadlineAction.PROMOTE_WITH_BOUND


def test_a_candidate_equal_to_a_degraded_stable_may_be_promoted_with_a_bound() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 12, 4000, 12, 4000))

    outcome = at_deadline(judge, state, BOUND)

    assert outcome.action is DeadlineAction.PROMOTE_WITH_BOUND
    assert (
        at_deadline(
            errors_judge(Compare.TARGET),
            after(errors_judge(Compare.TARGET), interval(0, 12, 4000)),
            BOUND,
        ).action
        is not DeadlineAction.PROMOTE
    )


def test_each_gate_is_told_with_its_bound() -> None:
    judge = judge_of(errors("errors", 0.999), latency("latency", 0.3, 0.99, EDGES))
    state = after(judge, Interval(0, 5, {"errors": Sample(Counts.of(500, 0), Counts.of(500, 0))}))

    assert at_deadline(judge, state, BOUND).words == (
        "Undecided at the deadline: errors has an error rate of at most 0.8 % or 8 times stable's "
        "(acceptable: 0.5 % or 5 times stable's) and latency has too few requests for a bound "
        "(acceptable: 2 % or 2 times stable's)."
    )
