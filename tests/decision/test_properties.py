"""What must hold for every rollout, whatever its counts."""

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.decision import (
    INDEPENDENT,
    Compare,
    Counts,
    Decision,
    Evidence,
    Interval,
    Judge,
    Rules,
    Sample,
    State,
    Traffic,
    encode,
    errors,
    explain,
    resume,
)
from tests.decision.made_up import after, all_kinds, errors_judge, interval, judge_of

totals = st.integers(0, 400)
shares = st.floats(0, 1)


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    total = draw(totals)
    lower = round(total * draw(shares) ** 4)
    upper = round(lower * draw(shares))
    return Counts.timed(total, lower, upper, round(upper * draw(shares)))


@st.composite
def rollouts(draw: st.DrawFn) -> list[Interval]:
    names = [objective.name for objective in all_kinds()]
    begun, made = 0.0, []
    live_from = draw(st.integers(0, 3))
    for index in range(draw(st.integers(1, 12))):
        end = begun + draw(st.floats(1, 200))
        samples = {
            name: Sample(draw(counts()), draw(counts())) for name in names if draw(st.booleans())
        }
        arm = Traffic.LIVE if index >= live_from else Traffic.SHADOW
        made.append(Interval(begun, end, samples, arm, comparable_load=draw(st.booleans())))
        begun = end
    return made


def judged(judge: Judge, rollout: list[Interval]) -> State:
    return after(judge, *rollout)


@settings(deadline=None, max_examples=60)
@given(rollouts())
def test_order_of_objectives_does_not_matter(rollout: list[Interval]) -> None:
    one, other = judge_of(*all_kinds()), judge_of(*reversed(all_kinds()))

    assert judged(one, rollout) == judged(other, rollout)
    assert encode(one, judged(one, rollout)) == encode(other, judged(other, rollout))


@settings(deadline=None, max_examples=60)
@given(rollouts(), st.data())
def test_replay_from_any_watermark_gives_the_same_state(
    rollout: list[Interval], data: st.DataObject
) -> None:
    judge = judge_of(*all_kinds())
    cut = data.draw(st.integers(0, len(rollout)))

    text = encode(judge, judged(judge, rollout[:cut]))
    again, state = resume(text, judge.rules)
    for one in rollout[cut:]:
        state = again.update(state, one)

    assert state == judged(judge, rollout)


@settings(deadline=None, max_examples=60)
@given(rollouts())
def test_fail_and_pass_exclude_each_other_and_agree_with_their_explanation(
    rollout: list[Interval],
) -> None:
    judge = judge_of(*all_kinds())
    state = judged(judge, rollout)
    verdict = explain(judge, state)

    assert verdict.decision is judge.decide(state)
    gates = [o for o in verdict.objectives if o.role == "Gate"]
    if verdict.decision is Decision.FAIL:
        assert state.failed_at is not None
    else:
        assert (verdict.decision is Decision.PASS) == all(gate.passed for gate in gates)
        assert verdict.fail_evidence < verdict.fail_needed


@settings(deadline=None)
@given(
    st.sampled_from(Compare), st.integers(1, 300), st.integers(0, 300), st.integers(0, 40), totals
)
def test_one_more_bad_answer_never_speaks_for_the_candidate(
    compare: Compare, total: int, bad: int, stable_bad: int, stable_total: int
) -> None:
    judge = errors_judge(compare)
    bad, stable_bad = min(bad, total - 1), min(stable_bad, stable_total)

    less = after(judge, interval(0, bad, total, stable_bad, stable_total))
    more = after(judge, interval(0, bad + 1, total, stable_bad, stable_total))

    assert judge.fail_evidence(more) >= judge.fail_evidence(less) * (1 - 1e-12)
    process = judge.processes[0]
    for proof in process.levels:
        worse = process.passing(more.evidence[0], proof)
        assert worse <= process.passing(less.evidence[0], proof) * (1 + 1e-12)


def unlimited(compare: Compare) -> Judge:
    """A judge whose looks may win as much as there is to win."""
    rules = Rules((errors("errors", 0.999, compare=compare),), false_rollback=1e-300)
    return Judge(rules, {"errors": INDEPENDENT})


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(3, 200)), min_size=2, max_size=8))
def test_splitting_a_scrape_changes_nothing_against_the_target(
    pieces: list[tuple[int, int]],
) -> None:
    # Fresh starts happen when a minute begins, so the pieces lie within one minute.
    judge = unlimited(Compare.TARGET)
    whole = interval(30, sum(b for b, _ in pieces), sum(n for _, n in pieces), length=20)
    length = 20 / len(pieces)
    split = [
        interval(30 + i * length, bad, total, length=length)
        for i, (bad, total) in enumerate(pieces)
    ]

    one, many = after(judge, whole), after(judge, *split)

    assert many.evidence[0].fail_target == pytest.approx(one.evidence[0].fail_target, abs=1e-9)
    counted = Evidence._fields.index("seen_total")
    looked = Evidence._fields.index("looked_target")
    assert many.evidence[0][counted:looked] == one.evidence[0][counted:looked]


@settings(deadline=None)
@given(st.integers(2, 6), st.integers(0, 5), st.integers(0, 20))
def test_splitting_a_scrape_changes_nothing_against_stable_when_the_split_of_traffic_stays(
    pieces: int, bad: int, stable_bad: int
) -> None:
    judge = unlimited(Compare.STABLE)
    whole = interval(0, bad * pieces, 10 * pieces, stable_bad * pieces, 90 * pieces, length=30)
    split = [
        interval(30 / pieces * i, bad, 10, stable_bad, 90, length=30 / pieces)
        for i in range(pieces)
    ]

    one, many = after(judge, whole), after(judge, *split)

    assert many.evidence[0].fail_stable == pytest.approx(one.evidence[0].fail_stable, abs=1e-9)
    assert many.evidence[0].pass_stable == pytest.approx(one.evidence[0].pass_stable, abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(0, 20), st.integers(0, 20))
def test_a_stricter_assurance_never_passes_earlier(total: int, bad: int, stable_bad: int) -> None:
    bad = min(bad, total)
    one = interval(0, bad, 20 * total, stable_bad, 20 * total)
    passed = []
    for bad_limit in (0.005, 0.002, 0.0015):
        objective = dataclasses.replace(errors("errors", 0.999), bad=bad_limit, accept=0.005)
        judge = judge_of(objective)
        passed.append(judge.decide(after(judge, one)) is Decision.PASS)

    assert passed == sorted(passed, reverse=True)


def test_random_long_rollouts_keep_the_evidence_finite() -> None:
    rng = random.Random(4)
    judge = Judge(Rules(all_kinds()))
    state = judge.start()
    for index in range(500):
        total = 10 ** rng.randint(0, 7)
        bad = rng.choice([0, 1, total // 2, total])
        sample = Sample(Counts.of(total, bad), Counts.of(10**6, 0))
        samples = {o.name: sample for o in all_kinds()}
        state = judge.update(state, Interval(60.0 * index, 60.0 * index + 60, samples))

    verdict = explain(judge, state)
    assert verdict.decision is Decision.FAIL
    assert 0 < verdict.fail_evidence < float("inf")
