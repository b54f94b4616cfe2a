"""Stories of candidates that are bad in what no objective says: they refuse, are slow, crash."""

from dataclasses import dataclass, replace

from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Object
from e2e.scenes.manifest import Wanted
from e2e.scenes.rollout import RouteWrite
from e2e.scenes.stage import Stage
from e2e.scenes.stories import first_version

RATE = 20
NOTHING_BUT_GUARDS = Wanted("1", steps=("50%",), step_duration="10m")
"""Nobody is promoted within a step of that length."""
KNOWN = 150
"""Answers of stable from which it is known how long its slowest take: 100 are asked for, and the
last ones may not have been scraped."""


@dataclass(frozen=True)
class Fallen:
    """A candidate that was rolled back."""

    object: Object
    route: list[RouteWrite]
    answers: Answers

    @property
    def failed(self) -> list[str]:
        """The objectives and guards that it failed."""
        found = self.object["status"]["objectives"]
        return [each["name"] for each in found if each["verdict"] == "Fail"]

    @property
    def exposure(self) -> float:
        """Seconds from its first users to the write that took the last ones."""
        return self.route[-1].at - self.route[0].at


def fallen(
    stage: Stage, first: Wanted = NOTHING_BUT_GUARDS, *, seconds: float = 180, **switches: str
) -> Fallen:
    """`first` serves; version 2 with these switches of the model server is rolled back.

    Fails when it is not within `seconds` of its first users.
    """
    rollout = stage.rollout
    serving = first_version(stage, first, RATE)
    serving.traffic.wait_for_more(KNOWN)
    since = serving.traffic.so_far().last.sent
    generation = rollout.apply(replace(first, version="2", switches=switches))
    rollout.wait_for_share(0.5, since=since)
    ended = rollout.wait_for_phase("RolledBack", generation, since=since, seconds=seconds)
    # Who still got it would have told so by then.
    serving.traffic.wait_for_more(5 * RATE, "1")
    answers = serving.traffic.stop().since(serving.settled)
    return Fallen(ended.object, rollout.route_writes(since), answers)
