"""From tallies to what the judge is fed: which counts each arm gives for each kind of objective."""

from dataclasses import replace

import pytest

from model_rollouts.decision import Counts, Objective, Traffic, counters, errors, latency
from model_rollouts.decision.objective import CounterPair
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts, Tally
from model_rollouts.rollout.trial.samples import CANDIDATE, STABLE, Counting
from tests.rollout.made_up import STARTED_MS, STEP_MS

SLOW = {0.3: 9, 0.32: 7, 0.35: 5, 0.4: 4, 0.5: 2}
"""How many of 100 answers were slower than each edge, in either arm."""


def record(counting: Counting, pods: int = 1, stable: int = 100) -> IntervalCounts:
    """One interval in which every counter that is asked for has its true value."""

    def arm(requests: int, number: int) -> ArmCounts:
        tallies = {}
        for each in counting.counted():
            edges = sorted(SLOW) if len(each.bad) > 1 else []
            bad = tuple(SLOW[edge] for edge in edges[: len(each.bad)]) or (3,)
            tallies[each.name] = Tally(requests, bad)
        return ArmCounts(tallies, number, 0)

    arms = {CANDIDATE: arm(100, 1), STABLE: arm(stable, pods)}
    return IntervalCounts(STARTED_MS, STARTED_MS + STEP_MS, arms, ())


def taken(objective: Objective) -> tuple[Counts, Counts]:
    """What the judge gets of candidate and stable."""
    counting = Counting((objective,))
    sample = counting.interval(record(counting), STARTED_MS, Traffic.LIVE).samples[objective.name]
    return sample.candidate, sample.stable


def test_each_arm_is_counted_at_its_own_edges() -> None:
    """The candidate has an edge at the threshold, stable was made before it was asked for."""
    objective = latency("latency", 0.32, 0.99, (0.3, 0.32, 0.4), stable_edges=(0.3, 0.35, 0.5))

    candidate, stable = taken(objective)

    assert candidate == Counts(100, SLOW[0.32], SLOW[0.32], SLOW[0.4])
    assert stable == Counts(100, SLOW[0.35], SLOW[0.3], SLOW[0.5])


def test_beyond_the_edges_nothing_is_claimed() -> None:
    objective = latency("latency", 0.6, 0.99, (0.3, 0.32, 0.35, 0.4, 0.5))

    candidate, _ = taken(objective)

    assert (candidate.bad_at_least, candidate.far) == (0, 0)


def test_counters_of_the_model_server_are_counted_by_their_own_names() -> None:
    pair = CounterPair("my_wrong_total", "my_answers_total")
    objective = counters("own", 0.01, 0.02, metrics=pair)

    (_, own) = Counting((objective,)).counted()

    assert [term.counter.metric for term in (*own.total, *own.bad[0])] == [pair.total, pair.bad]
    assert taken(objective) == (Counts.of(100, 3), Counts.of(100, 3))


def test_counters_that_tell_of_two_arms_at_once_give_no_sample() -> None:
    objective = counters("own", 0.01, 0.02, metrics=CounterPair("bad", "total"))
    counting = Counting((errors("errors", 0.99), objective))
    whole = record(counting)
    tallies = {name: each for name, each in whole.arms[CANDIDATE].tallies.items() if name != "own"}
    arms = {**whole.arms, CANDIDATE: replace(whole.arms[CANDIDATE], tallies=tallies)}

    samples = counting.interval(replace(whole, arms=arms), STARTED_MS, Traffic.LIVE).samples

    assert set(samples) == {"errors"}


@pytest.mark.parametrize(("stable", "pods", "comparable"), [(1400, 10, True), (1440, 10, False)])
def test_a_load_per_pod_is_comparable_from_seven_tenths_on(
    stable: int, pods: int, comparable: bool
) -> None:
    counting = Counting((errors("errors", 0.99),))

    found = counting.interval(record(counting, pods, stable), STARTED_MS, Traffic.LIVE)

    assert found.comparable_load is comparable
