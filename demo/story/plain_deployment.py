"""A plain Deployment and its rolling update: the same version, the same flights, no operator."""

import json
import time
from dataclasses import dataclass

from demo.load.replay import NOBODY, Count, Line
from demo.story import text
from demo.story.environment import PLAIN
from demo.story.followed_rollout import PATIENCE_SECONDS, Course
from demo.story.stage import Stage, StoryError
from demo.story.users import RATE

HOST = "plain.example.com"
SETTLING_SECONDS = 20
"""Users send requests for so long before the update, so that it gets the canary's flights."""
ARGUMENTS = {
    "2": ["--version=2", "--artifact=/app/artifacts/v2.joblib"],
    "4": ["--version=4", "--artifact=/app/artifacts/v2.joblib", "--remember"],
}


@dataclass(frozen=True)
class Plain:
    """What users got in `seconds` from the first answer of the version on."""

    version: str
    began: float
    seconds: float
    got: Count
    lines: tuple[Line, ...]


def rolling_update(stage: Stage, course: Course) -> Plain:
    """Update a Deployment of version 2 to the version of `course`, for as long as that had users.

    Raises StoryError when it does not get going, or had no users before.
    """
    seconds = course.ended - course.met_users_at()
    if not seconds:
        raise StoryError(
            f"version {course.version} had no users, so there is nothing to compare with"
        )
    sent = sum(line.sent for line in stage.users.ledger.lines(until=course.met_users_at()))
    skip = max(0, stage.users.skipped + sent - SETTLING_SECONDS * RATE)
    _apply(stage, "2")
    ledger = stage.send_users(PLAIN, HOST, skip)
    stage.until(
        lambda: ledger.of("2").answered > 100, "users get answers", 90, "users send requests"
    )
    _apply(stage, course.version)
    stage.until(
        lambda: ledger.of(course.version).total > 0,
        "the rolling update",
        90,
        "the new pod becomes ready",
    )
    began = time.time()
    stage.teller.line(f"all users get version {course.version}")
    stage.until(
        lambda: time.time() > began + seconds,
        f"{seconds:.0f} s of version {course.version}",
        2 * seconds,
        f"{text.span(seconds)} of version {course.version} for all users",
    )
    stage.users.stop()
    until = began + seconds + PATIENCE_SECONDS
    got = ledger.of(course.version, began - 1, until) + ledger.of(NOBODY, began - 1, until)
    stage.teller.line(text.served(got, course.version), "bold red" if got.bad else "")
    # Requests that it still works on would slow down others too.
    _remove(stage)
    stage.send_users_back()
    return Plain(course.version, began, seconds, got, tuple(ledger.lines(began - 1, until)))


def _apply(stage: Stage, version: str) -> None:
    path = stage.setting.manifests.write(
        "plain",
        f"plain-v{version}",
        namespace=PLAIN,
        host=HOST,
        arguments=json.dumps(ARGUMENTS[version]),
    )
    stage.teller.line(f"kubectl apply --server-side -f {path.name}", "bold")
    stage.kubectl("apply", "-f", path)
    if version == "2":
        stage.kubectl("rollout", "status", "deployment/arrival", "-n", PLAIN, "--timeout=120s")


def _remove(stage: Stage) -> None:
    where = ("-n", PLAIN, "--ignore-not-found", "--timeout=120s")
    stage.kubectl("delete", "httproute/arrival", "service/arrival", "deployment/arrival", *where)
