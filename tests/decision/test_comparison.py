"""Both versions are compared in the same seconds: what waits for that, and what decides without."""

import math
from dataclasses import replace

import pytest

from model_rollouts.decision import (
    NO_COUNTS,
    UNSEEN,
    Compare,
    Counts,
    Decision,
    Dispersion,
    Evidence,
    Interval,
    Judge,
    Reason,
    Sample,
    Shared,
    State,
    Traffic,
    breaker,
    client_errors,
    encode,
    errors,
    explain,
    latency,
    resume,
)
from tests.decision.made_up import EDGES, after, errors_judge, interval, judge_of

STEP = 5.0


def shared(
    index: int,
    candidate: tuple[float, float],
    stable: tuple[float, float],
    *,
    behind: int = 0,
    early: float = 0.0,
    late: float = 0.0,
    names: tuple[str, ...] = ("errors",),
) -> Interval:
    """Interval `index`; stable's counts belong to that so many intervals `behind`."""
    start = index * STEP
    counts = Shared(
        start + STEP * (1 - behind),
        Counts.of(*stable),
        Counts.of(early, early),
        Counts.of(late, late),
    )
    sample = Sample(Counts.of(*candidate), Counts.of(*stable), counts)
    return Interval(start, start + STEP, dict.fromkeys(names, sample))


def unseen(index: int, total: float, bad: float, *names: str) -> Interval:
    """An interval in which stable was not scraped."""
    sample = Sample(Counts.of(total, bad), NO_COUNTS)
    samples = dict.fromkeys(names or ("errors",), sample)
    return Interval(index * STEP, (index + 1) * STEP, samples, stable_seen=False)


def only(state: State) -> Evidence:
    (evidence,) = state.evidence
    return evidence


def test_requests_of_one_version_wait_for_those_of_the_other() -> None:
    judge = errors_judge()

    together = after(judge, interval(0, 3, 7, 2, 90, length=25))
    in_turns = after(
        judge,
        interval(0, 0, 0, 1, 50),
        interval(5, 0, 0, 1, 40),
        interval(10, 3, 7, 0, 0),
    )

    assert only(in_turns).fail_stable == pytest.approx(only(together).fail_stable)
    assert only(in_turns).pass_stable == pytest.approx(only(together).pass_stable)


def test_a_version_that_is_seldom_asked_is_judged() -> None:
    judge = errors_judge()
    in_turns = [interval(50.0 * i, (i + 1) % 2, (i + 1) % 2, 0, i % 2, length=5) for i in range(48)]

    state = after(judge, *in_turns)

    assert judge.decide(state) is Decision.FAIL  # 24 of 24 are bad, and none of 24 of stable


@pytest.mark.parametrize("bad", [0.0, 1.0, 7.0])
def test_when_counts_are_compared_depends_on_how_many_there_are_alone(bad: float) -> None:
    judge = errors_judge()
    came = [(7, 0), (0, 90), (0, 3), (2, 0), (4, 11)]

    def compared_after(bad_of_stable: float) -> list[bool]:
        state, found = judge.start(), []
        for i, (total, stable_total) in enumerate(came):
            counts = (min(bad, total), total, min(bad_of_stable, stable_total), stable_total)
            state = judge.update(state, interval(STEP * i, *counts))
            found.append(only(state).pair is None)
        return found

    assert compared_after(0.0) == compared_after(bad) == [False, True, False, True, True]


def test_counts_of_stable_that_come_later_are_compared_with_those_of_the_same_seconds() -> None:
    judge = errors_judge()
    counts = [((20, 1), (180, 0)), ((20, 8), (150, 60)), ((25, 0), (200, 2)), ((20, 0), (100, 0))]
    at_once = after(judge, *(shared(i, *each) for i, each in enumerate(counts[:-1])))
    candidate = [each for each, _ in counts]
    stable = [(0, 0), *(each for _, each in counts)]

    later = [shared(i, candidate[i], stable[i], behind=1) for i in range(4)]
    state = after(judge, *later)

    assert only(state).fail_stable == pytest.approx(only(at_once).fail_stable)
    assert only(state).pass_stable == pytest.approx(only(at_once).pass_stable)
    assert [each.end for each in only(state).ahead] == [20.0]
    assert (only(state).seen_total, only(state).passed_total) == (85, 85)


def test_against_the_target_every_count_counts_at_once() -> None:
    judge = judge_of(errors("errors", 0.999, compare=Compare.TARGET))

    state = after(judge, *(shared(index, (25, 25), (0, 0), behind=1) for index in range(3)))

    assert judge.decide(state) is Decision.FAIL


def test_an_outage_of_both_that_stable_shows_later_is_no_failure() -> None:
    judge = judge_of(errors("errors", 0.999), breaker())
    names = ("breaker", "errors")
    before = [
        shared(0, (250, 0), (2250, 0), names=names),
        *(shared(index, (250, 50), (2250, 90), names=names) for index in (1, 2)),
    ]
    seconds = [
        *before,
        shared(3, (250, 50), (2250, 90), late=360, names=names),
        shared(4, (250, 0), (2250, 360), names=names),
    ]

    for count in range(1, 6):
        assert judge.decide(after(judge, *seconds[:count])) is not Decision.FAIL
    sure = shared(3, (250, 50), (2250, 90), names=names)
    assert judge.decide(after(judge, *before, sure)) is Decision.FAIL


def test_an_outage_of_both_that_stable_shows_earlier_is_no_proof_for_the_candidate() -> None:
    judge = judge_of(errors("errors", 0.999, compare=Compare.STABLE))
    quiet = [shared(i, (25, 0), (225, 0)) for i in range(3)]

    unsure = after(judge, *quiet, shared(3, (250, 0), (2250, 300), early=300))
    sure = after(judge, *quiet, shared(3, (250, 0), (2250, 300)))

    assert judge.decide(sure) is Decision.PASS
    assert judge.decide(unsure) is Decision.INCONCLUSIVE


def test_a_bet_that_begins_in_an_outage_of_both_knows_what_stable_showed_of_it() -> None:
    judge = errors_judge(Compare.STABLE)
    before = [shared(i, (250, 0), (2250, 0)) for i in range(11)]
    minute = [shared(index, (250, 50), (2250, 90)) for index in (12, 13, 14)]

    unsure = after(judge, *before, shared(11, (250, 0), (2250, 360), early=360), *minute)
    sure = after(judge, *before, shared(11, (250, 0), (2250, 360)), *minute)

    assert judge.decide(sure) is Decision.FAIL
    assert judge.decide(unsure) is not Decision.FAIL


def test_bad_requests_that_wait_never_speak_for_the_candidate() -> None:
    judge = errors_judge(Compare.STABLE)
    good = [shared(i, (500, 0), (500, 2)) for i in range(20)]
    state = after(judge, *good)
    assert judge.decide(state) is Decision.PASS

    waiting = judge.update(state, shared(20, (500, 30), (0, 0), behind=1))

    assert judge.decide(waiting) is Decision.INCONCLUSIVE


def test_without_stable_for_a_minute_the_target_decides() -> None:
    judge = judge_of(errors("errors", 0.999), breaker())
    state, decided = judge.start(), []
    for i in range(13):
        state = judge.update(state, unseen(i, 25, 25, "errors", "breaker"))
        decided.append(judge.decide(state) is Decision.FAIL)

    assert decided.index(True) == UNSEEN / STEP - 1
    assert state.is_alone


def test_what_was_seen_before_stable_was_lost_is_held_against_both() -> None:
    judge = errors_judge(target=0.99)
    degraded = [interval(STEP * i, 12, 250, 108, 2250) for i in range(12)]
    good = [unseen(12 + i, 250, 0) for i in range(24)]

    state = after(judge, *degraded, *good)

    assert judge.decide(after(errors_judge(Compare.TARGET, 0.99), *degraded)) is Decision.FAIL
    assert state.is_alone
    assert judge.decide(state) is not Decision.FAIL


def test_stable_that_is_back_within_a_minute_is_compared_with_all_that_waited() -> None:
    judge = errors_judge()
    lost = [unseen(i, 25, 25) for i in range(6)]
    back = Interval(30, 35, {"errors": Sample(Counts.of(25, 25), Counts.of(1575, 1575))})

    state = after(judge, *lost, back)

    assert judge.decide(state) is not Decision.FAIL
    assert only(state).unseen is None
    assert state.unseen_since is None


def test_stable_that_is_back_later_decides_with_the_target_again() -> None:
    judge = errors_judge(target=0.99)
    lost = [unseen(i, 25, 0) for i in range(24)]
    degraded = [interval(120 + STEP * i, 12, 250, 108, 2250) for i in range(24)]

    state = after(judge, *lost, *degraded)

    assert judge.decide(state) is not Decision.FAIL
    assert not state.is_alone
    said = {each.reason for each in explain(judge, state).conditions}
    assert Reason.SERVICE_DEGRADED in said


def test_a_breaker_does_not_fire_at_an_outage_that_both_are_seen_to_have() -> None:
    judge = judge_of(errors("errors", 0.999), breaker())
    samples = {
        name: Sample(Counts.of(25, 25), Counts.of(225, 225)) for name in ("errors", "breaker")
    }

    state = after(judge, *(Interval(STEP * i, STEP * (i + 1), samples) for i in range(24)))

    assert judge.decide(state) is not Decision.FAIL


def test_shadow_leaves_nothing_that_waits_to_the_canary() -> None:
    judge = errors_judge()
    last = replace(shared(0, (25, 25), (0, 0), behind=1), arm=Traffic.SHADOW)
    state = judge.enter_live(judge.update(judge.start(), last))

    state = judge.update(state, shared(1, (30, 0), (225, 9), behind=1))

    assert only(state).pair is None
    assert [each.total for each in only(state).ahead] == [30]


def test_intervals_that_wait_are_few_whatever_comes() -> None:
    judge = errors_judge()
    waiting = [shared(i, (25, 1), (0, 0), behind=i + 1) for i in range(100)]

    state = after(judge, *waiting)

    assert len(only(state).ahead) <= 5
    assert math.fsum(each.total for each in only(state).ahead) == 2500


def _waiting_states(judge: Judge) -> list[State]:
    names = tuple(each.name for each in judge.rules.objectives)
    seen = [shared(i, (25, 1), (225, 2), behind=1, early=1, late=2, names=names) for i in range(9)]
    lost = [unseen(9 + i, 25, 1, *names) for i in range(15)]
    turns = [interval(STEP * (24 + i), 0, 0, 1, 9, name=names[0]) for i in range(3)]
    found, state = [judge.start()], judge.start()
    for each in (*seen, *lost, *turns):
        state = judge.update(state, each)
        found.append(state)
    return found


@pytest.mark.parametrize("dispersion", [Dispersion(), Dispersion(3.0, 2.0, plateau=15.0)])
def test_what_waits_survives_a_restart(dispersion: Dispersion) -> None:
    objectives = (errors("errors", 0.999), latency("latency", 0.3, 0.99, EDGES), client_errors())
    rules = judge_of(*objectives).rules
    judge = Judge(rules, {each.name: dispersion for each in objectives})
    states = _waiting_states(judge)

    for state in states:
        again, read = resume(encode(judge, state), rules)
        assert read == state
        assert judge.decide(read) is judge.decide(state)
    kinds = {
        (bool(each.ahead), each.pair is not None, each.edge is not None, each.alone)
        for state in states
        for each in state.evidence
    }
    assert {(True, False, True, False), (True, True, True, True)} <= kinds
    assert again.rules == rules


def test_what_waits_takes_little_room() -> None:
    gates = [latency(f"l{i}", 0.1 * i, 0.95 + 0.005 * i, EDGES) for i in range(1, 5)]
    judge = judge_of(errors("errors", 0.999), errors("e", 0.99), *gates)

    longest = max(_waiting_states(judge), key=lambda state: len(encode(judge, state)))

    assert len(encode(judge, longest)) - len(encode(judge, judge.start())) < 600
    assert len(encode(judge, longest)) < 4096
