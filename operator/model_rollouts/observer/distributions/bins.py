"""Which bins numbers are counted in, and what people call them."""

from collections.abc import Sequence
from decimal import Decimal

from model_rollouts.observer.distributions.reference import Categories, Column, Numbers

_DIGITS = 4
"""Of edges between bins: they need not be exact quantiles, and people read them."""


def edges_of(
    few: Sequence[float] | None, quantiles: Sequence[float], least: float, most: float
) -> tuple[float, ...]:
    """The edges of bins that have about as many values each.

    few: all values there are, ascending, when each of them gets a bin of its own; otherwise
    None, and `quantiles` ascend between the smallest and the largest value, `least` and `most`.
    """
    if few is not None:
        return (*few, few[-1])
    between = {_short(each) for each in quantiles if least < each < most}
    edges = [least, *sorted(each for each in between if least < each < most), most]
    if quantiles and quantiles[-1] == most:
        # So many values are the largest one that they fill a bin.
        edges.append(most)
    return tuple(edges)


def label(column: Column, first: int, last: int) -> str:
    """What the cells from `first` to `last` are called, by their index in `column.cells`."""
    if isinstance(column, Categories):
        if first == len(column.counts):
            return "other values"
        return f"'{column.values[first]}'"
    bins = len(column.counts)
    edges, of = column.edges, "" if isinstance(column, Numbers) else " characters"
    if first == bins:
        return f"below {number(edges[0])}{of}"
    if first == bins + 1:
        return f"above {number(edges[-1])}{of}"
    low, high = edges[first], edges[last + 1]
    if column.is_whole and last + 1 < len(edges) - 1:
        high -= 1
    if low >= high:
        return f"at {number(low)}{of}"
    between = "-" if low >= 0 else " to "
    return f"in {number(low)}{between}{number(high)}{of}"


def number(value: float) -> str:
    """A number with at most six significant digits and thousands separators."""
    text = f"{value:.6g}"
    if "e" in text:
        return text
    return f"{Decimal(text):,f}"


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
