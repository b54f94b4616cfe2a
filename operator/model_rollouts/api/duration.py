"""Durations as in the Gateway API (GEP-2257): '24h', '1m30s', '300ms'."""

import re
from datetime import timedelta
from functools import lru_cache

PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
"""The pattern of GEP-2257, which Go's and CEL's own parsers read as well."""

_PATTERN = re.compile(PATTERN)
_PART = re.compile(r"([0-9]+)(h|ms|m|s)")
_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


@lru_cache(maxsize=1024)
def span(text: str) -> timedelta:
    """The time that `text` names; parts add up, in whatever order they come.

    Raises ValueError when it is not in the form of GEP-2257.
    """
    if not _PATTERN.fullmatch(text):
        raise ValueError(f"duration: found '{text}', write a time such as 24h, 1m30s or 300ms")
    parts = (int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return sum(parts, timedelta())
