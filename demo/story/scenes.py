"""The scenes. Each takes up where the one before ended, and knows how it should end itself."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from demo.load.replay import Count
from demo.story.followed_rollout import Course, Rollout, roll_out
from demo.story.plain_deployment import Plain, rolling_update
from demo.story.side_by_side import Row, rows
from demo.story.stage import Stage
from demo.story.users import RATE
from e2e.scenes.outage import prometheus_away

SETTLED_SECONDS = 5.0
"""So long everybody must have been answered in time before users count as served."""
AWAY_SECONDS = 40.0
GOOD, BAD = "2", "4"
"""The versions that are put side by side."""
NEEDS = {5: (2, 4), 8: (2,)}
"""What a scene takes up of earlier ones, besides the first."""


@dataclass
class Ending:
    """How a scene ended. `seconds` it took, `got` is what users had of the version it is about."""

    happened: str
    as_it_should: bool
    seconds: float
    got: Count = field(default_factory=Count)
    forecast: str = ""
    version: str = ""

    @classmethod
    def of(cls, course: Course, as_it_should: bool) -> Self:
        """How a scene ended that is about one version's way."""
        return cls(
            course.happened,
            as_it_should,
            course.seconds,
            course.got,
            course.forecast,
            course.version,
        )

    def correct(self, taken_back: Sequence[str]) -> None:
        """Own up to it when a version that was promoted was taken back in its watch."""
        if self.as_it_should and self.happened.endswith("promoted") and self.version in taken_back:
            self.happened += ", and taken back in its watch"
            self.as_it_should = False


@dataclass
class Memory:
    """What later scenes and the end need: courses by version, the plain update, side by side."""

    courses: dict[str, Course] = field(default_factory=dict)
    plain: Plain | None = None
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Scene:
    """A part of the story."""

    number: int
    title: str
    words: str
    play: Callable[[Stage, Memory], Ending]


def first(stage: Stage, memory: Memory, manifest: str = "v1", version: str = "1") -> Ending:
    """A version that has none to be compared with, and then users."""
    course = _remembered(memory, roll_out(stage, manifest, version))
    if not course.was_promoted:
        return Ending.of(course, False)
    stage.users.start()
    _settled(stage)
    return Ending.of(course, True)


def _settled(stage: Stage) -> None:
    """Wait until everybody is answered in time.

    A route is accepted a little before the gateway knows its endpoints.
    """

    def served() -> bool:
        got = stage.users.ledger.everyone(time.time() - SETTLED_SECONDS)
        return got.total > SETTLED_SECONDS * RATE / 2 and not got.bad

    stage.until(served, "users are answered", 90, "users come")
    stage.teller.line("users are answered")


def better(stage: Stage, memory: Memory) -> Ending:
    """A better version."""
    course = _remembered(memory, roll_out(stage, "v2", "2"))
    return Ending.of(course, course.was_promoted)


def rare(stage: Stage, memory: Memory) -> Ending:
    """A version that is slow for few: no user gets it."""
    course = _remembered(memory, roll_out(stage, "v3", "3"))
    return Ending.of(course, course.happened == "taken back in shadow" and course.got.total == 0)


def cache(stage: Stage, memory: Memory) -> Ending:
    """A version that becomes slow: users get it, and are given back."""
    path = stage.setting.manifests.write("v4")
    # On a fast machine it may become slow only when all users have it.
    course = _remembered(memory, Rollout(stage, path, "4").end(watched=True))
    return Ending.of(course, course.happened in ("taken back in canary", "taken back in the watch"))


def plain(stage: Stage, memory: Memory) -> Ending:
    """What a rolling update makes of the same version."""
    good, bad = memory.courses[GOOD], memory.courses[BAD]
    memory.plain = rolling_update(stage, bad)
    # At once: Prometheus forgets everything in a later scene.
    memory.rows = rows(stage.setting, good, bad, memory.plain)
    _settled(stage)
    return Ending("all users had it", True, memory.plain.seconds, memory.plain.got)


def again(stage: Stage, memory: Memory) -> Ending:
    """The same model under another name."""
    course = _remembered(memory, roll_out(stage, "again", "5", kept_as="v5"))
    return Ending.of(course, course.was_promoted)


def away(stage: Stage, memory: Memory) -> Ending:
    """Prometheus stops in the middle of a canary."""
    path = stage.setting.manifests.write("again", "v6", version="6")
    rollout = Rollout(stage, path, "6")
    rollout.until(lambda one: one.weight > 0, "the first users of 6")
    stage.teller.line("Prometheus stops", "bold")
    with prometheus_away(stage.kubectl, stage.setting.prometheus):
        began = time.time()
        rollout.until(lambda one: one.reason == "MetricsUnavailable", "the operator notices")
        over = time.time() + AWAY_SECONDS
        stage.until(lambda: time.time() > over, "Prometheus stays away", 2 * AWAY_SECONDS)
        moved = len(stage.route_writes(began))
    stage.teller.line(f"Prometheus is back; the route was written {moved} times meanwhile", "bold")
    course = _remembered(memory, rollout.end())
    ending = Ending.of(course, course.was_promoted and not moved)
    ending.happened = f"held while it was away, then {ending.happened}"
    return ending


def reverted(stage: Stage, memory: Memory) -> Ending:
    """Git says version 2 again."""
    course = roll_out(stage, "v2", "2")
    writes = len(stage.route_writes(course.began))
    ending = Ending.of(course, course.was_promoted and writes == 1)
    ending.happened = f"known good: all users in {writes} write{'s' * (writes != 1)} of the route"
    return ending


def _remembered(memory: Memory, course: Course) -> Course:
    memory.courses[course.version] = course
    return course


SCENES = (
    Scene(
        1,
        "A first version",
        "Version 1 knows what is printed on the ticket. There is nothing to compare it with: it "
        "gets all users when its pod is ready.",
        first,
    ),
    Scene(
        2,
        "A better one",
        "Version 2 knows also how late the flight left. Nobody has to believe that it is better: "
        "it gets copies of requests first, then a growing share of the users.",
        better,
    ),
    Scene(
        3,
        "Slow for a few",
        "Version 3 explains its answers for long-haul flights, one in twenty, and takes its time "
        "for these. The mean looks fine, p99 does not.",
        rare,
    ),
    Scene(
        4,
        "Slow after a while",
        "Version 4 remembers its answers, to be faster. It is, until it remembers too many: no "
        "test and no shadow of a minute finds that.",
        cache,
    ),
    Scene(
        5,
        "The same without",
        "The same version 4 as the rolling update of a plain Deployment: the same flights, for as "
        "long as it had users before. Kubernetes asks whether it is ready, and it is.",
        plain,
    ),
    Scene(
        6,
        "Nothing new",
        "Version 5 is version 2 under another name. It is promoted, because nothing is wrong with "
        "it: a gate that stops good versions is soon switched off.",
        again,
    ),
    Scene(
        7,
        "Prometheus stops",
        "In the middle of the canary of version 6, which is version 2 once more, Prometheus is "
        "gone. No data is no pass and no failure: nothing moves until it is back.",
        away,
    ),
    Scene(
        8,
        "Git is reverted",
        "The manifest of version 2 is applied again. It served everybody once and was not found "
        "worse: it is not judged again.",
        reverted,
    ),
)
