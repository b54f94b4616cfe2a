"""The scenes. Each begins where the one before ended, and knows how it should end itself."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from demo.load.replay import Count
from demo.story import text
from demo.story.environment import NAMESPACE
from demo.story.followed_rollout import Course, Rollout, roll_out
from demo.story.observer import Arm
from demo.story.observer import Row as Case
from demo.story.plain_deployment import Plain, rolling_update
from demo.story.side_by_side import Row, rows
from demo.story.stage import Stage, StoryError
from demo.story.users import RATE
from e2e.scenes.outage import prometheus_away
from model_rollouts.text import count

SETTLED_SECONDS = 5.0
"""How long all users must get answers in time before they count as served."""
AWAY_SECONDS = 40.0
COMPARED = "answers"
"""The objective of the type Disagreement."""
MIRRORED = 0.5
"""The share of requests that is mirrored to a version whose answers are compared."""
WORST = 3
"""Cases that are shown."""
NAMED_SECONDS = 60.0
"""How long the status of a version that was rolled back may take to name its worst answers."""
MESSAGE_SECONDS = 60.0
"""How long a message about a rollback may take: it waits for others, to go together with them."""
HELD_FOR_RECORDS = ("RecordsLost", "ObserverUnavailable", "ObserverBehind", "InsufficientPairs")
"""Why a version stays in shadow when the observer was killed."""
GOOD, BAD = "2", "4"
"""The versions that are put side by side."""
NEEDS = {5: (2, 4), 8: (2,), 9: (2,), 10: (2,)}
"""What a scene takes up of earlier ones, besides the first."""


@dataclass
class Ending:
    """How a scene ended. `seconds` is how long it took, `got` what users got from its version."""

    happened: str
    as_expected: bool
    seconds: float
    got: Count = field(default_factory=Count)
    forecast: str = ""
    version: str = ""
    was_promoted: bool = False

    @classmethod
    def of(cls, course: Course, as_expected: bool) -> Self:
        """How a scene ended that is about one rollout."""
        return cls(
            course.happened,
            as_expected,
            course.seconds,
            course.got,
            course.forecast,
            course.version,
            course.was_promoted,
        )

    def correct(self, rolled_back: Sequence[str]) -> None:
        """Say so when a version that was promoted was rolled back in its watch."""
        if self.as_expected and self.was_promoted and self.version in rolled_back:
            self.happened += ", and rolled back in its watch"
            self.as_expected = False


@dataclass
class Memory:
    """What later scenes and the end need.

    Courses by version, the plain update, side by side, the rows on which version 7 disagrees most
    (each beside the one of stable), the ids that its status names, what the observer lacked before
    it was killed, and the messages about rollbacks by version.
    """

    courses: dict[str, Course] = field(default_factory=dict)
    plain: Plain | None = None
    rows: list[Row] = field(default_factory=list)
    worst: list[Case] = field(default_factory=list)
    named: tuple[str, ...] = ()
    lost_before: Counter[Arm] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """A part of the story."""

    number: int
    title: str
    words: str
    play: Callable[[Stage, Memory], Ending]


def first_version(stage: Stage, memory: Memory, manifest: str = "v1", version: str = "1") -> Ending:
    """A version that cannot be compared with any, and then users."""
    course = _remembered(memory, roll_out(stage, manifest, version))
    if not course.was_promoted:
        return Ending.of(course, False)
    stage.users.start()
    _settled(stage)
    return Ending.of(course, True)


def _settled(stage: Stage) -> None:
    """Wait until all users get answers in time.

    A route is accepted a little before the gateway knows its endpoints.
    """

    def served() -> bool:
        got = stage.users.ledger.everyone(time.time() - SETTLED_SECONDS)
        return got.total > SETTLED_SECONDS * RATE / 2 and not got.bad

    stage.until(served, "users get answers", 90, "users send requests")
    stage.teller.line("users get answers")


def better_version(stage: Stage, memory: Memory) -> Ending:
    """A better version is promoted."""
    course = _remembered(memory, roll_out(stage, "v2", "2"))
    return Ending.of(course, course.was_promoted)


def slow_for_a_few(stage: Stage, memory: Memory) -> Ending:
    """A version that is slow for a few: no user gets it."""
    course = _remembered(memory, roll_out(stage, "v3", "3"))
    _people_are_told(stage, memory, "3")
    return Ending.of(course, course.rolled_back_in == "Shadow" and course.got.total == 0)


def slow_after_a_while(stage: Stage, memory: Memory) -> Ending:
    """A version that becomes slow: some users get it, and it is rolled back."""
    path = stage.setting.manifests.write("v4")
    # On a fast machine it may become slow only when all users have it.
    course = _remembered(memory, Rollout(stage, path, "4").end(watched=True))
    _people_are_told(stage, memory, "4")
    return Ending.of(course, course.rolled_back_in in ("Canary", "Full"))


def _people_are_told(stage: Stage, memory: Memory, version: str) -> None:
    """Show the message that goes out about a rollback."""
    told = f"version {version} was rolled back"
    with contextlib.suppress(StoryError):
        stage.until(lambda: bool(stage.messages.about(told)), "a message about it", MESSAGE_SECONDS)
    memory.messages[version] = stage.messages.about(told)
    stage.teller.line("Whoever owns the model is told (docs/messages.md):", "bold")
    for line in memory.messages[version].splitlines():
        stage.teller.line(f"  {line}")


def plain_rolling_update(stage: Stage, memory: Memory) -> Ending:
    """The same version as the rolling update of a plain Deployment."""
    good, bad = memory.courses[GOOD], memory.courses[BAD]
    memory.plain = rolling_update(stage, bad)
    # Now, because Prometheus loses its samples in a later scene.
    memory.rows = rows(stage.setting, good, bad, memory.plain)
    _settled(stage)
    return Ending("got all users", True, memory.plain.seconds, memory.plain.got)


def same_model_again(stage: Stage, memory: Memory) -> Ending:
    """The same model under another name is promoted."""
    course = _remembered(memory, roll_out(stage, "again", "5", kept_as="v5"))
    return Ending.of(course, course.was_promoted)


def prometheus_outage(stage: Stage, memory: Memory) -> Ending:
    """Prometheus stops in the middle of a canary."""
    path = stage.setting.manifests.write("again", "v6", version="6")
    rollout = Rollout(stage, path, "6")
    rollout.until(lambda one: one.weight > 0, "the first users of version 6")
    stage.teller.line("Prometheus stops", "bold")
    with prometheus_away(stage.kubectl, stage.setting.prometheus):
        began = time.time()
        rollout.until(lambda one: one.reason == "MetricsUnavailable", "MetricsUnavailable")
        over = time.time() + AWAY_SECONDS
        stage.until(lambda: time.time() > over, "the outage", 2 * AWAY_SECONDS)
        moved = len(stage.route_writes(began))
    writes = f"{moved} write{'s' * (moved != 1)}"
    stage.teller.line(f"Prometheus is back; the route had {writes} meanwhile", "bold")
    course = _remembered(memory, rollout.end())
    ending = Ending.of(course, course.was_promoted and not moved)
    ending.happened = f"held during the outage, then {ending.happened}"
    return ending


def git_reverted(stage: Stage, memory: Memory) -> Ending:
    """The manifest of version 2 again."""
    course = roll_out(stage, "v2", "2")
    writes = len(stage.route_writes(course.began))
    ending = Ending.of(course, course.was_promoted and writes == 1)
    ending.happened = f"got all users in {writes} write{'s' * (writes != 1)} of the route"
    return ending


def hours_in_utc(stage: Stage, memory: Memory) -> Ending:
    """A version that answers in time and without errors, and wrongly: no user gets it."""
    rollout = _compared(stage, "7", "--utc")
    course = _remembered(memory, rollout.end())
    # Asked once more after the rollback, and told within some seconds.
    with contextlib.suppress(StoryError):
        stage.until(
            lambda: bool(rollout.seen()[-1].judged(COMPARED).worst), "ids of answers", NAMED_SECONDS
        )
    memory.named = rollout.seen()[-1].judged(COMPARED).worst
    stage.teller.line(text.named(memory.named))
    revision = next(one.revisions[1] for one in course.seen if one.revisions[1])
    observer = stage.setting.observer
    stage.teller.line(observer.worst_command(NAMESPACE, revision, WORST), "bold")
    memory.worst = list(observer.worst(NAMESPACE, revision, WORST))
    for pair in zip(memory.worst[::2], memory.worst[1::2], strict=True):
        # That two rows differ is said in the one that came second.
        stage.teller.line(text.case(*sorted(pair, key=lambda row: row["arm"])))
    expected = course.rolled_back_in == "Shadow" and course.end.failed == (COMPARED,)
    return Ending.of(course, expected and course.got.total == 0)


def observer_killed(stage: Stage, memory: Memory) -> Ending:
    """The observer is killed in the middle of the shadow of a version that says the same."""
    rollout, observer = _compared(stage, "8"), stage.setting.observer
    rollout.until(
        lambda one: one.mirror == MIRRORED and one.judged(COMPARED).total > 0,
        "answers of version 8 are compared",
    )
    memory.lost_before = observer.lost()
    observer.kill()
    stage.teller.line("The observer is killed", "bold")
    held = rollout.until(lambda one: one.reason in HELD_FOR_RECORDS, "a hold for want of records")
    freed = rollout.until(
        lambda one: one.at > held.at and one.reason not in HELD_FOR_RECORDS, "the end of the hold"
    )
    met_users = any(one.weight for one in rollout.seen() if one.at < freed.at)
    lost = observer.lost().total()
    stage.teller.line(f"The observer is back and lacks {count(lost)} records", "bold")
    course = _remembered(memory, rollout.end())
    ending = Ending.of(course, course.was_promoted and not met_users and lost > 0)
    ending.happened = f"held for {count(lost)} lost records, then {ending.happened}"
    return ending


def _compared(stage: Stage, version: str, *options: str) -> Rollout:
    """The model of version 2 once more, with its answers compared."""
    arguments = [f"--version={version}", "--artifact=/app/artifacts/v2.joblib", *options]
    path = stage.setting.manifests.write(
        "compared", f"v{version}", version=version, arguments=json.dumps(arguments)
    )
    return Rollout(stage, path, version)


def _remembered(memory: Memory, course: Course) -> Course:
    memory.courses[course.version] = course
    return course


SCENES = (
    Scene(
        1,
        "A first version",
        "Version 1 knows what is printed on the ticket. There is nothing to compare it with, so it "
        "gets all users when its pod is ready.",
        first_version,
    ),
    Scene(
        2,
        "A better version",
        "Version 2 also knows how late the flight left. It gets mirrored requests first, then a "
        "growing share of users.",
        better_version,
    ),
    Scene(
        3,
        "Slow for a few",
        "Version 3 explains its answers for long-haul flights, one in twenty, and is slow for "
        "these. The mean looks fine, p99 does not.",
        slow_for_a_few,
    ),
    Scene(
        4,
        "Slow after a while",
        "Version 4 remembers its answers, to be faster. It is, until it remembers too many. No "
        "test finds that, and neither does a minute of shadow.",
        slow_after_a_while,
    ),
    Scene(
        5,
        "The same without the operator",
        "Version 4 again, as the rolling update of a plain Deployment: the same flights, for as "
        "long as it had users before. Kubernetes asks only whether it is ready, and it is.",
        plain_rolling_update,
    ),
    Scene(
        6,
        "The same model again",
        "Version 5 is version 2 under another name. It is promoted, because nothing is wrong with "
        "it: a gate that stops good versions is soon switched off.",
        same_model_again,
    ),
    Scene(
        7,
        "Prometheus outage",
        "Version 6 is version 2 once more. In the middle of its canary, Prometheus stops. Missing "
        "data is neither a pass nor a failure: nothing moves until Prometheus is back.",
        prometheus_outage,
    ),
    Scene(
        8,
        "Git is reverted",
        "The manifest of version 2 is applied again. Version 2 served all users before and did not "
        "fail, so it is not judged again.",
        git_reverted,
    ),
    Scene(
        9,
        "Hours in UTC",
        "Version 7 is version 2 with hours in UTC, and the model was trained on local ones. It is "
        "as fast, and fails nothing. Its answers are compared with those of stable.",
        hours_in_utc,
    ),
    Scene(
        10,
        "The observer is killed",
        "Version 8 is version 2 once more, and says the same. While its answers are compared, the "
        "observer is killed. What was not compared is no pass: version 8 waits.",
        observer_killed,
    ),
)
