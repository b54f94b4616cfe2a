"""The story's words: what is new between two looks at the resource, in one line."""

from collections.abc import Mapping, Sequence
from typing import Any

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


_VERDICTS = {"Pass": "passed", "Fail": "failed", "Inconclusive": "undecided"}
_BAD = {"latency": "slow", "answers": "disagreed"}
"""What a bad request is called, by the name of the objective."""


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


def span(seconds: float) -> str:
    """A length of time with its units, e.g. `45 s` or `2 min 5 s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def verdicts(now: Seen) -> str:
    """How the candidate stands, with counts, e.g. `errors passed (0 of 1,200 failed)`."""
    return ", ".join(
        f"{each.name} {_VERDICTS.get(each.verdict, each.verdict)} "
        f"({count(each.bad)} of {count(each.total)} {_BAD.get(each.name, 'failed')})"
        for each in now.objectives
        if each.total
    )


def case(stable: Mapping[str, Any], candidate: Mapping[str, Any]) -> str:
    """A flight about which two versions say something else, e.g. `EWR-SFO at 17: .31, .09`."""
    flight = {**stable["inputs"], **candidate["inputs"]}
    said = ", ".join(
        f"version {each['version']} {each['outputs']['late']:.3f}" for each in (stable, candidate)
    )
    return (
        f"{flight['carrier']} {flight['origin']}-{flight['destination']} at "
        f"{flight['scheduled_hour']:.0f} h, left {flight['departure_delay']:+.0f} min: {said} "
        f"(request {candidate['request_id']})"
    )


def named(ids: Sequence[str]) -> str:
    """Which answers the status of a version names."""
    return f"Its status names {', '.join(ids)}" if ids else "Its status names no answers"


def served(got: Count, version: str) -> str:
    """What users got from a version."""
    return f"version {version} got {count(got.total)} user requests: {failed_or_slow(got)}"


def failed_or_slow(got: Count) -> str:
    """Requests that failed and those that were slow, e.g. `3 failed, 1,200 slow`."""
    parts = ((got.errors, "failed"), (got.slow, "slow"))
    return ", ".join(f"{count(n)} {word}" for n, word in parts if n) or "none failed or slow"
