"""Whose samples count, and whose are missing: pods of the cluster against those scraped."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.metrics.answers import Answer
from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.pods import KnownPods, Owner, Pod
from model_rollouts.metrics.requests import MeasuredRollout, Request
from model_rollouts.metrics.watermark import Watermark
from tests.metrics.fake_prometheus import (
    CLASS,
    COMPLETED,
    GRID,
    START,
    STEP,
    UPTIME,
    World,
    bads,
    count,
    rollout,
    totals,
)

OURS = Pod("ours", "new", START - 9_000, START - 9_000)
LATER = Pod("later", "new", START + 1_000, START + 1_400)


def known(*there: Pod, gone: Sequence[str] = (), foreign: Sequence[str] = ()) -> KnownPods:
    return KnownPods(there, frozenset(gone), frozenset(foreign))


def writes(
    world: World, pod: str, since: float, until: float, bad: bool, up: float = 100.0
) -> None:
    """10 requests a second of a pod that has been up for so long at `since`."""
    seconds = [since + n for n in range(int(until - since) + 1)]
    begun = round(10 * up)
    done = {at: begun + 10 * n for n, at in enumerate(seconds)}
    world.write(COMPLETED, done, pod=pod)
    world.write(CLASS, done if bad else dict.fromkeys(seconds, 0), pod=pod)
    world.write(UPTIME, {at: round(up + at - since, 1) for at in seconds}, pod=pod)


class Reading:
    """One rollout, read once a second; the operator may begin again at any time."""

    def __init__(self, world: World, pods: KnownPods | None) -> None:
        self.world = world
        self.pods = pods
        self.since: Watermark | None = None
        self.records: list[IntervalCounts] = []
        self.unknown: tuple[str, ...] = ()
        self.restarted()

    def restarted(self) -> None:
        """The operator begins again, and knows the watermark alone."""
        self._intake = Intake(GRID)

    def until(self, seconds: int, pods: KnownPods | None = None) -> "Reading":
        """Read on, with what is known of the pods from now on."""
        self.pods = pods or self.pods
        measured: MeasuredRollout = replace(rollout(), pods=self.pods)
        at = 0 if self.since is None else (self.since.at_ms - START) // STEP
        for second in range(at + 1, seconds + 1):
            tick = self._intake.plan([Request(measured, self.since)], START + (second + 1) * STEP)
            answers: list[Answer] = [self.world.answer(query) for query in tick.queries]
            counted = self._intake.advance(tick, answers)[measured.key]
            assert isinstance(counted, Counted)
            self.records += counted.intervals
            self.since, self.unknown = counted.watermark, counted.unknown
        return self

    def found(self, reason: Reason) -> list[Finding]:
        """What was found."""
        return [
            each for record in self.records for each in record.findings if each.reason is reason
        ]


@pytest.mark.parametrize(
    ("revision", "name", "owner"),
    [
        ("new", "ours", Owner.OURS),
        ("new", "went", Owner.OURS),
        ("old", "ours", Owner.FOREIGN),
        ("new", "elsewhere", Owner.FOREIGN),
        ("new", "just-born", Owner.UNKNOWN),
    ],
)
def test_whose_a_pod_is(revision: str, name: str, owner: Owner) -> None:
    pods = known(OURS, gone=["went"], foreign=["elsewhere"])

    assert pods.owner(revision, name) is owner


def test_a_second_cluster_with_the_same_revision_is_told_and_never_counted() -> None:
    world = World()
    writes(world, "ours", -3.5, 9.5, bad=False)
    writes(world, "elsewhere", -3.5, 9.5, bad=True)

    reading = Reading(world, known(OURS, foreign=["elsewhere"])).until(9)

    assert totals(reading.records) == [10] * 9
    assert sum(bads(reading.records)) == 0
    told = reading.found(Reason.PODS_NOT_COUNTED)
    assert [each.pods for each in told] == [("elsewhere",)] * 9
    assert not any(each.holds for each in told)
    assert {each.arms["candidate"].pods for each in reading.records} == {1}


@pytest.mark.parametrize("restarts_at", [None, 1, 2, 3, 4, 5, 6, 7])
def test_what_is_not_known_to_be_foreign_yet_is_not_counted_either(
    restarts_at: int | None,
) -> None:
    world = World()
    writes(world, "ours", -3.5, 9.5, bad=False)
    writes(world, "elsewhere", -3.5, 9.5, bad=True)
    reading = Reading(world, known(OURS))

    for second in range(1, 10):
        if second == restarts_at:
            reading.restarted()
        foreign = ["elsewhere"] if second > 5 else []
        reading.until(second, known(OURS, foreign=foreign))
        assert reading.unknown == (() if second > 5 else ("elsewhere",))

    assert totals(reading.records) == [10] * 9
    assert sum(bads(reading.records)) == 0


@pytest.mark.parametrize("restarts_at", [None, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("known_at", [2, 4, 6])
def test_a_pod_that_is_scraped_before_anybody_tells_of_it_waits_and_loses_nothing(
    known_at: int, restarts_at: int | None
) -> None:
    world = World()
    writes(world, "ours", -3.5, 9.5, bad=False)
    writes(world, "later", 1.5, 9.5, bad=True, up=0.3)
    reading = Reading(world, known(OURS))

    for second in range(1, 10):
        if second == restarts_at:
            reading.restarted()
        reading.until(second, known(OURS, LATER) if second >= known_at else known(OURS))

    # 10 of it every second, those of the cold start included.
    assert sum(bads(reading.records)) == 3 + 70
    assert sum(totals(reading.records)) == 90 + 3 + 70


def test_what_waited_is_not_taken_for_late_samples() -> None:
    world = World()
    writes(world, "later", 0.5, 19.5, bad=True, up=0.3)
    reading = Reading(world, known(gone=["other"]))
    delays = set()
    for second in range(1, 15):
        # It is told of every second time only, by a cluster that has forgotten it in between.
        reading.until(second, known(LATER) if second % 3 == 0 else known(gone=["other"]))
        delays.add(reading._intake.delay_ms)

    assert delays == {0}


@pytest.mark.parametrize("gone", [["went"], []], ids=["kept with the evidence", "not kept"])
def test_a_pod_that_crashed_and_went_while_the_operator_was_away_keeps_its_errors(
    gone: list[str],
) -> None:
    world = World()
    writes(world, "ours", -3.5, 9.5, bad=False)
    writes(world, "went", -3.5, 5.5, bad=True)
    reading = Reading(world, known(OURS, Pod("went", "new", START - 9_000))).until(2)
    reading.restarted()

    foreign = [] if gone else ["went"]
    reading.until(9, known(OURS, gone=gone, foreign=foreign))

    # What the last scrapes show, up to 5.5 s.
    assert sum(bads(reading.records)) == (60 if gone else 20)


def test_where_nobody_knows_the_pods_all_of_them_count() -> None:
    world = World()
    writes(world, "ours", -3.5, 9.5, bad=False)
    writes(world, "elsewhere", -3.5, 9.5, bad=True)

    reading = Reading(world, None).until(9)

    assert (sum(totals(reading.records)), sum(bads(reading.records))) == (180, 90)
    assert not reading.found(Reason.PODS_NOT_COUNTED)


def test_where_no_label_names_the_pod_all_count_and_none_is_missing() -> None:
    world = World()
    world.write(COMPLETED, {at + 0.5: 100 + 10 * at for at in range(-3, 9)}, pod=None)

    records = count(world, rollout(pods=known(OURS)), 8)

    assert totals(records) == [10] * 8
    assert not [each for record in records for each in record.findings]


def test_the_ready_pods_that_are_not_scraped_are_named() -> None:
    world = World()
    writes(world, "ours", -3.5, 12.5, bad=False)
    unseen = [Pod(f"unseen-{n}", "new", START - 9_000, START - 9_000) for n in range(7)]
    starting = Pod("starting", "new", START - 9_000)

    reading = Reading(world, known(OURS, *unseen, starting)).until(9)

    found = reading.found(Reason.SCRAPE_MISSING)
    assert found[0].pods == tuple(pod.name for pod in unseen)
    assert found[0].message == (
        "Prometheus does not scrape 7 of 8 ready pods of candidate: unseen-0, unseen-1, unseen-2, "
        "unseen-3, unseen-4 and 2 more"
    )
    # What is counted of the others may fail the version.
    assert not found[0].holds
    assert sum(totals(reading.records)) == 90


def test_a_pod_that_missed_two_scrapes_is_named_and_no_more_when_it_is_back() -> None:
    world = World()
    writes(world, "ours", -3.5, 14.5, bad=False)
    writes(world, "lost", -3.5, 3.5, bad=False)
    writes(world, "lost", 9.5, 14.5, bad=False, up=113.0)
    pods = known(OURS, Pod("lost", "new", START - 9_000, START - 9_000))

    reading = Reading(world, pods).until(14)

    missing = [
        any(each.reason is Reason.SCRAPE_MISSING for each in record.findings)
        for record in reading.records
    ]
    ends = [(record.end_ms - START) / 1000 for record in reading.records]
    assert 5.5 <= ends[missing.index(True)] <= 7
    assert missing[-4:] == [False] * 4


SCRAPED = Grid(5_000)
BEGINS = -(-START // SCRAPED.step_ms) * SCRAPED.step_ms
"""Where counting begins at the configured 5 s."""

LATE = 5
"""Seconds until Prometheus knows a pod that has become ready."""


@given(
    interval=st.integers(5, 60),
    ready=st.lists(st.integers(-100, 120), min_size=2, max_size=4),
    phases=st.lists(st.integers(0, 59), min_size=4, max_size=4),
    late=st.lists(st.integers(0, LATE), min_size=4, max_size=4),
    restarts_at=st.none() | st.integers(1, 400),
)
@settings(max_examples=40, deadline=None)
def test_pods_are_missed_by_the_interval_at_which_pods_are_scraped(
    interval: int,
    ready: list[int],
    phases: list[int],
    late: list[int],
    restarts_at: int | None,
) -> None:
    """All but the last one are scraped; it alone is told, and in time."""
    world = World()
    pods = [
        Pod(f"p{n}", "new", BEGINS + 1000 * (at - 30), BEGINS + 1000 * at)
        for n, at in enumerate(ready)
    ]
    zero = (BEGINS - START) // 1000
    for pod, at, phase, after in zip(pods[:-1], ready, phases, late, strict=False):
        first = at + after + (phase - at - after) % interval
        times = [zero + each + 0.5 for each in range(first, 500, interval)]
        world.write(COMPLETED, dict.fromkeys(times, 100), pod=pod.name)
        uptimes = {each: round(each - zero - at + 30, 1) for each in times}
        world.write(UPTIME, uptimes, pod=pod.name)
    measured = replace(rollout(), started_ms=BEGINS, pods=known(*pods))
    intake, since = Intake(SCRAPED), None
    told: dict[str, float] = {}
    for second in range(0, 460, 5):
        if restarts_at is not None and second >= restarts_at:
            intake, restarts_at = Intake(SCRAPED), None
        now_ms = BEGINS + 1000 * second + SCRAPED.step_ms
        tick = intake.plan([Request(measured, since)], now_ms)
        counted = intake.advance(tick, [world.answer(query) for query in tick.queries])[
            measured.key
        ]
        assert isinstance(counted, Counted)
        since = counted.watermark
        for record in counted.intervals:
            for each in record.findings:
                if each.reason is Reason.SCRAPE_MISSING:
                    for name in each.pods:
                        told.setdefault(name, (record.end_ms - BEGINS) / 1000)

    assert set(told) == {pods[-1].name}
    begins = max(ready[-1], min(ready[:-1]) + interval + LATE, 0)
    assert told[pods[-1].name] <= begins + 5 * interval + 10


def test_pods_that_are_foreign_are_forgotten_with_their_samples() -> None:
    world = World()
    writes(world, "ours", -3.5, 14.5, bad=False)
    writes(world, "elsewhere", -3.5, 2.5, bad=True)

    reading = Reading(world, known(OURS, foreign=["elsewhere"])).until(12)

    told = [
        any(each.reason is Reason.PODS_NOT_COUNTED for each in record.findings)
        for record in reading.records
    ]
    assert told[0]
    assert not told[-1]
