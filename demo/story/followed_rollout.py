"""One version's way from `kubectl apply` to where it ends, and what users had of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.load.replay import NOBODY, Count, Line
from demo.story import text
from demo.story.stage import Stage, StoryError
from demo.story.status_view import Seen

_PLACES = {"Full": "the watch"}
"""What a phase is called, where that is not its name."""
LONGEST_SECONDS = 600.0
"""A rollout of the story that takes longer has failed."""
QUIET_SECONDS = 3.0
PATIENCE_SECONDS = 15.0
"""Longer than a user waits for an answer."""


@dataclass(frozen=True)
class Course:
    """What happened to `version` from `began` to `ended` (Unix seconds).

    `seen` are the statuses about it, `got` is what users had of it, `lines` what they had of all
    versions.
    """

    version: str
    began: float
    ended: float
    seen: tuple[Seen, ...]
    got: Count
    lines: tuple[Line, ...]

    @property
    def end(self) -> Seen:
        """The status that ended it."""
        return self.seen[-1]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def was_promoted(self) -> bool:
        """Whether all users have it."""
        return self.end.phase == "Full" and self.end.stable == self.version

    @property
    def phases(self) -> list[str]:
        """The phases that it went through, in their order."""
        return list(dict.fromkeys(one.phase for one in self.seen))

    @property
    def happened(self) -> str:
        """In a few words."""
        if self.was_promoted:
            return "promoted" if "Canary" in self.phases else "got all users"
        if self.rolled_back_in is None:
            return self.end.phase
        return f"rolled back in {_PLACES.get(self.rolled_back_in, self.rolled_back_in.lower())}"

    @property
    def rolled_back_in(self) -> str | None:
        """The phase that it was in when it was rolled back, None when it was not."""
        return self.phases[-2] if self.end.phase == "RolledBack" else None

    @property
    def forecast(self) -> str:
        """The plan of its stages, as it was told first."""
        return next((one.plan for one in self.seen if one.plan), "")

    def met_users_at(self) -> float:
        """When it got its first users, in Unix seconds; its end if it never did."""
        return next((one.at for one in self.seen if one.weight > 0), self.ended)


class Rollout:
    """A version on its way."""

    def __init__(self, stage: Stage, manifest: Path, version: str) -> None:
        """Apply its manifest."""
        self._stage, self._version = stage, version
        self.began = time.time()
        self._generation = stage.apply(manifest)

    def seen(self) -> list[Seen]:
        """The statuses about it, in their order."""
        found = self._stage.seen(self.began)
        return [one for one in found if one.generation >= self._generation]

    def until(self, holds: Callable[[Seen], bool], what: str) -> Seen:
        """The first status that `holds`.

        Raises StoryError when it takes too long, or the rollout ends before.
        """

        def first() -> Seen | None:
            return next((one for one in self.seen() if holds(one) or one.has_ended), None)

        self._stage.until(lambda: first() is not None, what, LONGEST_SECONDS)
        found = first()
        assert found is not None
        if not holds(found):
            raise StoryError(
                f"{what}: the rollout ended first. Last seen: {found.phase}: {found.message}"
            )
        return found

    def end(self, *, watched: bool = False) -> Course:
        """Follow it to its end; with `watched` through its watch, until it is rolled back there.

        Raises StoryError when it comes to none.
        """
        last = self.until(lambda one: one.has_ended, f"the end of version {self._version}")
        if watched and last.stable == self._version:
            self._stage.until(
                lambda: self._fallen() is not None, "a rollback in the watch", LONGEST_SECONDS
            )
            last = self._fallen() or last
        mine = [one for one in self.seen() if one.at <= last.at]
        got = self._counted(last)
        lines = tuple(self._stage.users.ledger.lines(self.began))
        return Course(self._version, self.began, last.at, tuple(mine), got, lines)

    def _fallen(self) -> Seen | None:
        return next((one for one in self.seen() if one.phase == "RolledBack"), None)

    def _counted(self, last: Seen) -> Count:
        """What users had of it, once the slowest answers are in."""
        stage, asked = self._stage, time.time()
        ledger = stage.users.ledger

        def quiet() -> bool:
            recent = ledger.of(self._version, time.time() - QUIET_SECONDS)
            waited = time.time() - asked
            return waited > PATIENCE_SECONDS or (waited > QUIET_SECONDS and not recent.total)

        if stage.users.come and last.stable != self._version:
            stage.until(
                quiet, "the last answers", 2 * PATIENCE_SECONDS, "waiting for the last answers"
            )
        # Requests without any answer count against it too.
        got = ledger.of(self._version, self.began) + ledger.of(NOBODY, self.began)
        if stage.users.come:
            stage.teller.line(text.served(got, self._version), "bold red" if got.bad else "")
        return got


def roll_out(stage: Stage, manifest: str, version: str, kept_as: str = "") -> Course:
    """Apply the manifest of a version, and follow it to its end."""
    path = stage.setting.manifests.write(manifest, kept_as, version=version)
    return Rollout(stage, path, version).end()
