"""Counts of stable are cut where the candidate was scraped, and all of them are handed out once."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.metrics.alignment import Alignment
from model_rollouts.metrics.counts import SharedTally, Tally
from model_rollouts.metrics.objectives import client_errors, errors, own_counters
from model_rollouts.metrics.requests import Arm
from tests.metrics.fake_prometheus import (
    CLASS,
    COMPLETED,
    GIVEN_UP,
    GRPC,
    World,
    count,
    rollout,
)
from tests.metrics.fake_prometheus import THROTTLED as REFUSED

STEP, LOOKBACK = 5_000, 300_000
START = 1_000_000
ERRORS = "errors"


def alignment() -> Alignment:
    return Alignment(STEP, LOOKBACK, {ERRORS: 1})


def stable(of: Alignment, pod: str, *scrapes: tuple[int, int, int]) -> None:
    """Scrapes at a time (ms after START) with requests and bad ones since the one before."""
    before = START - STEP
    for at, total, bad in scrapes:
        of.counted(pod, before, START + at, {ERRORS: Tally(total, (bad,))})
        before = START + at


def closed(of: Alignment, *ends: int) -> list[SharedTally]:
    return [of.close(START + end)[ERRORS] for end in ends]


def tallies(found: Sequence[SharedTally]) -> list[tuple[int, int]]:
    return [(each.tally.total, each.tally.bad[0]) for each in found]


def test_scrapes_at_the_same_time_are_taken_as_they_are() -> None:
    of = alignment()
    stable(of, "a", (4_900, 100, 7), (9_900, 120, 0))
    for at in (4_900, 9_900):
        of.scraped("c", START + at)

    found = closed(of, 5_000, 10_000)

    assert tallies(found) == [(100, 7), (120, 0)]
    assert [each.until_ms - START for each in found] == [5_000, 10_000]
    assert [(each.early, each.late) for each in found] == [((0,), (0,)), ((0,), (0,))]


def test_a_scrape_is_cut_where_the_candidate_was_scraped() -> None:
    of = alignment()
    stable(of, "a", (3_900, 0, 0), (8_900, 100, 50), (13_900, 0, 0))
    for at in (4_900, 9_900, 14_900):
        of.scraped("c", START + at)

    found = closed(of, 5_000, 10_000, 15_000)

    assert tallies(found) == [(0, 0), (20, 10), (80, 40)]
    assert [each.until_ms - START for each in found] == [0, 5_000, 10_000]
    assert (found[1].early, found[1].late) == ((10,), (40,))
    assert (found[2].early, found[2].late) == ((0,), (0,))


def test_a_pod_of_the_candidate_that_is_not_scraped_makes_all_since_then_unsure() -> None:
    of = alignment()
    of.scraped("d", START + 4_000)
    for at in range(4_900, 30_000, STEP):
        of.scraped("c", START + at)
    stable(of, "a", *((at, 100, 100 * (at == 14_900)) for at in range(4_900, 30_000, STEP)))

    found = closed(of, *range(STEP, 35_000, STEP))

    assert [each.early[0] for each in found] == [0, 0, 100, 100, 100, 100]


def test_a_scrape_of_stable_that_is_late_is_waited_for() -> None:
    of = alignment()
    for at in range(4_900, 30_000, STEP):
        of.scraped("c", START + at)
    stable(of, "a", *((at, 100, 0) for at in range(4_900, 30_000, STEP)))
    stable(of, "b", *((at, 100, 0) for at in (4_900, 14_900, 19_900, 24_900, 29_900)))

    found = closed(of, *range(STEP, 35_000, STEP))

    assert [each.until_ms - START for each in found[:4]] == [5_000, 5_000, 15_000, 20_000]
    assert [each.tally.total for each in found[:3]] == [200, 0, 300]


def test_a_pod_of_stable_that_is_gone_is_not_waited_for() -> None:
    of = alignment()
    for at in range(4_900, 60_000, STEP):
        of.scraped("c", START + at)
    stable(of, "a", *((at, 100, 0) for at in range(4_900, 60_000, STEP)))
    stable(of, "b", (4_900, 100, 0))

    found = closed(of, *range(STEP, 65_000, STEP))

    assert [each.until_ms - START for each in found[:4]] == [5_000, 5_000, 15_000, 20_000]


def test_without_any_scrape_of_stable_the_candidates_counts_wait() -> None:
    of = alignment()
    for at in range(4_900, 60_000, STEP):
        of.scraped("c", START + at)
    stable(of, "a", (4_900, 100, 0), (44_900, 800, 80), (49_900, 100, 0))

    found = closed(of, *range(STEP, 55_000, STEP))

    waiting, back = found[1:8], found[8]
    assert {each.until_ms - START for each in waiting} == {5_000}
    assert (back.until_ms - START, *tallies([back])) == (45_000, (800, 80))


_moments = st.lists(st.integers(1, 39_999), unique=True, max_size=10).map(sorted)


@given(
    pods=st.lists(_moments, min_size=1, max_size=3),
    candidate=st.lists(_moments, max_size=2),
    counts=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=10, max_size=10),
)
@settings(max_examples=60, deadline=None)
def test_what_is_handed_out_is_what_was_counted(
    pods: list[list[int]], candidate: list[list[int]], counts: list[tuple[int, int]]
) -> None:
    of = alignment()
    for number, moments in enumerate(candidate):
        for at in moments:
            of.scraped(f"c{number}", START + at)
    total = bad = 0
    for number, moments in enumerate(pods):
        scrapes = [(at, max(pair), min(pair)) for at, pair in zip(moments, counts, strict=False)]
        stable(of, f"p{number}", *scrapes)
        total += sum(each[1] for each in scrapes)
        bad += sum(each[2] for each in scrapes)

    found = closed(of, *range(STEP, 40_000 + LOOKBACK, STEP))

    assert all(0 <= each.tally.bad[0] <= each.tally.total for each in found)
    assert all(each.early[0] >= 0 and each.late[0] >= 0 for each in found)
    assert (sum(t for t, _ in tallies(found)), sum(b for _, b in tallies(found))) == (total, bad)
    assert all(one.until_ms <= other.until_ms for one, other in pairwise(found[LOOKBACK // STEP :]))


def test_only_stables_side_is_shared_out() -> None:
    world = World()
    for pod, revision, moment in (("a", "new", 0.9), ("c", "old", 0.4)):
        times = [i + moment for i in range(8)]
        for metric, each in ((COMPLETED, 100), (GIVEN_UP, 0), (CLASS, 10)):
            samples = [(at, str(each * i)) for i, at in enumerate(times)]
            world.write(metric, samples, revision=revision, pod=pod)
    measured = rollout(
        objectives=[errors(ERRORS)],
        arms=[Arm("stable", "old", compared_with="new"), Arm("candidate", "new")],
    )

    records = count(world, measured, 8)

    assert records[4].arms["candidate"].shared is None
    counted = records[4].arms["stable"]
    assert counted.tallies[ERRORS] == Tally(100, (10,))
    assert counted.shared is not None
    shared = counted.shared[ERRORS]
    assert (shared.tally, shared.early, shared.late) == (Tally(100, (10,)), (5,), (5,))
    assert shared.until_ms == records[3].end_ms


SEVERAL = {
    "refused requests by code": (
        client_errors("asked"),
        (
            (COMPLETED, 100, {}),
            (REFUSED, 4, {"envoy_cluster_name": "live", "envoy_response_code": "404"}),
            (REFUSED, 6, {"envoy_cluster_name": "live", "envoy_response_code": "422"}),
        ),
    ),
    "gRPC by status": (
        errors("asked"),
        (
            (COMPLETED, 100, {}),
            (CLASS, 1, {}),
            (GRPC, 4, {"envoy_cluster_name": "live", "envoy_grpc_status": "13"}),
            (GRPC, 5, {"envoy_cluster_name": "live", "envoy_grpc_status": "14"}),
        ),
    ),
    "own counters by path": (
        own_counters("asked", bad="wrong_total", total="all_total"),
        (
            ("all_total", 70, {"path": "/a"}),
            ("all_total", 30, {"path": "/b"}),
            ("wrong_total", 7, {"path": "/a"}),
            ("wrong_total", 3, {"path": "/b"}),
        ),
    ),
}
"""Objectives one of whose counters is several series of a pod, with what each adds in a scrape."""


@pytest.mark.parametrize("case", SEVERAL)
def test_several_series_of_one_counter_are_added_up_in_both_counts(case: str) -> None:
    asked, series = SEVERAL[case]
    world = World()
    for pod, revision in (("a", "new"), ("c", "old")):
        for metric, each, labels in series:
            samples = [(i + 0.9, str(each * i)) for i in range(12)]
            world.write(metric, samples, revision=revision, pod=pod, more=labels)
    measured = rollout(
        objectives=[asked],
        arms=[Arm("stable", "old", compared_with="new"), Arm("candidate", "new")],
    )

    records = count(world, measured, 12)[3:]

    assert len(records) > 5
    for record in records:
        counted = record.arms["stable"]
        assert counted.tallies["asked"] == Tally(100, (10,))
        assert counted.shared is not None
        assert counted.shared["asked"].tally == Tally(100, (10,))
