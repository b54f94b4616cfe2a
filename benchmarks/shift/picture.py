"""The picture: of a hundred rollouts, how many each test has called moved, as time goes by."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_INK = "#333333"
# Okabe and Ito's colours, told apart by people with any colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#CC79A7", "#999999")
_PANELS = {
    "as in training": "Nothing changed:\nevery alarm is false",
    "15 % elsewhere": "15 % of requests are elsewhere:\nalarms are right",
}


def draw(
    found: Mapping[str, Mapping[str, Sequence[int]]],
    trials: int,
    looks: int,
    requests: int,
    path: Path,
) -> None:
    """Write the picture; `found` has the looks at which each test alarmed, by situation."""
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    axes = figure.subplots(1, len(_PANELS), sharey=True)
    for place, (situation, title) in zip(axes, _PANELS.items(), strict=True):
        for colour, (name, ends) in zip(_COLOURS, found[situation].items(), strict=True):
            shares = [100 * sum(end <= look for end in ends) / trials for look in range(looks + 1)]
            place.plot(
                [look * requests for look in range(looks + 1)],
                shares,
                color=colour,
                label=name,
                linewidth=2.6 if colour == _COLOURS[0] else 1.6,
            )
        _plain(place, title)
    axes[0].set_ylabel("of 100 rollouts, those called moved", color=_INK)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=10)
    # Without the version of the library, the same figures give the same file.
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=12, color=_INK)
    axes.set_xlabel("requests since the rollout began", color=_INK)
    axes.set_ylim(-2, 102)
    axes.axhline(5, color="#BBBBBB", linewidth=0.8, linestyle=":")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors="#555555", labelsize=9)
