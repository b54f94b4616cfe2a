"""Ratios as people write them, always with the sign: '99.9%'. Exact, never a float."""

import re
from fractions import Fraction
from functools import lru_cache

PATTERN = r"^(100|[0-9]{1,2}(\.[0-9]{1,4})?)%$"
"""0% to 100% with up to four decimals: a millionth, the finest weight an HTTPRoute can carry."""

_PATTERN = re.compile(PATTERN)


@lru_cache(maxsize=1024)
def share(text: str) -> Fraction:
    """The share that `text` names: '99.9%' is 999/1000.

    Raises ValueError when it is not a ratio with its sign.
    """
    if not _PATTERN.fullmatch(text):
        raise ValueError(f"ratio: found '{text}', write a percentage such as 99.9%")
    return Fraction(text.removesuffix("%")) / 100


def ratio(value: Fraction) -> str:
    """The text that `share` reads as `value`, e.g. 1/4 is '25%'.

    Raises ValueError when `value` is outside 0 to 1 or finer than a millionth.
    """
    millionths = value * 1_000_000
    if not 0 <= value <= 1 or millionths.denominator != 1:
        raise ValueError(f"ratio: found {value}, write whole millionths between 0 and 1")
    whole, rest = divmod(millionths.numerator, 10_000)
    decimals = f".{rest:04}".rstrip("0") if rest else ""
    return f"{whole}{decimals}%"
