"""Verdicts as people read them."""

import pytest

from model_rollouts.decision import (
    Compare,
    Counts,
    Decision,
    Dispersion,
    Interval,
    Judge,
    Reason,
    Role,
    Rules,
    Sample,
    Verdict,
    errors,
    explain,
    latency,
    restarts,
)
from tests.decision.made_up import EDGES, after, errors_judge, in_looks, interval, judge_of


def reasons(verdict: Verdict) -> set[Reason]:
    return {condition.reason for condition in verdict.conditions}


def test_undecided_says_what_is_awaited() -> None:
    judge = judge_of(latency("latency", 0.3, 0.99, EDGES, compare=Compare.TARGET))
    sample = Sample(Counts.timed(2140, 7, 7, 0), Counts.timed(2140, 9, 9, 0))
    state = after(judge, Interval(0, 5, {"latency": Sample(Counts.timed(300, 2, 2, 0))}))

    verdict = explain(judge, state)

    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.objectives[0].words == (
        "latency is undecided: 99 % of requests must take at most 300 ms; the candidate was "
        "slower in 2 of 300 (0.67 %). Promotion needs about 1,300 more requests (300 of about "
        "1,600) to show a share of slow requests below 1.5 %."
    )
    assert verdict.why == (
        "latency needs about 1,300 more requests for promotion (300 of about 1,600)"
    )
    assert verdict.words == f"{verdict.why}."
    passed = explain(judge, after(judge, Interval(0, 5, {"latency": sample})))
    assert (passed.why, passed.words) == ("every gate passed", "Every gate passed.")
    assert passed.objectives[0].words == (
        "latency passed for promotion: 99 % of requests must take at most 300 ms; the candidate "
        "was slower in 7 of 2,140 (0.33 %), stable in 9 of 2,140 (0.42 %). That shows a share of "
        "slow requests below 1.5 %."
    )


def test_a_proof_against_stable_is_not_told_as_one_against_the_target() -> None:
    # The service is degraded: 1 % errors in both versions, which is no proof of under 0.2 %.
    judge = errors_judge()
    verdict = explain(judge, after(judge, *in_looks(interval(0, 200, 20_000, 200, 20_000))))

    assert verdict.objectives[0].words == (
        "errors passed for promotion: 99.9 % of requests must succeed; the candidate failed 200 "
        "of 20,000 (1 %), stable 200 of 20,000 (1 %). That shows an error rate below 0.2 % or 2 "
        "times stable's."
    )
    assert verdict.words == (
        "The service itself is degraded; the candidate is compared with stable only. "
        "Every gate passed."
    )


def test_fail_names_the_objective_and_stable() -> None:
    judge = judge_of(errors("errors", 0.999), restarts())
    state = after(judge, *in_looks(interval(0, 34, 900, 9, 17_100)))
    verdict = explain(judge, state)

    assert verdict.decision is Decision.FAIL
    assert verdict.why == (
        "errors failed: 99.9 % of requests must succeed; the candidate failed 34 of 900 (3.8 %), "
        "stable 9 of 17,100 (0.053 %)"
    )
    assert verdict.words == verdict.objectives[0].words == f"{verdict.why}."
    assert {each.name: each.failed for each in verdict.objectives} == {
        "errors": True,
        "restarts": False,
    }
    named = explain(judge, state, candidate="version 2")
    assert named.why == verdict.why.replace("the candidate", "version 2")


def test_a_failure_within_the_limit_is_told_as_one_of_a_while() -> None:
    judge = judge_of(errors("errors", 0.99, compare=Compare.TARGET))
    good = interval(0, 0, 6_000, length=7_200.0)
    bad = interval(7_200, 40, 200)

    verdict = explain(judge, after(judge, good, *in_looks(bad)))

    assert verdict.why == (
        "errors failed: 99 % of requests must succeed; the candidate failed 40 of 6,200 (0.65 %); "
        "for a while the share was above the limit"
    )


def test_an_objective_holds_its_counts_and_evidence() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 1, 1500, 1, 1500))
    (objective,) = explain(judge, state, toward=0.25).objectives

    assert (objective.candidate.bad, objective.candidate.total) == (1, 1500)
    assert objective.fail_evidence == min(
        objective.fail_evidence_target, objective.fail_evidence_stable
    )
    assert objective.pass_evidence == pytest.approx(2180, rel=0.01)


def test_the_forecast_of_requests_is_right_when_rates_stay() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 1, 2000, 1, 2000))
    more = explain(judge, state).objectives[0].more_requests
    assert more is not None
    # The forecast pulls the rate towards the good limit: one bad request in 1,000.
    rate = (1 + 1) / (2000 + 1000)

    def decision(share: float) -> Decision:
        requests = share * more
        further = interval(5, rate * requests, requests, 0.0005 * requests, requests)
        return judge.decide(judge.update(state, further))

    assert decision(1.01) is Decision.PASS
    assert decision(0.95) is Decision.INCONCLUSIVE


def test_hopeless_numbers_get_no_forecast() -> None:
    judge = errors_judge(Compare.TARGET)
    verdict = explain(judge, after(judge, interval(0, 8, 4000)))

    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.objectives[0].more_requests is None
    assert verdict.why == "errors will not pass for promotion if the rates stay as they are"
    assert verdict.objectives[0].words.endswith(
        "Promotion needs an error rate below 0.2 %, which more requests at these rates will not "
        "show."
    )


def test_several_waiting_gates_are_told_with_the_slowest() -> None:
    judge = judge_of(errors("errors", 0.999), latency("latency", 0.3, 0.99, EDGES))

    assert explain(judge, judge.start()).why == (
        "errors and latency need about 14,000 more requests for promotion (0 of about 14,000)"
    )


def test_a_degraded_service_is_told_and_never_rolled_back() -> None:
    judge = errors_judge()
    verdict = explain(judge, after(judge, *in_looks(interval(0, 20, 2000, 30, 3000))))

    assert verdict.decision is Decision.INCONCLUSIVE
    assert reasons(verdict) == {Reason.SERVICE_DEGRADED}
    assert verdict.words == (
        "The service itself is degraded; the candidate is compared with stable only. "
        f"{verdict.why}."
    )


@pytest.mark.parametrize(
    ("candidate", "stable", "load", "expected"),
    [
        (Counts.of(0, 0), Counts.of(50, 0), True, {Reason.NO_TRAFFIC}),
        (Counts.of(50, 0), Counts.of(0, 0), True, {Reason.NO_BASELINE}),
        (Counts.of(50, 0), Counts.of(50, 0), False, {Reason.LOW_LOAD}),
        (Counts.of(50, 0), Counts.of(50, 0), True, set()),
        (Counts.of(0, 0), Counts.of(0, 0), True, set()),
    ],
)
def test_conditions_of_the_traffic(
    candidate: Counts, stable: Counts, load: bool, expected: set[Reason]
) -> None:
    judge = judge_of(latency("latency", 0.3, 0.99, EDGES))
    one = Interval(0, 5, {"latency": Sample(candidate, stable)}, comparable_load=load)

    assert reasons(explain(judge, after(judge, one))) == expected


def test_conditions_of_the_objectives() -> None:
    rules = Rules(
        (
            latency("between", 0.25, 0.99, EDGES),
            errors("bursty", 0.999),
            errors("relative", 0.999, compare=Compare.STABLE),
        )
    )
    judge = Judge(rules, {name: Dispersion(50, 1) for name in ("bursty", "relative")})
    found = {(c.objective, c.reason) for c in explain(judge, judge.start()).conditions}

    assert found == {
        ("between", Reason.NO_BUCKET_BOUNDARY),
        ("between", Reason.DISPERSION_UNKNOWN),
        ("bursty", Reason.BURSTY_ERRORS),
    }


def test_guards_and_rates_are_worded_as_what_they_are() -> None:
    judge = judge_of(errors("errors", 0.999), errors("slice", 0.99, role=Role.GUARD), restarts())
    sample = Sample(Counts.events(40, 1), Counts.events(40, 0))
    words = [
        objective.words
        for objective in explain(
            judge, after(judge, Interval(0, 5, {"restarts": sample}))
        ).objectives
    ]

    assert words[1] == (
        "restarts is undecided: at most 0.01 restarts per pod-minute are allowed; the candidate "
        "had 1 in 40 pod-minutes (0.025 per pod-minute), stable 0 in 40 pod-minutes. Guards never "
        "block promotion."
    )
    assert words[2] == (
        "slice is undecided: 99 % of requests must succeed; no requests were counted yet. Guards "
        "never block promotion."
    )


def test_a_smaller_share_is_told_with_the_proof_of_its_step() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 0, 200, 0, 800))

    smaller = explain(judge, state, 0.25, weight=0.08)
    whole = explain(judge, state, 0.25)

    assert (smaller.toward, whole.toward) == (0.08, 0.25)
    assert "The step to 8 % needs" in smaller.objectives[0].words
    assert "The step to 25 % needs" in whole.objectives[0].words
    assert [(each.proof_below, each.more_requests) for each in smaller.objectives] == [
        (each.proof_below, each.more_requests) for each in whole.objectives
    ]
