"""Requests arrive as the weights say, or the contradiction is found; false alarms have a bound."""

import random
from dataclasses import replace

import pytest

from model_rollouts.decision import Traffic
from model_rollouts.metrics.counts import IntervalCounts, Tally
from model_rollouts.metrics.findings import Reason
from model_rollouts.rollout.memory import Split
from model_rollouts.rollout.trial.traffic_split import (
    TOLERANCE,
    counted,
    is_unreached,
    left_out,
    mirrored,
    too_few,
)
from tests.rollout.made_up import STARTED_MS, STEP_MS, finding, record

NEW = Split(STARTED_MS)
Totals = tuple[int, int]


def seen(records: list[IntervalCounts], weight: float, split: Split = NEW) -> list[Split]:
    """The split after each interval."""
    found = []
    for each in records:
        split = counted(split, each, weight)
        found.append(split)
    return found


def alike(number: int, candidate: int, stable: int) -> list[IntervalCounts]:
    return [record(index, (candidate, 0), (stable, 0)) for index in range(number)]


def test_one_request_is_enough_to_have_been_observed() -> None:
    before, after = seen([record(1, (0, 0), (19, 0)), record(2, (1, 0), (19, 0))], 0.05)

    assert (before.observed, after.observed) == (False, True)


@pytest.mark.parametrize(
    ("since", "expected"),
    [(-STEP_MS, 10), (0, 0), (1, 0)],
    ids=["a whole interval before", "as the interval begins", "within the interval"],
)
def test_what_came_before_the_write_does_not_count(since: int, expected: int) -> None:
    """A scrape counts from the one before: the first interval has requests of the old weights."""
    split = counted(Split(STARTED_MS + since), record(0, (10, 0), (30, 0)), 0.25)

    assert split.candidate == expected


@pytest.mark.parametrize("reason", Reason)
def test_an_interval_with_counts_missing_or_doubled_is_left_out(reason: Reason) -> None:
    (split,) = seen([record(1, (10, 0), (30, 0), [finding(reason)])], 0.25)

    whole = reason in (
        Reason.NO_TRAFFIC,
        Reason.BAD_EXCEEDS_TOTAL,
        Reason.PODS_NOT_COUNTED,
    )
    assert split.candidate == (10 if whole else 0)


def test_without_stable_nothing_can_contradict() -> None:
    records = [record(index, (100, 0)) for index in range(50)]

    assert seen(records, 1.0)[-1].observed


def copied(records: list[IntervalCounts], percent: int) -> Split:
    """The split after these intervals of copies."""
    split = Split(STARTED_MS, mirror=percent)
    for each in records:
        split = mirrored(split, each)
    return split


def copies(number: int, copies: int, stable: int, *, warming: bool = False) -> list[IntervalCounts]:
    return [
        record(i, (copies, 0), (stable, 0), traffic=Traffic.SHADOW, warming=warming)
        for i in range(1, number + 1)
    ]


@pytest.mark.parametrize(
    ("percent", "come", "stable", "number"),
    [
        (100, 250, 250, 500),
        (100, 240, 250, 500),
        (10, 25, 250, 500),
        (1, 1, 100, 500),
        (1, 0, 1, 60),
    ],
)
def test_copies_that_come_as_the_route_says_are_observed(
    percent: int, come: int, stable: int, number: int
) -> None:
    assert copied(copies(number, come, stable), percent).mismatch is None


@pytest.mark.parametrize(
    ("percent", "come", "stable", "number", "share"),
    [
        (100, 250, 250, 500, None),
        (100, 247, 250, 500, None),
        (100, 225, 250, 500, 0.1),
        (10, 22, 250, 500, 0.12),
        # So few may be chance, or were asked for in an interval that is not over yet.
        (10, 22, 250, 5, None),
        (100, 225, 250, 3, None),
        # It is told in other words that none comes.
        (100, 0, 250, 500, None),
    ],
)
def test_requests_that_are_not_mirrored_are_a_share(
    percent: int, come: int, stable: int, number: int, share: float | None
) -> None:
    """A gateway leaves out those above a limit of its own."""
    found = left_out(copied(copies(number, come, stable), percent))

    assert found == (None if share is None else pytest.approx(share))


def test_users_that_are_split_leave_nothing_out() -> None:
    assert left_out(seen(alike(500, 200, 250), 0.5)[-1]) is None


@pytest.mark.parametrize(
    ("percent", "come", "stable", "within"),
    [(100, 0, 250, 4), (1, 0, 250, 10), (1, 250, 250, 5), (100, 100, 250, 10), (10, 250, 250, 5)],
    ids=["none of all", "none of one per cent", "all of one per cent", "less than half", "all"],
)
def test_copies_that_come_otherwise_are_found(
    percent: int, come: int, stable: int, within: int
) -> None:
    """A gateway that knows no mirror, or no share of one."""
    split = copied(copies(within, come, stable), percent)

    assert split.mismatch == (
        f"{come * within:,} of {stable * within:,} requests were mirrored, but the route says "
        f"{percent} %"
    )
    assert not split.observed


def test_copies_to_cold_pods_are_left_out() -> None:
    assert copied(copies(50, 0, 250, warming=True), 100) == Split(STARTED_MS, mirror=100)


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_a_gateway_that_copies_at_random_is_not_accused(percent: int) -> None:
    generator = random.Random(percent)
    split = Split(STARTED_MS, mirror=percent)
    for index in range(1, 2_000):
        come = sum(generator.random() < percent / 100 for _ in range(20))
        split = mirrored(split, record(index, (come, 0), (20, 0), traffic=Traffic.SHADOW))
        assert split.mismatch is None


@pytest.mark.parametrize(
    ("weight", "candidate", "stable", "after"),
    [
        (0.25, 0, 250, 3),
        (0.25, 250, 0, 3),
        (0.05, 0, 250, 5),
        (0.05, 0, 5, 103),
        (0.5, 25, 225, 3),
        (0.25, 125, 125, 6),
        (0.05, 250, 250, 3),
    ],
    ids=["nobody", "everybody", "nobody of few", "little traffic", "a tenth", "half", "far more"],
)
def test_a_contradiction_is_found(weight: float, candidate: int, stable: int, after: int) -> None:
    splits = seen(alike(200, candidate, stable), weight)

    found = next(i for i, split in enumerate(splits) if split.mismatch)
    assert found == after
    assert splits[-1].mismatch
    assert not splits[-1].observed


def test_a_contradiction_in_words() -> None:
    assert seen(alike(20, 0, 250), 0.25)[-1].mismatch == (
        "0 of 4,750 requests reached the candidate, but its weight is 25 %"
    )


@pytest.mark.parametrize(
    "records",
    [
        [record(1, (0, 0), (1800, 0)), *(record(i, (500, 0), (4500, 0)) for i in range(2, 9))],
        [record(1, (500, 0), (0, 0)), *(record(i, (500, 0), (4500, 0)) for i in range(2, 9))],
        [*(record(i, (500, 0), (4500, 0)) for i in range(1, 4)), record(4, (0, 0), (3600, 0))],
    ],
    ids=["stable is scraped last", "the candidate is scraped last", "traffic ends"],
)
def test_pods_that_are_scraped_at_different_moments_are_no_contradiction(
    records: list[IntervalCounts],
) -> None:
    assert [split.mismatch for split in seen(records, 0.1)] == [None] * len(records)


def _ever(rng: random.Random, share: float, weight: float, looks: int, alarm: float) -> bool:
    """Whether a split was called wrong at any of `looks`, each after one request more."""
    candidate = 0
    for total in range(1, looks + 1):
        candidate += rng.random() < share
        stable = total - candidate
        if too_few(candidate, stable, weight, false_alarm=alarm / 2) or too_few(
            stable, candidate, 1 - weight, false_alarm=alarm / 2
        ):
            return True
    return False


@pytest.mark.parametrize("odds", [1 / TOLERANCE, TOLERANCE], ids=["fewest", "most"])
@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_false_alarms_stay_below_their_bound_though_one_looks_after_every_request(
    odds: float, weight: float
) -> None:
    """At the edge of what is tolerated, the worst case: 20 % asked for, 300 rollouts."""
    rng = random.Random(7)
    allowed = weight / (1 - weight) * odds
    alarms = sum(_ever(rng, allowed / (1 + allowed), weight, 600, 0.2) for _ in range(300))

    # 0.2 * 300 = 60, and 82 is three standard deviations above.
    assert alarms <= 60
    assert alarms >= 1, "a test that never speaks shows nothing"


@pytest.mark.parametrize("weight", [0.01, 0.5])
def test_a_right_split_is_not_called_wrong_in_a_day(weight: float) -> None:
    """At 50 req/s, a look every 5 s, requests split at random; a chance of one in a million."""
    rng = random.Random(weight)
    split = NEW
    for index in range(1, 24 * 720):
        # A normal draw is close to binomial for 250 requests, and much faster.
        spread = (250 * weight * (1 - weight)) ** 0.5
        candidate = min(250, max(0, round(rng.gauss(250 * weight, spread))))
        split = counted(split, record(index, (candidate, 0), (250 - candidate, 0)), weight)
        assert split.mismatch is None


@pytest.mark.parametrize(
    ("intervals", "stable", "weight", "unreached"),
    [
        pytest.param(7, 100, 0.1, True, id="many are missed"),
        pytest.param(7, 10, 0.1, False, id="few are"),
        pytest.param(3, 1000, 0.5, False, id="for a moment"),
        pytest.param(7, 100, 0.0, False, id="none should come"),
    ],
)
def test_requests_that_do_not_arrive_are_noticed(
    intervals: int, stable: int, weight: float, unreached: bool
) -> None:
    last = seen(alike(intervals, 0, stable), weight)[-1]

    assert is_unreached(last, weight) is unreached


def test_one_request_that_arrives_begins_it_anew() -> None:
    records = [*alike(7, 0, 100), record(7, (1, 0), (100, 0)), record(8, (0, 0), (100, 0))]

    assert not is_unreached(seen(records, 0.1)[-1], 0.1)


SLICE = "long-haul"


def with_slice(
    index: int, candidate: int, stable: int, sliced: tuple[int, int], *reasons: Reason
) -> IntervalCounts:
    """An interval of which the candidate and stable had so many requests in the slice."""
    made = record(index, (candidate, 0), (stable, 0), [finding(each) for each in reasons])
    arms = {
        name: replace(arm, tallies={**arm.tallies, f"errors of slice {SLICE}": Tally(part, (0,))})
        for (name, arm), part in zip(made.arms.items(), sliced, strict=True)
    }
    return replace(made, arms=arms)


def sliced(records: list[IntervalCounts], weight: float) -> list[Split]:
    split, found = NEW, []
    for each in records:
        split = counted(split, each, weight, {SLICE})
        found.append(split)
    return found


def test_a_slice_that_comes_to_stable_alone_is_found_with_the_numbers() -> None:
    records = [with_slice(index, 25, 225, (0, 45)) for index in range(1, 61)]

    *_, last = sliced(records, 0.1)

    assert last.mismatch is None
    assert last.differs == (
        "slice long-haul has 0 of 1,500 requests of the candidate (0 %) and 2,700 of 13,500 of "
        "stable (20 %)"
    )


def test_a_slice_that_comes_to_the_candidate_alone_is_found() -> None:
    records = [with_slice(index, 25, 225, (12, 0)) for index in range(1, 61)]

    assert sliced(records, 0.1)[-1].differs is not None


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_slices_that_are_split_by_chance_are_never_said_to_differ(
    share: float, weight: float
) -> None:
    """However often one looks, and whatever share of the requests they are at any time."""
    for seed in range(20):
        dice = random.Random(f"{seed} {share} {weight}")
        records = []
        for index in range(1, 151):
            # Now and then the slice comes in a burst.
            now = min(0.99, share * (20 if dice.random() < 0.05 else 1))
            arms, parts = [0, 0], [0, 0]
            for _ in range(60):
                arm = int(dice.random() >= weight)
                arms[arm] += 1
                parts[arm] += dice.random() < now
            records.append(with_slice(index, arms[0], arms[1], (parts[0], parts[1])))

        assert all(each.differs is None for each in sliced(records, weight))


def test_a_burst_that_one_version_is_scraped_late_for_is_no_difference() -> None:
    """All of it is in one interval of stable, and the candidate's part is in the next."""
    quiet = [with_slice(index, 25, 225, (0, 0)) for index in range(1, 11)]
    burst = [with_slice(11, 25, 225, (0, 200)), with_slice(12, 25, 225, (22, 0))]

    assert [each.differs for each in sliced([*quiet, *burst], 0.1)] == [None] * 12


def test_where_all_requests_contradict_the_weights_no_slice_is_blamed() -> None:
    records = [with_slice(index, 0, 250, (0, 45)) for index in range(1, 61)]

    *_, last = sliced(records, 0.1)

    assert (last.mismatch is not None, last.differs) == (True, None)


def test_a_slice_that_stable_does_not_count_is_not_looked_at() -> None:
    records = [with_slice(index, 25, 225, (12, 0)) for index in range(1, 61)]
    split = NEW
    for each in records:
        split = counted(split, each, 0.1)

    assert split.differs is None
