"""The story's words: what is new between two looks at the resource, in one line for people."""

from demo.load.replay import Count
from demo.story.status_view import Seen
from model_rollouts.text import count

STYLES = {
    "Shadow": "cyan",
    "Canary": "yellow",
    "Full": "green",
    "RolledBack": "bold red",
    "Undecided": "magenta",
    "Paused": "magenta",
}


def told(before: Seen | None, now: Seen) -> str | None:
    """What happened since `before`, in the operator's own words; None when nothing did."""
    if not now.phase:
        return None
    if before is not None and _said(before) == _said(now):
        return None
    if now.plan and (before is None or before.plan != now.plan):
        return f"{now.message} Plan: {now.plan}."
    return now.message


def _said(now: Seen) -> tuple[object, ...]:
    return now.phase, now.weight, now.mirror, now.message, now.plan


def clock(seconds: float) -> str:
    """Minutes and seconds, e.g. `2:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def verdicts(now: Seen) -> str:
    """How the candidate stands, with counts, e.g. `errors Pass, 0 of 1,200 bad`."""
    return "; ".join(
        f"{each.name} {each.verdict}, {count(each.bad)} of {count(each.total)} bad"
        for each in now.objectives
        if each.total
    )


def harm(got: Count, version: str) -> str:
    """What users had of a version."""
    return f"users had {count(got.total)} answers of {version}, {bad(got)}"


def bad(got: Count) -> str:
    """The bad ones among answers, e.g. `12 bad (3 errors, 9 slow)`."""
    if not got.bad:
        return "none bad"
    return f"{count(got.bad)} bad ({count(got.errors)} errors, {count(got.slow)} slow)"
