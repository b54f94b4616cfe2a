"""Numbers as people read them. One place, so that every message says them the same way."""

from datetime import UTC, datetime, timedelta
from typing import SupportsFloat


def percent(share: SupportsFloat, digits: int = 4) -> str:
    """A share as per cent with at most so many digits, e.g. 0.0015 -> '0.15 %'."""
    return f"{100 * float(share):.{digits}g} %"


def out_of(share: float) -> str:
    """A share as a part of a round number, e.g. 0.999 -> '999 of 1,000'."""
    whole = next((10**n for n in range(2, 6) if round(share * 10**n, 6) % 1 == 0), 10**6)
    return f"{round(share * whole):,} of {whole:,}"


def per_minute(rate: float) -> str:
    """A rate of events, e.g. '0.01 per pod-minute'."""
    return f"{rate:.3g} per pod-minute"


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
    return f"{time / 3600:.1f} h"


_DATED_AFTER = timedelta(hours=18)


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
    """A moment (Unix seconds) as people read it, with its date when it is far from `seen_from`."""
    moment = datetime.fromtimestamp(round(at), UTC)
    time = f"{moment:%H:%M} UTC"
    if seen_from is None or abs(at - seen_from) < _DATED_AFTER.total_seconds():
        return time
    return f"{moment.day} {moment:%b} {time}"
