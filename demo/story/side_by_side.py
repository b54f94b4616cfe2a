"""Version 4 side by side: as it was taken back, under bare rules, and as a rolling update."""

from collections.abc import Sequence

from demo.load.replay import NOBODY, Count, Line
from demo.story.environment import Setting
from demo.story.followed_rollout import Course
from demo.story.plain_deployment import Plain
from demo.story.text import clock
from demo.story.threshold_rules import RULES, Interval, Rule, noted, record, recorded
from model_rollouts.text import count

Row = tuple[str, str, str, str]


def headings(good: str, bad: str) -> Row:
    """What the columns of `rows` are about."""
    return (
        "who decides",
        f"version {good}, which is good",
        f"version {bad}, on the samples of its canary",
        f"version {bad}, as a rolling update",
    )


def rows(setting: Setting, good: Course, taken_back: Course, plain: Plain) -> list[Row]:
    """What the operator did, what bare rules would have done, and what no rule did.

    Raises StepError when Prometheus no longer has the samples.
    """
    samples, ended = record(taken_back, setting.prometheus, setting.out)
    bad_ones = recorded(samples)
    good_samples, good_ended = record(good, setting.prometheus, setting.out)
    good_ones = recorded(good_samples)
    after = clock(taken_back.ended - taken_back.met_users_at())
    found = [
        (
            "Model Rollouts",
            f"{good.happened}; replayed: {good_ended}",
            f"after {after}, {count(taken_back.got.bad)} harmed; replayed: {ended}",
            "",
        )
    ]
    for rule in RULES:
        noticed = noted(plain.lines, plain.version)
        found.append(
            (
                rule.name,
                _on_good(rule, good_ones),
                _on_bad(rule, bad_ones, taken_back.met_users_at(), taken_back.lines, plain.version),
                _on_bad(rule, noticed, plain.began, plain.lines, plain.version),
            )
        )
    nobody = f"never: {count(plain.got.bad)} harmed in {clock(plain.seconds)}"
    return [*found, ("readiness alone", "", "", nobody)]


def _on_good(rule: Rule, intervals: Sequence[Interval]) -> str:
    at = rule.takes_back(intervals)
    return "kept" if at is None else f"taken back after {clock(at - intervals[0].end)}"


def _on_bad(
    rule: Rule, found: Sequence[Interval], began: float, lines: Sequence[Line], version: str
) -> str:
    at = rule.takes_back(found)
    harmed = f"{count(harmed_by(lines, version, at).bad)} harmed"
    return f"not in this time, {harmed}" if at is None else f"after {clock(at - began)}, {harmed}"


def harmed_by(lines: Sequence[Line], version: str, at: float | None) -> Count:
    """What users had of a version until a moment, or in all; answered by nobody counts too."""
    found = Count()
    for line in lines:
        if at is None or line.at <= at:
            for name in (version, NOBODY):
                found += line.versions.get(name, Count())
    return found
