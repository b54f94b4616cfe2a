"""Bucket edges: the many spellings of an `le` label, and the regex that asks for one edge.

The same edge is written "0.3" by one client library, "0.30" or "3e-01" by others, "300.0" by
Prometheus 3 where Prometheus 2 kept "300". Edges are therefore compared as numbers; the regex only
keeps the answer small, and what it lets through is checked again by `edge_of`.
"""

import math
from collections.abc import Iterator
from decimal import Decimal

_DIGITS = 12
"""Significant digits in which two edges must agree: 0.3 s / 0.001 is not exactly 300."""


def edge_of(label: str) -> float | None:
    """The edge that an `le` label means, infinity included; None when it is no number."""
    try:
        edge = float(label)
    except ValueError:
        return None
    return None if math.isnan(edge) else rounded(edge)


def rounded(edge: float) -> float:
    """The edge in the precision in which edges are compared."""
    return float(f"{edge:.{_DIGITS}g}")


def spellings(edge: float) -> str:
    """A regular expression (RE2, anchored by Prometheus) for every spelling of a finite edge > 0.

    With and without exponent, with leading and trailing zeros, with a plus sign; and with the
    digits of a sum that floating point could not hold, such as 0.30000000000000004 for 0.3.
    """
    _, digits, exponent = Decimal(repr(rounded(edge))).normalize().as_tuple()
    assert isinstance(exponent, int)  # finite
    mantissa = "".join(map(str, digits))
    exact = (_plain(mantissa, exponent), _scientific(mantissa, exponent))
    return rf"\+?0*(?:{'|'.join((*exact, *_nearly(mantissa, exponent)))})"


def _nearly(mantissa: str, exponent: int) -> Iterator[str]:
    """Spellings with more digits than count, from just below the edge and from just above it."""
    missing = _DIGITS - len(mantissa)
    above = int(mantissa) * 10**missing
    for number in (above, above - 1):
        digits, point = str(number), len(str(number)) + exponent - missing
        if point < len(digits):
            whole = digits[:point] if point > 0 else ""
            fraction = digits[point:] if point > 0 else "0" * -point + digits
            yield rf"{whole}\.{fraction}\d+"
        power = point - 1
        sign = "-" if power < 0 else r"\+?"
        yield rf"{digits[0]}\.{digits[1:]}\d+[eE]{sign}0*{abs(power)}"


def _plain(mantissa: str, exponent: int) -> str:
    if exponent >= 0:
        return mantissa + "0" * exponent + r"(?:\.0*)?"
    point = len(mantissa) + exponent
    whole, fraction = (
        (mantissa[:point], mantissa[point:]) if point > 0 else ("", "0" * -point + mantissa)
    )
    return rf"{whole}\.{fraction}0*"


def _scientific(mantissa: str, exponent: int) -> str:
    power = exponent + len(mantissa) - 1
    fraction = rf"\.{mantissa[1:]}0*" if len(mantissa) > 1 else r"(?:\.0*)?"
    sign = "-" if power < 0 else r"\+?"
    return rf"{mantissa[0]}{fraction}[eE]{sign}0*{abs(power)}"
