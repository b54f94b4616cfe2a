"""What was not done for one ModelDeployment: counted in a row, forgotten when done or not asked."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from model_rollouts.rollout import Failure

MOST_TOLD = 5
"""Failures that a plan is told of; a person begins with one of them."""

LONGEST_ANSWER = 500
"""Characters of an answer that are kept: it ends up in conditions and events."""

STILL_UNDER_WAY = "no answer yet"
"""The answer to a write that takes so long that nobody waits for it."""

EVENT_TIMES = 2
"""So often in a row, and an event tells of a failure that the status cannot tell."""

EVENT_AGAIN_S = 600.0


class Origin(StrEnum):
    """Who fails, and so who knows when it is no longer asked for."""

    WRITE = "write"
    """An action of the plan."""
    CHECK = "check"
    """A question of `Need.CHECK`."""
    READ = "read"
    """A read of an object that seems to be gone."""
    REST = "rest"
    """One plan that follows the other without an end."""
    PLAN = "plan"
    """The plan itself: no other plan is told of it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    failure: Failure
    origin: Origin


class Failures:
    """By `Failure.what`, the latest last."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._event_at: dict[tuple[str, bool], float] = {}
        """When an event told of what failed, and whether it could say what came back."""

    def failed(
        self, origin: Origin, what: str, answer: str, *, is_refusal: bool = False
    ) -> Failure:
        """It was not done, once more."""
        before = self._kept.pop(what, None)
        times = 1 if before is None else before.failure.times + 1
        if answer == STILL_UNDER_WAY and before is not None:
            # What came back last says more.
            answer = before.failure.answer
        writes = origin not in (Origin.CHECK, Origin.READ)
        failure = Failure(what, cut(answer), times, is_refusal, writes)
        self._kept[what] = _Kept(failure, origin)
        return failure

    def done(self, what: str) -> None:
        """It was done."""
        self._kept.pop(what, None)

    def settle(self, origin: Origin, asked: Collection[str] = ()) -> bool:
        """Forget what is not `asked` for any more; whether one was forgotten that was told."""
        over = [
            what for what, kept in self._kept.items() if kept.origin is origin and what not in asked
        ]
        forgotten = [self._kept.pop(what).failure for what in over]
        return any(each.lasts for each in forgotten)

    def told(self) -> tuple[Failure, ...]:
        """As a plan is told of them, the latest first."""
        latest = reversed(self._kept.values())
        return tuple(each.failure for each in latest if each.origin is not Origin.PLAN)[:MOST_TOLD]

    def waiting(self) -> list[str]:
        """Everything that failed, in the order in which it failed last."""
        return list(self._kept)

    def event_due(self, failure: Failure, now: float, times: int = EVENT_TIMES) -> bool:
        """Whether an event is to tell of it at `now`, which is then taken for told.

        Once it failed so many `times` in a row, and again after ten minutes at the earliest; but an
        answer that came since is told although it was told that there was none yet.
        """
        recent = {told: at for told, at in self._event_at.items() if abs(now - at) < EVENT_AGAIN_S}
        told = failure.what, failure.answer != STILL_UNDER_WAY
        due = failure.times >= times and not {told, (failure.what, True)} & recent.keys()
        self._event_at = {**recent, told: now} if due else recent
        return due


def cut(answer: str) -> str:
    """An answer in one line of bounded length."""
    line = " ".join(answer.split())
    return line if len(line) <= LONGEST_ANSWER else f"{line[: LONGEST_ANSWER - 1]}…"
