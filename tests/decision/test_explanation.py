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
from tests.decision.made_up import EDGES, after, errors_judge, interval, judge_of


def reasons(verdict: Verdict) -> set[Reason]:
    return {condition.reason for condition in verdict.conditions}


def test_undecided_says_what_is_awaited() -> None:
    judge = judge_of(latency("latency", 0.3, 0.99, EDGES, compare=Compare.TARGET))
    sample = Sample(Counts.timed(2140, 7, 7, 0), Counts.timed(2140, 9, 9, 0))
    state = after(judge, Interval(0, 5, {"latency": Sample(Counts.timed(300, 2, 2, 0))}))

    verdict = explain(judge, state)

    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.objectives[0].words == (
        "99 of 100 answers within 300 ms; seen 2 of 300 slower, 1 % allowed; "
        "promotion needs proof of under 1.5 %, about 1,300 more requests."
    )
    assert verdict.words == "Undecided: latency; about 1,300 more requests."
    passed = explain(judge, after(judge, Interval(0, 5, {"latency": sample})))
    assert passed.words == "Every gate is proven: promote."
    assert passed.objectives[0].words == (
        "99 of 100 answers within 300 ms; seen 7 of 2,140 slower, 1 % allowed; "
        "proven to be under 1.5 %, enough for promotion."
    )


def test_a_proof_against_stable_is_not_told_as_one_against_the_target() -> None:
    # The service is degraded: 1 % errors in both versions, which is no proof of under 0.2 %.
    judge = errors_judge()
    verdict = explain(judge, after(judge, interval(0, 200, 20_000, 200, 20_000)))

    assert verdict.objectives[0].words == (
        "99.9 % of answers without error; seen 200 of 20,000 bad, stable 200 of 20,000, "
        "0.1 % allowed; proven to be under 0.2 % or 2 times stable, enough for promotion."
    )


def test_fail_names_the_objective_and_stable() -> None:
    judge = judge_of(errors("errors", 0.999), restarts())
    verdict = explain(judge, after(judge, interval(0, 34, 900, 9, 17_100)))

    assert verdict.decision is Decision.FAIL
    assert verdict.words == (
        "Take it back: errors is worse than allowed: 99.9 % of answers without error, "
        "it had 34 bad of 900 (3.778 %), stable had 9 bad of 17,100 (0.05263 %)."
    )
    assert verdict.detail.startswith("Fail toward weight 100 %: mean evidence for Fail ")
    assert verdict.detail.endswith(" of 100, reached after 5 s")


def test_details_hold_counts_bounds_and_evidence() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 1, 1500, 1, 1500))
    (objective,) = explain(judge, state, toward=0.25).objectives

    assert objective.detail == (
        "errors: candidate 1/1,500, stable 1/1,500, good 0.1 %, "
        "to prove under 0.8 % or 8 times stable, proven under 0.448 % or 4.48 times stable; "
        "evidence for Fail 0.475 (target 0.475, stable 0.724), "
        "for Pass 2.18e+03 of 20"
    )
    assert (objective.candidate.bad, objective.candidate.total) == (1, 1500)
    assert objective.fail_evidence == min(
        objective.fail_evidence_target, objective.fail_evidence_stable
    )


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
    assert verdict.words == "Undecided: errors; these numbers will not prove it."


def test_a_degraded_service_is_told_and_never_rolled_back() -> None:
    judge = errors_judge()
    verdict = explain(judge, after(judge, interval(0, 20, 2000, 30, 3000)))

    assert verdict.decision is Decision.INCONCLUSIVE
    assert reasons(verdict) == {Reason.SERVICE_DEGRADED}
    assert verdict.words.startswith("The service is degraded, judged against stable. Undecided")


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
        "at most 0.01 restarts per pod-minute; seen 1 in 40 pod-minutes, stable 0 of 40, "
        "0.01 per pod-minute allowed; never blocks promotion."
    )
    assert words[2] == (
        "99 % of answers without error; seen 0 of 0 bad, stable 0 of 0, 1 % allowed; "
        "never blocks promotion."
    )


def test_a_smaller_share_is_told_with_the_proof_of_its_step() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 0, 200, 0, 800))

    smaller = explain(judge, state, 0.25, weight=0.08)
    whole = explain(judge, state, 0.25)

    assert (smaller.toward, whole.toward) == (0.08, 0.25)
    assert "the step to 8 %" in smaller.objectives[0].words
    assert "the step to 25 %" in whole.objectives[0].words
    assert [(each.proof_below, each.more_requests) for each in smaller.objectives] == [
        (each.proof_below, each.more_requests) for each in whole.objectives
    ]
