"""The slow pace: minutes of whole scrape intervals, counted exactly, with nothing kept between."""

from collections.abc import Iterable

import pytest

from model_rollouts.metrics.answers import Answer, Failed
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.grid import Grid, sparing_grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.watermark import Watermark
from tests.metrics.fake_prometheus import (
    CLASS,
    COMPLETED,
    START,
    UPTIME,
    World,
    at,
    bads,
    findings,
    rollout,
    totals,
)

SCRAPE = 5
MINUTE = 60
GRID = sparing_grid(Grid(SCRAPE * 1000), MINUTE * 1000)
ARMS = (Arm("stable", "new"),)
BEGINS = -(-START // GRID.step_ms) * GRID.step_ms
"""The first boundary of a minute after the samples begin."""


def world(
    per_scrape: int = 10, bad: int = 0, until: int = 600, restart: int | None = None
) -> World:
    """One pod that is scraped 1.2 s after each multiple of the interval; `restart` is a second."""
    made = World()
    rows: dict[str, dict[float, object]] = {COMPLETED: {}, CLASS: {}, UPTIME: {}}
    done = failed = 0
    born = -1_000.0
    for second in range(-60, until, SCRAPE):
        if restart is not None and second >= restart > born:
            done = failed = 0
            born = float(restart)
        done, failed = done + per_scrape, failed + bad
        moment = second + 1.2
        for metric, value in ((COMPLETED, done), (CLASS, failed), (UPTIME, int(moment - born))):
            rows[metric][moment] = value
    for metric, row in rows.items():
        made.write(metric, row)
    return made


def tick(
    intake: Intake, made: World, end_ms: int, since: Watermark | None = None, started_ms: int = 7
) -> Counted:
    """What one reading finds for the interval that ends at `end_ms`."""
    measured = rollout(arms=ARMS, started_ms=started_ms)
    found = intake.plan([Request(measured, since)], end_ms + GRID.step_ms)
    answers: list[Answer] = [made.answer(query) for query in found.queries]
    counted = intake.advance(found, answers)[measured.key]
    assert isinstance(counted, Counted)
    return counted


def sums(counted: Iterable[Counted]) -> tuple[int, int]:
    """All requests of stable, and the bad ones."""
    records = [record for each in counted for record in each.intervals]
    return sum(totals(records, "stable")), sum(bads(records, "stable"))


@pytest.mark.parametrize(
    ("scrape_ms", "step_ms", "scrapes"),
    [(5_000, 60_000, 12), (7_000, 63_000, 9), (60_000, 60_000, 1), (90_000, 90_000, 1)],
)
def test_an_interval_is_about_a_minute_of_whole_scrape_intervals(
    scrape_ms: int, step_ms: int, scrapes: int
) -> None:
    found = sparing_grid(Grid(scrape_ms, 3 * scrape_ms))

    assert (found.step_ms, found.scrapes, found.scrape_ms) == (step_ms, scrapes, scrape_ms)
    assert found.lookback_ms == 3 * scrape_ms


@pytest.mark.parametrize("scrapes", [0, 7])
def test_an_interval_has_a_whole_number_of_scrapes(scrapes: int) -> None:
    with pytest.raises(InputError, match="scrapes"):
        Grid(60_000, scrapes=scrapes)


def test_minute_by_minute_every_request_is_counted_once() -> None:
    made, intake = world(bad=2), Intake(GRID, sparing=True)
    since: Watermark | None = None
    seen = []
    for minute in range(1, 6):
        seen.append(tick(intake, made, BEGINS + minute * GRID.step_ms, since))
        since = seen[-1].watermark

    assert sums(seen) == (5 * 12 * 10, 5 * 12 * 2)
    assert [each.watermark.at_ms for each in seen] == [
        BEGINS + minute * GRID.step_ms for minute in range(1, 6)
    ]


def test_no_process_is_remembered_from_one_minute_to_the_next() -> None:
    intake = Intake(GRID, sparing=True)

    tick(intake, world(), BEGINS + GRID.step_ms)

    assert intake._counters == {}


def test_one_minute_and_the_scrapes_before_it_are_asked_for() -> None:
    intake = Intake(GRID, sparing=True)
    end_ms = BEGINS + 5 * GRID.step_ms

    found = intake.plan([Request(rollout(arms=ARMS, started_ms=7))], end_ms + GRID.step_ms)

    assert {(query.after_ms, query.at_ms) for query in found.queries} == {
        (end_ms - GRID.step_ms - GRID.lookback_ms, end_ms)
    }


def test_the_first_minute_begins_where_something_else_has_counted_to() -> None:
    made, intake = world(), Intake(GRID, sparing=True)
    there = BEGINS + 2 * GRID.step_ms + 35_000

    counted = tick(intake, made, BEGINS + 3 * GRID.step_ms, Watermark(there))

    (record,) = counted.intervals
    assert (record.start_ms, record.end_ms) == (there, BEGINS + 3 * GRID.step_ms)
    assert sums([counted]) == (5 * 10, 0)


def test_what_is_counted_further_than_the_minute_waits_for_the_next() -> None:
    made, intake = world(), Intake(GRID, sparing=True)
    ahead = Watermark(BEGINS + 3 * GRID.step_ms + 5_000)

    counted = tick(intake, made, BEGINS + 3 * GRID.step_ms, ahead)

    assert (counted.intervals, counted.watermark, counted.behind) == ((), ahead, False)


def test_after_an_outage_there_is_nothing_to_catch_up_with() -> None:
    made, intake = world(until=1_200), Intake(GRID, sparing=True)
    measured = rollout(arms=ARMS, started_ms=7)
    since = Watermark(BEGINS + GRID.step_ms)
    away = intake.plan([Request(measured, since)], BEGINS + 3 * GRID.step_ms)
    intake.advance(away, [Failed("HTTP 503")] * len(away.queries))

    counted = tick(intake, made, BEGINS + 15 * GRID.step_ms, since)

    (record,) = counted.intervals
    assert record.start_ms == BEGINS + 14 * GRID.step_ms
    assert not counted.behind


@pytest.mark.parametrize("every_s", [15, 30, 60])
def test_pods_that_are_scraped_seldom_are_counted_from_the_second_minute_on(every_s: int) -> None:
    made, rows = World(), {COMPLETED: {}, CLASS: {}, UPTIME: {}}  # type: ignore[var-annotated]
    for second in range(-120, 600, every_s):
        rows[COMPLETED][second + 1.2] = 2 * (second + 120)
        rows[CLASS][second + 1.2] = 0
        rows[UPTIME][second + 1.2] = second + 1_000
    for metric, row in rows.items():
        made.write(metric, row)
    intake, since, seen = Intake(GRID, sparing=True), None, []
    for minute in range(1, 6):
        seen.append(tick(intake, made, BEGINS + minute * GRID.step_ms, since))
        since = seen[-1].watermark

    assert sums(seen[1:]) == (4 * 60 * 2, 0)
    assert seen[-1].scraped_every_ms == every_s * 1000
    assert intake._counters == {}


def test_a_restart_within_the_minute_is_seen_at_its_scrape() -> None:
    begins = (BEGINS - START) // 1000
    made = world(restart=begins + 30)

    counted = tick(Intake(GRID, sparing=True), made, BEGINS + GRID.step_ms)

    assert sums([counted]) == (12 * 10, 0)
    assert "CountersReset" in [each.reason for each in findings(counted.intervals)]


def test_without_a_scrape_nothing_is_claimed() -> None:
    counted = tick(Intake(GRID, sparing=True), World(), BEGINS + GRID.step_ms)

    (record,) = counted.intervals
    assert record.arms["stable"].pods == 0


def test_the_paces_are_told_apart_by_what_is_asked() -> None:
    assert not rollout().sparing
    assert MeasuredRollout("k", "n", ARMS, rollout().objectives, 0, sparing=True).sparing
    assert at(0) == START / 1000
