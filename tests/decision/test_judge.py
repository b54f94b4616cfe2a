"""Small cases whose verdict can be checked by hand."""

import dataclasses
import math

import pytest

from model_rollouts.decision import (
    INDEPENDENT,
    Compare,
    Counts,
    DeadlinePolicy,
    Decision,
    Interval,
    Judge,
    Role,
    Rules,
    Sample,
    Traffic,
    at_deadline,
    breaker,
    errors,
    latency,
)
from tests.decision.made_up import EDGES, after, errors_judge, in_looks, interval, judge_of


@pytest.mark.parametrize(
    ("bad", "total", "fails"), [(1, 500, False), (2, 60, False), (3, 60, True), (3, 20, True)]
)
def test_little_traffic_needs_more_than_one_error(bad: int, total: int, fails: bool) -> None:
    judge = errors_judge(Compare.TARGET)

    state = after(judge, *in_looks(interval(0, bad, total)))

    assert (judge.decide(state) is Decision.FAIL) is fails


def test_breaker_ends_a_total_outage_within_seven_requests() -> None:
    judge = judge_of(errors("errors", 0.99), breaker())

    def looks(requests: int) -> list[Interval]:
        return in_looks(interval(0, requests, requests, 0, 100, name="breaker"), requests)

    failed = [
        requests
        for requests in range(1, 10)
        if judge.decide(after(judge, *looks(requests))) is Decision.FAIL
    ]

    assert 4 <= failed[0] <= 7


def test_evidence_against_the_target_is_the_likelihood_ratio() -> None:
    judge = errors_judge(Compare.TARGET, target=0.9)
    objective = judge.rules.objectives[0]
    state = after(judge, interval(0, 3, 10))

    # good 0.1, bad 0.2: alternatives 0.2, 0.4, 0.8 and the largest share 0.9.
    rates = (2.0, 4.0, 8.0, 9.0)
    cost = [1 / (math.log(r) - 1 + 1 / r) for r in rates]
    ratios = [r**3 * ((1 - 0.1 * r) / 0.9) ** 7 for r in rates]
    expected = 0.3 + 0.7 * sum(c * x for c, x in zip(cost, ratios, strict=True)) / sum(cost)

    assert (objective.good, objective.bad) == (0.1, 0.2)
    assert judge.fail_evidence(state) == pytest.approx(expected)


def test_pass_needs_every_gate_at_the_same_time() -> None:
    judge = judge_of(errors("a", 0.99), errors("b", 0.99))
    enough = Sample(Counts.of(5000, 10), Counts.of(5000, 10))
    few = Sample(Counts.of(50, 0), Counts.of(50, 0))

    def decision(a: Sample, b: Sample) -> Decision:
        return judge.decide(after(judge, Interval(0, 5, {"a": a, "b": b})))

    assert decision(enough, few) is Decision.INCONCLUSIVE
    assert decision(few, enough) is Decision.INCONCLUSIVE
    assert decision(enough, enough) is Decision.PASS


def test_a_guard_does_not_block_and_a_report_does_not_act() -> None:
    def judge(role: Role) -> Judge:
        return judge_of(errors("gate", 0.99), errors("other", 0.99, role=role))

    good = Sample(Counts.of(5000, 10), Counts.of(5000, 10))
    awful = Sample(Counts.of(500, 400), Counts.of(500, 0))
    none = Interval(0, 5, {"gate": good})
    broken = Interval(0, 5, {"gate": good, "other": awful})

    assert judge(Role.GATE).decide(after(judge(Role.GATE), none)) is Decision.INCONCLUSIVE
    assert judge(Role.GUARD).decide(after(judge(Role.GUARD), none)) is Decision.PASS
    assert judge(Role.GUARD).decide(after(judge(Role.GUARD), broken)) is Decision.FAIL
    assert judge(Role.REPORT).decide(after(judge(Role.REPORT), broken)) is Decision.PASS


def test_steps_ask_less_than_promotion() -> None:
    judge = errors_judge(Compare.TARGET)
    # At weight 25 % a candidate may be four times as bad as the bad limit, at 50 % twice.
    asked = []
    for toward in (0.25, 0.5, 1.0):
        total = 1
        while judge.decide(after(judge, interval(0, 0, total)), toward) is not Decision.PASS:
            total += 1
        asked.append(total)

    # Without an error, ln 20 / (alternative mixture): fewer requests for wider limits.
    assert asked[0] < asked[1] < asked[2]
    assert 300 < asked[0] < 500
    assert 1900 < asked[2] < 2500


def test_fail_is_final() -> None:
    judge = errors_judge(Compare.TARGET)
    state = after(judge, *in_looks(interval(0, 5, 20)))
    assert state.failed_at is not None

    state = judge.update(state, interval(5, 0, 1_000_000))

    assert judge.fail_evidence(state) < 1
    assert judge.decide(state) is Decision.FAIL


def test_auto_rolls_back_only_when_worse_than_target_and_stable() -> None:
    def decision(bad: int, stable_bad: int) -> Decision:
        judge = errors_judge()
        return judge.decide(after(judge, *in_looks(interval(0, bad, 20_000, stable_bad, 20_000))))

    assert decision(200, 200) is Decision.PASS  # the service is degraded, the candidate equal
    assert decision(14, 1) is Decision.PASS  # worse than stable, inside the target
    assert decision(200, 10) is Decision.FAIL


def test_without_a_baseline_auto_is_the_target() -> None:
    judge = judge_of(errors("errors", 0.999), baseline=False)

    equal = in_looks(interval(0, 200, 20_000, 200, 20_000))
    assert judge.decide(after(judge, *equal)) is Decision.FAIL


def test_no_traffic_changes_no_evidence() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 1, 100, 1, 100))

    idle = judge.update(state, interval(5, 0, 0, 3, 1000))
    unseen = judge.update(state, Interval(5, 10, {}))

    assert idle.evidence[0][:4] == unseen.evidence[0][:4] == state.evidence[0][:4]
    assert judge.decide(judge.start()) is Decision.INCONCLUSIVE


def test_a_late_regression_is_found_soon() -> None:
    judge = errors_judge(Compare.TARGET)
    good = [interval(5.0 * i, 0, 125) for i in range(1440)]
    bad = [interval(7200 + 5.0 * i, 0.625, 125) for i in range(60)]

    state = after(judge, *good)
    assert judge.decide(state) is Decision.PASS
    for one in bad:
        state = judge.update(state, one)

    # 0.5 % from the second hour on: the goal is a median of 140 s, not half an hour.
    assert state.failed_at is not None
    assert 60 < state.failed_at - 7200 < 240


def test_intervals_are_given_once_and_in_order() -> None:
    judge = errors_judge()
    state = after(judge, interval(0, 0, 10), interval(5, 0, 10))

    with pytest.raises(ValueError, match="everything up to 10 s is counted"):
        judge.update(state, interval(5, 0, 10))
    with pytest.raises(ValueError, match="arm: found Shadow after Live"):
        judge.update(state, interval(10, 0, 10, arm=Traffic.SHADOW))


@pytest.mark.parametrize("compare", Compare)
def test_latency_is_promoted_on_comparable_load_steps_on_any_and_fails_on_any(
    compare: Compare,
) -> None:
    objective = dataclasses.replace(latency("latency", 0.3, 0.99, EDGES), compare=compare)
    judge = judge_of(objective, steps=(0.1, 0.5))

    def decisions(slow: float, load: bool) -> list[Decision]:
        counts = Counts.timed(10_000, slow, slow, 0)
        sample = Sample(counts, Counts.timed(20_000, 100, 100, 0))
        state = after(judge, *in_looks(Interval(0, 5, {"latency": sample}, comparable_load=load)))
        return [judge.decide(state, toward) for toward in (0.5, 1)]

    assert decisions(50, True) == [Decision.PASS, Decision.PASS]
    assert decisions(50, False) == [Decision.PASS, Decision.INCONCLUSIVE]
    assert decisions(900, False) == [Decision.FAIL, Decision.FAIL]


@pytest.mark.parametrize("compare", Compare)
def test_a_bound_is_about_comparable_load(compare: Compare) -> None:
    objective = dataclasses.replace(latency("latency", 0.3, 0.99, EDGES), compare=compare)
    judge = judge_of(objective, steps=(0.1, 0.5))
    sample = Sample(Counts.timed(10_000, 50, 50, 0), Counts.timed(20_000, 100, 100, 0))
    low = after(judge, Interval(0, 5, {"latency": sample}, comparable_load=False))

    (bound,) = at_deadline(judge, low, DeadlinePolicy.PROMOTE_WITH_BOUND).bounds

    assert (bound.upper, bound.accepted) == (None, False)


def test_dual_boundary_stops_a_slow_mode_inside_the_share() -> None:
    judge = judge_of(latency("latency", 0.3, 0.99, EDGES))

    def decision(far: float) -> Decision:
        counts = Counts.timed(100_000, 1000, 1000, far)
        sample = Sample(counts, Counts.timed(100_000, 1000, 1000, 0))
        return judge.decide(after(judge, Interval(0, 5, {"latency": sample})))

    assert decision(300) is Decision.PASS
    assert decision(1000) is Decision.INCONCLUSIVE


def test_between_two_edges_each_verdict_uses_the_careful_count() -> None:
    judge = judge_of(latency("latency", 0.25, 0.99, EDGES))

    def decision(above_lower: float, above_upper: float) -> Decision:
        counts = Counts.timed(50_000, above_lower, above_upper, 0)
        sample = Sample(counts, counts)
        judge_target = judge_of(latency("latency", 0.25, 0.99, EDGES, compare=Compare.TARGET))
        seen = in_looks(Interval(0, 5, {"latency": sample}))
        assert judge.decide(after(judge, *seen)) is not Decision.FAIL  # equal to stable
        return judge_target.decide(after(judge_target, *seen))

    assert decision(400, 100) is Decision.PASS
    assert decision(2000, 100) is Decision.INCONCLUSIVE
    assert decision(2000, 1500) is Decision.FAIL


def test_shadow_evidence_for_fail_goes_on_and_for_pass_begins_anew() -> None:
    judge = errors_judge()
    shadow = after(judge, interval(0, 1, 2000, 1, 2000, arm=Traffic.SHADOW))
    assert judge.decide(shadow, 0.05) is Decision.PASS

    live = judge.update(shadow, interval(5, 0, 0, arm=Traffic.LIVE))

    assert live.evidence[0].fail_target == shadow.evidence[0].fail_target
    assert judge.decide(live, 0.05) is Decision.INCONCLUSIVE
    assert live.evidence[0].seen_total == 0


def test_a_burst_of_errors_counts_less_when_bursts_are_known() -> None:
    rules = Rules((errors("errors", 0.999, compare=Compare.TARGET),))
    independent = Judge(rules, {"errors": INDEPENDENT})
    unknown = Judge(rules)

    burst = in_looks(interval(0, 4, 100))

    assert independent.decide(after(independent, *burst)) is Decision.FAIL
    assert unknown.decide(after(unknown, *burst)) is Decision.INCONCLUSIVE


def test_a_sample_for_no_objective_is_refused() -> None:
    # A misspelt name would be evidence that nobody sees: no errors, hence a promotion.
    judge = judge_of(errors("errors", 0.999), breaker())
    samples = {"errors": Sample(Counts.of(10, 0)), "errros": Sample(Counts.of(10, 9))}

    with pytest.raises(
        ValueError,
        match=r"interval, samples: found \['errros'\], which are not objectives; "
        r"write names of \['breaker', 'errors'\]",
    ):
        judge.update(judge.start(), Interval(0, 5, samples))


def test_an_objective_without_a_sample_keeps_its_evidence() -> None:
    judge = judge_of(errors("errors", 0.999), breaker())
    start = judge.start()

    state = judge.update(start, interval(0, 1, 10))

    assert state.evidence[0] == start.evidence[0]
    assert state.evidence[1] != start.evidence[1]


def test_toward_must_be_a_step() -> None:
    judge = errors_judge()
    with pytest.raises(
        ValueError, match=r"found weight 0.3, write one of \[0.05, 0.25, 0.5, 1.0\]"
    ):
        judge.decide(judge.start(), 0.3)
