"""The picture of `simulate`: when rollouts end, and how, for each assurance."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from model_rollouts.simulation.experiment import Scenario, Summary
from model_rollouts.simulation.trial import End
from model_rollouts.text import percent, seconds

# Okabe and Ito's colours, told apart by people with any colour vision.
COLOURS = {
    End.PROMOTED: "#009E73",
    End.PROMOTED_WITH_BOUND: "#56B4E9",
    End.UNDECIDED: "#BBBBBB",
    End.ROLLED_BACK: "#D55E00",
}
LABELS = {
    End.PROMOTED: "promoted",
    End.PROMOTED_WITH_BOUND: "promoted with bound",
    End.UNDECIDED: "undecided",
    End.ROLLED_BACK: "rolled back",
}
_TICKS = {
    5: "5 s",
    15: "15 s",
    30: "30 s",
    60: "1 min",
    120: "2 min",
    300: "5 min",
    600: "10 min",
    1800: "30 min",
    3600: "1 h",
    7200: "2 h",
    14_400: "4 h",
    28_800: "8 h",
    86_400: "1 d",
    172_800: "2 d",
    604_800: "1 w",
}
_MOST_TICKS = 9
_BINS = 36
_INK = "#333333"


def draw(scenario: Scenario, summaries: list[Summary], path: Path) -> None:
    """Writes the figure; the suffix of `path` is its format. Raises OSError."""
    rows = len(summaries)
    figure = Figure(figsize=(10, 1.7 + 1.35 * rows), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False, sharex="col", width_ratios=(2.2, 1))
    low, high = _range(summaries)
    for row, summary in enumerate(summaries):
        _times(axes[row][0], summary, low, high)
        _ends(axes[row][1], summary)
    axes[0][0].set_title("When rollouts end", loc="left", fontsize=11, color=_INK, pad=20)
    axes[0][1].set_title("How rollouts end", loc="left", fontsize=11, color=_INK, pad=20)
    axes[-1][0].set_xlabel("time since the start of the canary", color=_INK)
    axes[-1][1].set_xlabel("share of rollouts", color=_INK)
    used = [end for end in COLOURS if any(summary.ends[end] for summary in summaries)]
    handles = [axes[0][1].barh(0, 0, color=COLOURS[end], label=LABELS[end]) for end in used]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(used), frameon=False, fontsize=10
    )
    figure.suptitle(_title(scenario), x=0.01, ha="left", fontsize=12, color=_INK)
    figure.savefig(path, dpi=150)


def _range(summaries: list[Summary]) -> tuple[float, float]:
    times = [t for s in summaries for of_end in s.seconds_by_end.values() for t in of_end]
    return min(times) * 0.7, max(times) * 1.4


def _times(axes: Axes, summary: Summary, low: float, high: float) -> None:
    edges = [low * (high / low) ** (i / _BINS) for i in range(_BINS + 1)]
    ends = [end for end in COLOURS if summary.ends[end]]
    axes.hist(
        [list(summary.seconds_by_end[end]) for end in ends],
        bins=edges,
        stacked=True,
        color=[COLOURS[end] for end in ends],
        edgecolor="white",
        linewidth=0.4,
    )
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks[:: math.ceil(len(ticks) / _MOST_TICKS) or 1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: _TICKS.get(round(value), ""))
    axes.set_yticks([])
    limits = ", ".join(f"{name} {percent(limit)}" for name, limit in summary.bad_limits.items())
    axes.set_ylabel(
        f"{summary.assurance}\n", rotation=0, ha="right", va="center", fontsize=11, color=_INK
    )
    _note(axes, f"must rule out {limits}")
    _plain(axes)


def _ends(axes: Axes, summary: Summary) -> None:
    left = 0.0
    for end, colour in COLOURS.items():
        share = summary.share(end)
        if not share:
            continue
        axes.barh(0, share, left=left, color=colour, edgecolor="white", height=0.5)
        if share >= 0.12:
            axes.text(
                left + share / 2,
                0,
                f"{100 * share:.3g} %",
                ha="center",
                va="center",
                color="white" if end is not End.UNDECIDED else _INK,
                fontsize=10,
            )
        left += share
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, 0.6)
    axes.set_yticks([])
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    failed = f"{summary.bad.median:.0f} (95th percentile: {summary.bad.p95:.0f})"
    _note(axes, f"failed or slow: {failed}")
    _plain(axes)


def _note(axes: Axes, text: str) -> None:
    axes.annotate(
        text, (0, 1.03), xycoords="axes fraction", va="bottom", fontsize=8.5, color="#666666"
    )


def _plain(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#CCCCCC")
    axes.tick_params(colors="#555555", labelsize=9, length=3)


def _title(scenario: Scenario) -> str:
    words = (
        f"{scenario.requests_per_second:g} req/s, {percent(scenario.target)} must succeed: "
        f"candidate fails {percent(scenario.errors)}, stable {percent(scenario.stable_errors)}"
    )
    if scenario.within is not None:
        words += (
            f"\n{percent(scenario.share)} within {seconds(scenario.within)}: "
            f"candidate {percent(scenario.slow)} slower, stable {percent(scenario.stable_slow)}"
        )
    return words
