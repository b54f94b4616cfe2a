"""Promotion needs the evidence of the last step alone, and what Auto's blocks are made of."""

import random

import pytest

from model_rollouts.decision import (
    Compare,
    Counts,
    Decision,
    Interval,
    Sample,
    Shared,
    State,
    Traffic,
    encode,
    errors,
    explain,
    latency,
    resume,
)
from model_rollouts.simulation.traffic import binomial
from tests.decision.made_up import EDGES, after, errors_judge, in_looks, interval, judge_of
from tests.decision.test_guarantees import TRIALS, allowed

GOOD = interval(0, 20, 40_000, 40, 40_000)
"""More than promotion needs."""


@pytest.mark.parametrize("compare", Compare)
def test_what_was_shown_before_the_last_step_promotes_nothing(compare: Compare) -> None:
    judge = errors_judge(compare)
    state = judge.enter_last_step(after(judge, GOOD))

    few = judge.update(state, interval(5, 0, 500, 1, 500))
    enough = judge.update(state, interval(5, 20, 40_000, 40, 40_000))

    assert judge.decide(after(judge, GOOD)) is Decision.PASS
    assert judge.decide(state) is judge.decide(few) is Decision.INCONCLUSIVE
    assert judge.decide(state, 0.5) is Decision.PASS
    assert judge.decide(enough) is Decision.PASS


@pytest.mark.parametrize("compare", Compare)
def test_what_is_bad_in_its_last_step_alone_is_promoted_five_times_in_a_hundred(
    compare: Compare,
) -> None:
    judge, promoted = errors_judge(compare, target=0.99), 0
    before = [interval(5.0 * i, 1, 500, 1, 500) for i in range(12)]
    begun = judge.enter_last_step(after(judge, *before))
    for seed in range(TRIALS):
        rng, state = random.Random(seed), begun
        for index in range(60):
            mine, theirs = binomial(rng, 125, 0.02), binomial(rng, 125, 0.0095)
            state = judge.update(state, interval(60 + 5.0 * index, mine, 125, theirs, 125))
            if state.failed_at is not None:
                break
            if judge.decide(state) is Decision.PASS:
                promoted += 1
                break

    assert promoted <= allowed(TRIALS, 0.05)


def test_what_is_bad_before_its_last_step_alone_is_not_promoted_at_once() -> None:
    judge = errors_judge(Compare.TARGET)
    bad = after(judge, *in_looks(interval(0, 9, 4_000)))
    state = judge.enter_last_step(bad)

    state = judge.update(state, interval(5, 0, 4_000))

    process = judge.processes[0]
    alone = process.passing(state.evidence[0], process.levels[0], in_last_step=True)
    assert alone >= judge.pass_needed
    assert judge.decide(state) is Decision.INCONCLUSIVE


def test_a_slow_mode_inside_the_share_is_stopped_in_the_last_step_too() -> None:
    judge = judge_of(latency("latency", 0.3, 0.99, EDGES))

    def counted(start: float, far: float) -> Interval:
        counts = Counts.timed(100_000, 900, 900, far)
        sample = Sample(counts, Counts.timed(100_000, 900, 900, 0))
        return Interval(start, start + 5, {"latency": sample})

    state = judge.enter_last_step(after(judge, counted(0, 0)))

    assert judge.decide(judge.update(state, counted(5, 300))) is Decision.PASS
    assert judge.decide(judge.update(state, counted(5, 900))) is Decision.INCONCLUSIVE


def test_requests_whose_comparison_began_before_the_last_step_do_not_count_for_it() -> None:
    judge = errors_judge(Compare.STABLE)
    waiting = Sample(Counts.of(40_000, 20), Counts.of(40_000, 40), Shared(0.0, Counts.of(0, 0)))
    state = judge.enter_last_step(after(judge, Interval(0, 5, {"errors": waiting})))
    late = Sample(Counts.of(100, 0), Counts.of(100, 1), Shared(5.0, Counts.of(40_000, 40)))

    state = judge.update(state, Interval(5, 10, {"errors": late}))

    process, evidence = judge.processes[0], state.evidence[0]
    assert process.passing(evidence, process.levels[0]) >= judge.pass_needed
    assert process.passing(evidence, process.levels[0], in_last_step=True) == pytest.approx(1)


def test_the_last_step_begins_once_and_with_users() -> None:
    judge = errors_judge()
    shadow = after(judge, interval(0, 0, 100, 0, 100, arm=Traffic.SHADOW))
    live = judge.update(judge.enter_live(shadow), interval(5, 0, 100, 0, 100))
    last = judge.enter_last_step(live)

    assert judge.enter_last_step(shadow) == shadow
    assert last.last_since == 10
    later = judge.update(last, interval(10, 0, 100, 0, 100))
    assert judge.enter_last_step(later) == later
    again, kept = resume(encode(judge, later), judge.rules)
    assert kept == later
    assert again.decide(kept) is judge.decide(later)


def test_a_rollout_of_one_step_is_all_last_step() -> None:
    judge = judge_of(errors("errors", 0.999), steps=(0.5,))
    begun = judge.enter_last_step(judge.start())

    assert judge.decide(judge.update(begun, GOOD)) is Decision.PASS
    assert judge.decide(after(judge, GOOD)) is Decision.PASS


def test_what_is_awaited_is_what_the_last_step_needs() -> None:
    judge = errors_judge()
    state = judge.enter_last_step(after(judge, GOOD))
    more = explain(judge, state).objectives[0].more_requests
    assert more is not None
    # Pulled towards the good limit by 1,000 requests.
    rate = 21 / 41_000

    def decision(share: float) -> Decision:
        requests = share * more
        further = interval(5, rate * requests, requests, 0.001 * requests, requests)
        return judge.decide(judge.update(state, further))

    assert decision(1.01) is Decision.PASS
    assert decision(0.95) is Decision.INCONCLUSIVE


def minutes(requests: int, bad_every: int, *, until: int) -> list[Interval]:
    """So many requests each minute to both; in some minutes stable has a bad one."""
    return [
        interval(60.0 * i, 0, requests, i % bad_every == 0, requests, length=60)
        for i in range(until)
    ]


@pytest.mark.parametrize(("requests", "ends"), [(300, 10), (200, 10), (199, 20), (60, 40)])
def test_a_block_of_auto_ends_when_the_candidate_had_two_thousand_requests(
    requests: int, ends: int
) -> None:
    judge = errors_judge()

    def sealed(state: State) -> bool:
        return state.evidence[0].block_target != 0

    for bad_every in (1, 7):
        given = minutes(requests, bad_every, until=ends + 1)
        assert not sealed(after(judge, *given[:-1]))
        assert sealed(after(judge, *given))
