"""A version that is bad for long-haul flights alone, which looks as good as promised on the whole.

One request in ten is about a long-haul flight, and version 2 fails for three in ten of these: 3 %
of all requests, where 5 % may fail. With an objective on the slice it is rolled back, and the
status says how many users were harmed; without one it is promoted.

`model-rollouts simulate --rate 50 --target 95% --errors 3% --stable-errors 1% --steps 10%,50%
--min-step 1m --slice 10% --slice-target 97% --slice-errors 30%` plays the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Object
from e2e.scenes.conftest import OpenStage
from e2e.scenes.manifest import Wanted
from e2e.scenes.stage import Stage

pytestmark = pytest.mark.slow

LONG_HAUL = {"name": "long-haul", "header": "x-haul", "value": "long"}
ON_LONG_HAUL = {
    "name": "long-haul-errors",
    "type": "Availability",
    "role": "Guard",
    "availability": {"target": "97%"},
    "slice": "long-haul",
}
RATE, LONG_RATE = 45, 5
ALLOWED = 0.05


@dataclass(frozen=True)
class Flights(Wanted):
    """A model of flights; `sliced` has an objective on long-haul ones."""

    sliced: bool = False

    def manifest(self, namespace: str, host: str) -> dict[str, Any]:
        """The resource in `namespace`, reached under `host`."""
        written = super().manifest(namespace, host)
        if self.sliced:
            written["spec"]["slices"] = [LONG_HAUL]
            written["spec"]["objectives"].append(ON_LONG_HAUL)
        return written


def good(*, sliced: bool) -> Flights:
    """Version 1 fails for one request in a hundred, whatever it is about."""
    return Flights("1", {"ERRORS": "0.01"}, "95%", step_duration="60s", sliced=sliced)


def bad(*, sliced: bool) -> Flights:
    """Version 2 fails for long-haul flights and for no others."""
    switches = {"ERRORS": "0", "LONG_ERRORS": "0.3"}
    return Flights("2", switches, "95%", step_duration="60s", sliced=sliced)


@dataclass(frozen=True)
class Story:
    """The resource at the end of the rollout, and what users got from its beginning to then."""

    ended: Object
    others: Answers
    long_haul: Answers


@pytest.fixture(scope="module")
def with_slice(open_stage: OpenStage) -> Iterator[Story]:
    """Long-haul flights have an objective of their own."""
    with open_stage("long-haul") as stage:
        yield _played(stage, "RolledBack", sliced=True)


@pytest.fixture(scope="module")
def without_slice(open_stage: OpenStage) -> Iterator[Story]:
    """There is one objective, on all requests."""
    with open_stage("all-flights") as stage:
        yield _played(stage, "Full", sliced=False)


def _played(stage: Stage, end: str, *, sliced: bool) -> Story:
    rollout = stage.rollout
    stage.operator.start()
    rollout.apply(good(sliced=sliced))
    rollout.wait_for_condition("Ready")
    others, long_haul = stage.traffic(RATE), stage.traffic(LONG_RATE, header="x-haul: long")
    begun = max(others.start(), long_haul.start())
    generation = rollout.apply(bad(sliced=sliced))
    canary = rollout.wait_for_phase("Canary", generation, seconds=180)
    ended = rollout.wait_for_phase(end, generation, since=canary.at, seconds=480)
    return Story(ended.object, others.stop().since(begun), long_haul.stop().since(begun))


def test_with_the_slice_the_version_is_rolled_back(with_slice: Story) -> None:
    status = with_slice.ended["status"]

    assert status["stable"]["version"] == "1"
    assert "long-haul-errors" in status["message"]


def test_the_number_of_harmed_users_is_told(with_slice: Story) -> None:
    message = with_slice.ended["status"]["message"]
    print(message, with_slice.long_haul.counts())

    told = re.search(r"failed (\d+) of (\d+) requests of slice long-haul", message)

    assert told is not None, message
    harmed, asked = map(int, told.groups())
    got = with_slice.long_haul.of("2")
    # Some more came between the last scrape before the verdict and the rollback.
    assert 0 < harmed <= len(got.bad)
    assert asked <= len(got)
    assert harmed / asked > 0.1


def test_as_a_whole_the_version_was_as_good_as_promised(with_slice: Story) -> None:
    others = with_slice.others.of("2")

    assert re.search(r"(?<!-)\berrors failed", with_slice.ended["status"]["message"]) is None
    # Users with other flights noticed nothing.
    assert len(others) > 0
    assert len(others.bad) == 0


def test_without_the_slice_it_is_promoted_and_goes_on_to_harm_them(without_slice: Story) -> None:
    print(without_slice.long_haul.counts())
    long_haul, others = without_slice.long_haul.of("2"), without_slice.others.of("2")

    assert without_slice.ended["status"]["stable"]["version"] == "2"
    assert len(long_haul.bad) / len(long_haul) > 0.15
    assert len(long_haul.bad) / (len(long_haul) + len(others)) < ALLOWED


def test_the_slice_spared_users(with_slice: Story, without_slice: Story) -> None:
    sparing, harming = with_slice.long_haul.of("2"), without_slice.long_haul.of("2")

    assert len(sparing.bad) < len(harming.bad)
