"""One service through watch, slow pace, shadow, canary and back, counted by the real intakes."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest

from model_rollouts.metrics.answers import Answer
from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.grid import Grid, sparing_grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.requests import Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.rollout.memory import Service
from model_rollouts.rollout.trial import service
from model_rollouts.rollout.trial.samples import requests
from model_rollouts.rollout.trial.trial import take_counts
from tests.metrics import fake_prometheus
from tests.metrics.fake_prometheus import CLASS, COMPLETED, UPTIME
from tests.rollout.simulated_cluster import INTERVAL, NOON, Answered, World

RATE = 40.0

SCRAPED_MS = 1_000
"""How long before the end of an interval of the world its pods are scraped."""

PACES = (Grid(5_000), sparing_grid(Grid(5_000)))


class Counting(World):
    """A world whose samples are scraped, asked for and differenced as the operator does it."""

    def __post_init__(self) -> None:
        """Nothing is scraped yet."""
        super().__post_init__()
        self.prometheus = fake_prometheus.World()
        self.sums: dict[tuple[str, Listener], Answered] = {}
        self.intakes: dict[tuple[bool, int], Intake] = {}

    def measure(self) -> None:
        """Scrape, and what a tick finds then."""
        self._scrape()
        request = self.measures
        if request is None:
            return
        counted = self._tick(request, round((NOON + self.time) * 1000))
        self.memory = take_counts(self.memory, counted, self._weight())

    def _tick(self, request: Request, now_ms: int) -> Counted:
        rollout = request.rollout
        grid = PACES[rollout.sparing]
        phase_ms = rollout.started_ms % grid.step_ms // 500 * 500
        intake = self.intakes.setdefault(
            (rollout.sparing, phase_ms),
            Intake(replace(grid, phase_ms=phase_ms), sparing=rollout.sparing),
        )
        found = intake.plan([request], now_ms + grid.step_ms)
        answers: list[Answer] = [self.prometheus.answer(query) for query in found.queries]
        counted = intake.advance(found, answers)[rollout.key]
        assert isinstance(counted, Counted)
        return counted

    def _scrape(self) -> None:
        served = self.past[-1]
        for (revision, listener), given in served.arms.items():
            before = self.sums.get((revision, listener), Answered())
            self.sums[revision, listener] = now = before + given
            at = (served.end_ms - SCRAPED_MS - fake_prometheus.START) / 1000
            place: dict[str, Any] = {
                "revision": revision,
                "pod": f"{revision}-pod",
                "namespace": "flights",
            }
            arm = {**place, "listener": listener}
            self.prometheus.write(COMPLETED, {at: now.requests}, **arm)
            self.prometheus.write(CLASS, {at: now.bad}, **arm)
            if listener is Listener.LIVE:
                self.prometheus.write(UPTIME, {at: int(self.time + 3_600)}, **place)


@dataclass(frozen=True)
class Taken:
    """An interval that was counted as what users get of a revision."""

    revision: str
    start_ms: int
    end_ms: int
    total: int


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Taken]:
    """Every interval that is counted."""
    noted: list[Taken] = []
    really = service.counted

    def counted(known: Service, record: IntervalCounts, name: str, by: Any) -> Service:
        after, arm = really(known, record, name, by), record.arms[name]
        if after.until_ms != known.until_ms and arm.pods:
            each = Taken(known.revision, record.start_ms, record.end_ms, requests(arm))
            noted.append(each)
        return after

    monkeypatch.setattr(service, "counted", counted)
    return noted


def gaps(of: list[Taken]) -> list[int]:
    """Milliseconds between intervals that follow each other; negative where they overlap."""
    return [after.start_ms - before.end_ms for before, after in pairwise(of)]


def unlike(of: list[Taken]) -> float:
    """By how many requests counts are not those of their time, at most."""
    return max(abs(each.total - RATE * (each.end_ms - each.start_ms) / 1000) for each in of)


def test_no_request_is_counted_twice_and_hardly_one_is_lost(taken: list[Taken]) -> None:
    world = Counting(knows_pods=False, rate=RATE, errors={"2": 0.4})
    world.edit(version="1", strategy__watch={"duration": "2m"})
    world.until("Full").run(600)
    watched = [each for each in taken if each.end_ms - each.start_ms == 5_000]
    minutes = [each for each in taken if each.end_ms - each.start_ms == 60_000]
    assert len(watched) >= 24
    assert len(minutes) >= 6

    world.edit(version="2", strategy__shadow={"sideEffects": "None", "minDuration": "1m"})
    world.until("Shadow").until("RolledBack").run(300)

    first = world.revision_of("1")
    of = [each for each in taken if each.revision == first]
    assert of == taken
    lost = [gap for gap in gaps(of) if gap]
    assert min(gaps(of)) == 0
    # From the minutes to the scrapes of a shadow, and back.
    assert len(lost) <= 2
    assert sum(lost) <= 65_000
    # Scrapes do not fall on the ends of intervals; the first of them has nothing to differ from.
    assert unlike(of[2:]) <= RATE * INTERVAL
    assert world.memory.service is not None
    assert world.memory.service.until_ms == of[-1].end_ms


def test_nothing_is_lost_where_a_watch_ends(taken: list[Taken]) -> None:
    world = Counting(knows_pods=False, rate=RATE)
    world.edit(version="1", strategy__watch={"duration": "2m"})
    world.until("Full").run(900)

    assert {gap for gap in gaps(taken) if gap} == set()
    after = taken[2:]
    total = sum(each.total for each in after)
    assert unlike([Taken("", after[0].start_ms, after[-1].end_ms, total)]) <= RATE * INTERVAL


def test_an_operator_that_starts_again_counts_from_where_it_is(taken: list[Taken]) -> None:
    world = Counting(knows_pods=False, rate=RATE)
    world.edit(version="1", strategy__watch={"duration": "0s"})
    world.until("Full").run(300)
    before = len(world.writes)
    world.restart()
    world.run(300)

    assert len(world.writes) == before
    assert world.memory.service is not None
    assert world.memory.service.began_ms is not None
    # The windows begin anew, with the last minute that was closed.
    assert world.memory.service.began_ms >= (NOON + 300) * 1000 - 2 * 60_000
    assert min(gaps(taken)) >= -60_000


def test_a_version_that_fails_after_its_watch_is_told_within_two_minutes() -> None:
    world = Counting(knows_pods=False, rate=RATE)
    world.edit(version="1", strategy__watch={"duration": "0s"})
    world.until("Full").run(300)
    world.errors["1"] = 1.0
    world.log.clear()

    world.run(120)

    assert any("Warning NotAnswering" in line for line in world.log)
    world.errors.clear()
    world.run(120)
    assert {each["type"]: each["status"] for each in world.status["conditions"]}[
        "Available"
    ] == "True"
