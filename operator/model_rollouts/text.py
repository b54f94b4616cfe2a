"""Numbers as people read them. One place, so that every message says them the same way."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import SupportsFloat

_MOST_DIGITS = 12


def percent(share: SupportsFloat) -> str:
    """A limit as per cent with at most four digits, e.g. 0.0015 -> '0.15 %'."""
    return _percent(float(share), 4)


def observed(share: float) -> str:
    """A share that was counted, with two digits: 0.004444 -> '0.44 %', 0.1405 -> '14 %'."""
    return _percent(share, 2)


def _percent(share: float, digits: int) -> str:
    shown = Decimal(f"{100 * share:.{digits}g}")
    while shown == 100 and share < 1 and digits < _MOST_DIGITS:
        # Nearly all is not all: 99.999 % is a promise, 100 % would be another one.
        digits += 1
        shown = Decimal(f"{100 * share:.{digits}g}")
    return f"{shown:f} %"


def per_minute(rate: float) -> str:
    """A rate of events, e.g. '0.01 per pod-minute'."""
    return f"{rate:.3g} per pod-minute"


def rounded_up(number: float) -> float:
    """An upper bound with two digits that still holds, e.g. 0.003963 -> 0.004."""
    exact = Decimal(f"{number:.6g}")
    unit = Decimal(1).scaleb(exact.adjusted() - 1)
    return float(exact.quantize(unit, rounding=ROUND_CEILING))


def listed(words: Sequence[str], last: str = "and") -> str:
    """The words as a list in a sentence, e.g. 'errors, latency and restarts'."""
    *first, final = words
    return f"{', '.join(first)} {last} {final}" if first else final


def count(number: float) -> str:
    """A count with thousands separators, without decimals unless it is small and broken."""
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def about(number: float) -> str:
    """A count rounded to two digits: a forecast should not look exact."""
    if number < 10:
        return f"{number:.0f}"
    digits = len(str(int(number))) - 2
    return f"{round(number, -digits):,.0f}"


def seconds(time: float) -> str:
    """A latency, e.g. 0.3 -> '300 ms'."""
    return f"{1000 * time:.4g} ms" if time < 1 else f"{time:.4g} s"


def duration(time: float) -> str:
    """A waiting time in seconds as people say it, e.g. 5400 -> '1.5 h'."""
    if time < 120:
        return f"{time:.0f} s"
    if time < 7200:
        return f"{time / 60:.0f} min"
    return f"{round(time / 3600, 1):g} h"


def cut(text: str, longest: int) -> str:
    """The text, cut to `longest` characters with a mark that it was."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def capitalized(words: str) -> str:
    """The words as the beginning of a sentence."""
    return words[:1].upper() + words[1:]


def ended(words: str) -> str:
    """The words with the full stop that a sentence ends with."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def clock(at: float, seen_from: float | None = None) -> str:
    """A moment (Unix seconds) as people read it, with its day unless `seen_from` is on it too."""
    moment = datetime.fromtimestamp(round(at), UTC)
    time = f"{moment:%H:%M} UTC"
    if seen_from is None or datetime.fromtimestamp(seen_from, UTC).date() == moment.date():
        return time
    return f"{moment.day} {moment:%b} {time}"
