"""Version 4 side by side: rolled back, under threshold rules, and as a rolling update."""

from collections.abc import Sequence

from demo.load.replay import NOBODY, Count, Line
from demo.story.environment import Setting
from demo.story.followed_rollout import Course
from demo.story.plain_deployment import Plain
from demo.story.text import span
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


def rows(setting: Setting, good: Course, rolled_back: Course, plain: Plain) -> list[Row]:
    """What the operator did, what threshold rules would have done, and what happens with neither.

    Raises StepError when Prometheus no longer has the samples.
    """
    samples, ended = record(rolled_back, setting.prometheus, setting.out)
    bad_ones = recorded(samples)
    good_samples, good_ended = record(good, setting.prometheus, setting.out)
    good_ones = recorded(good_samples)
    after = span(rolled_back.ended - rolled_back.met_users_at())
    found = [
        (
            "Model Rollouts",
            f"{good.happened}; replayed: {good_ended}",
            f"after {after}; {_harm(rolled_back.got)}; replayed: {ended}",
            "",
        )
    ]
    for rule in RULES:
        noticed = noted(plain.lines, plain.version)
        found.append(
            (
                rule.name,
                _on_good(rule, good_ones),
                _on_bad(
                    rule, bad_ones, rolled_back.met_users_at(), rolled_back.lines, plain.version
                ),
                _on_bad(rule, noticed, plain.began, plain.lines, plain.version),
            )
        )
    unnoticed = f"never; {_harm(plain.got)} in {span(plain.seconds)}"
    return [*found, ("readiness probe alone", "", "", unnoticed)]


def _on_good(rule: Rule, intervals: Sequence[Interval]) -> str:
    at = rule.rolls_back_at(intervals)
    return "kept" if at is None else f"rolled back after {span(at - intervals[0].end)}"


def _on_bad(
    rule: Rule, found: Sequence[Interval], began: float, lines: Sequence[Line], version: str
) -> str:
    at = rule.rolls_back_at(found)
    harm = _harm(harmed_by(lines, version, at))
    return f"not noticed; {harm}" if at is None else f"after {span(at - began)}; {harm}"


def _harm(got: Count) -> str:
    return f"{count(got.bad)} failed or slow"


def harmed_by(lines: Sequence[Line], version: str, at: float | None) -> Count:
    """What users got from a version until a moment, or in all; requests without answer count."""
    found = Count()
    for line in lines:
        if at is None or line.at <= at:
            for name in (version, NOBODY):
                found += line.versions.get(name, Count())
    return found
