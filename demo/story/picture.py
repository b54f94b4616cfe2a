"""The picture of a story: the share of requests of each version, and what users got from it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from demo.load.replay import NOBODY
from demo.story.text import clock

# Okabe and Ito's colours, told apart by people with any colour vision.
USERS, MIRRORED, SLOW, ERRORS = "#0072B2", "#56B4E9", "#D55E00", "#CC79A7"
_INK = "#333333"
_BIN_SECONDS = 5
Course = Mapping[str, Any]


def draw(story: Path, path: Path) -> None:
    """Draw the story in a file of `play`; the suffix of `path` is the format.

    Raises OSError, and ValueError when the story has no rollout to show.
    """
    found = json.loads(story.read_text())
    columns = list(_columns(found))
    if not columns:
        raise ValueError(f"{story}: found no rollout with users, play scenes 2 and 4 first")
    figure = Figure(figsize=(4.0 * len(columns), 4.6), layout="constrained")
    axes = figure.subplots(2, len(columns), squeeze=False, sharex="col", height_ratios=(1, 1))
    most = max(_bars(course)[2] for _, course in columns)
    for place, (title, course) in enumerate(columns):
        _given(axes[0][place], title, course)
        _had(axes[1][place], course, most)
    axes[0][0].set_ylabel("share of requests", color=_INK)
    axes[1][0].set_ylabel("failed or slow\nper second", color=_INK)
    handles = [*axes[0][0].get_legend_handles_labels()[0], *axes[1][0].containers]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=10)
    figure.savefig(path, dpi=150)


def _columns(found: Mapping[str, Any]) -> Sequence[tuple[str, Course]]:
    shown = [
        (f"version {version}: {_end(course)}", course)
        for version, course in found["courses"].items()
        if version in ("2", "3", "4")
    ]
    plain = found["plain"]
    if plain is not None:
        course = {
            "version": plain["version"],
            "began": plain["began"],
            "ended": plain["began"] + plain["seconds"],
            "seen": [{"at": plain["began"], "weight": 1.0, "mirror": 0.0}],
            "got": plain["got"],
            "lines": plain["lines"],
        }
        shown.append((f"version {plain['version']} as a rolling update", course))
    return shown


def _end(course: Course) -> str:
    end = course["seen"][-1]
    return "promoted" if end["phase"] == "Full" else "rolled back"


def _given(axes: Axes, title: str, course: Course) -> None:
    times, weights, mirrored = [0.0], [0.0], [0.0]
    for one in course["seen"]:
        full = one.get("phase") == "Full" and one["stable"] == course["version"]
        times.append(one["at"] - course["began"])
        weights.append(1.0 if full else one["weight"])
        mirrored.append(one["mirror"])
    last = max(course["ended"] - course["began"], times[-1]) + 2 * _BIN_SECONDS
    times, weights, mirrored = [*times, last], [*weights, weights[-1]], [*mirrored, mirrored[-1]]
    axes.fill_between(
        times, mirrored, step="post", color=MIRRORED, alpha=0.5, label="mirrored requests (shadow)"
    )
    axes.fill_between(times, weights, step="post", color=USERS, alpha=0.8, label="users")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    _plain(axes)


def _had(axes: Axes, course: Course, most: float) -> None:
    slow, errors, _ = _bars(course)
    times = sorted(slow)
    heights = [slow[time] for time in times]
    axes.bar(times, heights, _BIN_SECONDS, align="edge", color=SLOW, label="slower than 300 ms")
    failed = [errors[time] for time in times]
    axes.bar(
        times,
        failed,
        _BIN_SECONDS,
        heights,
        align="edge",
        color=ERRORS,
        label="failed or unanswered",
    )
    # Room above the bars for their sum.
    axes.set_ylim(0, max(1.0, most * 1.3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(max(0, seconds))))
    axes.set_xlabel("time since it was applied (min:s)", color=_INK)
    got = course["got"]
    bad = got["errors"] + got["slow"]
    axes.annotate(
        f"{bad:,} requests failed or slow",
        (0.02, 0.9),
        xycoords="axes fraction",
        fontsize=11,
        color=SLOW if bad else _INK,
    )
    _plain(axes)


def _bars(course: Course) -> tuple[dict[int, float], dict[int, float], float]:
    """Slow and failed requests of the version per second, by time; and the most of both."""
    slow: dict[int, float] = {}
    errors: dict[int, float] = {}
    for line in course["lines"]:
        time = int((line["at"] - course["began"]) // _BIN_SECONDS * _BIN_SECONDS)
        for name in (course["version"], NOBODY):
            count = line["versions"].get(name, {"slow": 0, "errors": 0})
            slow[time] = slow.get(time, 0.0) + count["slow"] / _BIN_SECONDS
            errors[time] = errors.get(time, 0.0) + count["errors"] / _BIN_SECONDS
    return slow, errors, max((slow[time] + errors[time] for time in slow), default=0.0)


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#CCCCCC")
    axes.tick_params(colors="#555555", labelsize=9, length=3)
