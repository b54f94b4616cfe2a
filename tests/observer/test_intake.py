"""What time decides: halves that wait no longer, and revisions that speak no more."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from model_rollouts.observer.capture.messages import Batch
from model_rollouts.observer.capture.sequences import Sequences
from model_rollouts.observer.compare import Comparison
from model_rollouts.observer.exporter.counters import Counters
from model_rollouts.observer.identity import Speaker
from model_rollouts.observer.intake import Intake
from model_rollouts.observer.pairing import Pairs
from model_rollouts.observer.settings import Key, ModelSettings
from model_rollouts.observer.store.chunk import Chunk
from tests.observer.batches import CANDIDATE, MODEL, NAMESPACE, STABLE, answer, entry

STABLE_POD = Speaker(NAMESPACE, "stable-0", "uid-s", MODEL, STABLE)
CANDIDATE_POD = Speaker(NAMESPACE, "candidate-0", "uid-c", MODEL, CANDIDATE)


class Fixed:
    """Settings that nobody has to read."""

    def of(self, key: Key) -> ModelSettings:
        """One comparison of a label."""
        return ModelSettings(comparisons=(Comparison("aaaaaaaa", "Label", "species"),))

    async def load(self, key: Key, _: str) -> ModelSettings:
        """The same."""
        return self.of(key)


class World:
    """An intake, its clock and its counts."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.registry = CollectorRegistry()
        self.chunk = Chunk()
        self.intake = Intake(
            Fixed(),  # type: ignore[arg-type] # all that an intake asks of them
            Counters(self.registry),
            Sequences(),
            Pairs(60),
            lambda: self.chunk,
            lambda: "storage_away",
            ttl_s=60,
            clock=lambda: self.now,
        )

    def speaks(self, speaker: Speaker) -> None:
        """A pod opens its stream."""
        asyncio.run(self.intake.opened(speaker))

    def comes(self, speaker: Speaker, request_id: str, sequence: int, **entries: Any) -> None:
        """A record, of a mirrored request when the candidate sends it."""
        batch = Batch()
        entry(batch, request_id, sequence, start_s=self.now, **entries)
        self.intake.take(speaker, speaker is CANDIDATE_POD, batch.http_logs.log_entry)

    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.intake.settle()

    def value(self, name: str, **labels: str) -> float | None:
        """A count of a revision."""
        common = {"model_namespace": NAMESPACE, "model": MODEL}
        return self.registry.get_sample_value(f"model_rollouts_observer_{name}", common | labels)


@pytest.fixture
def world() -> World:
    made = World()
    made.speaks(STABLE_POD)
    made.speaks(CANDIDATE_POD)
    made.passes(0)
    return made


def test_series_are_there_from_the_first_stream_on(world: World) -> None:
    candidate = {"modelrollouts_revision": CANDIDATE}

    assert world.value("pairs_total", comparison="aaaaaaaa", slice="", **candidate) == 0
    assert world.value("disagreements_total", comparison="aaaaaaaa", slice="", **candidate) == 0
    assert world.value("lost_records_total", arm="shadow", **candidate) == 0
    assert world.value("start_time_seconds", **candidate) == 1_700_000_000


def test_halves_that_stay_alone_are_told_of_the_candidate(world: World) -> None:
    world.comes(STABLE_POD, "a", 1, got=answer("cat"))
    world.comes(CANDIDATE_POD, "b", 1, got=answer("cat"))
    world.passes(60)
    world.passes(60)

    for reason in ("candidate_missing", "stable_missing"):
        told = world.value("unpaired_total", reason=reason, modelrollouts_revision=CANDIDATE)
        assert told == 1, reason


@pytest.mark.parametrize(
    ("candidate", "disagreements"),
    [({"status": 503}, 1), ({"status": 0}, 1), ({"got": b"{"}, 1), ({"got": answer("cat")}, 0)],
)
def test_a_candidate_that_does_not_answer_disagrees(
    world: World, candidate: dict[str, Any], disagreements: int
) -> None:
    world.comes(STABLE_POD, "a", 1, got=answer("cat"))
    world.comes(CANDIDATE_POD, "a", 1, **candidate)

    labels = {"comparison": "aaaaaaaa", "slice": "", "modelrollouts_revision": CANDIDATE}
    assert world.value("pairs_total", **labels) == 1
    assert world.value("disagreements_total", **labels) == disagreements
    # Outputs that are compared are not kept unless they are included.
    assert all(each == [] for each in world.chunk.outputs.texts)
    cases = [case for each in world.intake.worst.values() for case in each.cases(9)]
    assert [(each.request_id, each.stable) for each in cases] == [("a", None)] * disagreements


def test_a_client_cannot_make_any_number_of_slices(world: World) -> None:
    for number in range(1, 101):
        world.comes(STABLE_POD, f"r{number}", number, got=answer("cat"), slice_=f"s{number}")
        world.comes(CANDIDATE_POD, f"r{number}", number, got=answer("cat"))

    labels = {"comparison": "aaaaaaaa", "modelrollouts_revision": CANDIDATE}
    # The candidate's records have the empty slice.
    assert world.value("pairs_total", slice="s48", **labels) == 1
    assert world.value("pairs_total", slice="s99", **labels) is None
    other = world.value("pairs_total", slice="other", **labels)
    assert other is not None and other > 45


def test_a_revision_that_is_gone_is_forgotten_and_begins_anew(world: World) -> None:
    world.comes(CANDIDATE_POD, "a", 5, got=answer("cat"))
    world.passes(5)
    assert world.value("lost_records_total", arm="shadow", modelrollouts_revision=CANDIDATE) == 4
    world.intake.closed(CANDIDATE_POD)
    world.passes(3_601)
    assert world.value("start_time_seconds", modelrollouts_revision=CANDIDATE) is None
    assert world.value("start_time_seconds", modelrollouts_revision=STABLE) is not None

    world.speaks(CANDIDATE_POD)

    assert world.value("start_time_seconds", modelrollouts_revision=CANDIDATE) == world.now
    assert world.value("lost_records_total", arm="shadow", modelrollouts_revision=CANDIDATE) == 0
