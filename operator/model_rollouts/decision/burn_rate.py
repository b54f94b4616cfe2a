"""How fast a version burns its error budget, in the pairs of windows that page people.

The pairs are those of the SRE workbook (chapter 5, table 5-8): a burn must show in a long window,
so that it matters, and in a short one, so that it still goes on. On a young version the windows are
part-filled and one bad answer can be any multiple of the budget; a burn counts only when chance
hardly explains it.
"""

import math
from typing import NamedTuple

BLOCK = 300.0
"""Seconds in which counts are kept together."""

CHANCE = 0.001
"""A burn that a version within the allowed multiple shows no more often than this counts."""


class Pair(NamedTuple):
    """A multiple of the budget, and the windows in seconds in which it must be exceeded."""

    multiple: float
    long: float
    short: float


PAIRS = (Pair(14.4, 3_600, 300), Pair(6.0, 21_600, 1_800))
LASTING = Pair(1.0, 21_600, 1_800)
"""In which a rate is exceeded that is no fast burn and goes on."""

RECENT_BLOCKS = round(max(pair.short for pair in (*PAIRS, LASTING)) / BLOCK) + 1
"""So many of the latest blocks hold all short windows."""
_KEPT = round(max(pair.long for pair in (*PAIRS, LASTING)) / BLOCK) + 1


class BurnBlock(NamedTuple):
    """Counts of the block of time that begins `number * BLOCK` seconds after counting began."""

    number: int
    total: float
    bad: float


class Burn(NamedTuple):
    """A pair that is exceeded, with the counts of its long window."""

    pair: Pair
    total: float
    bad: float


def count_burn(
    blocks: tuple[BurnBlock, ...], end: float, total: float, bad: float
) -> tuple[BurnBlock, ...]:
    """`blocks` with the counts of an interval that ended at `end` (seconds since the beginning)."""
    number = int(max(end - 1e-6, 0.0) // BLOCK)
    if blocks and blocks[-1].number == number:
        last = blocks[-1]
        return (*blocks[:-1], BurnBlock(number, last.total + total, last.bad + bad))
    kept = (block for block in blocks if block.number > number - _KEPT)
    return (*kept, BurnBlock(number, total, bad))


def fast_burn(blocks: tuple[BurnBlock, ...], budget: float) -> Burn | None:
    """The first pair that the counts exceed; None when none is. `budget` is the share allowed.

    Windows are whole blocks, the present one included: up to one block longer than their name.
    """
    burns = (_burn(blocks, pair, pair.multiple * budget) for pair in PAIRS)
    return next((burn for burn in burns if burn is not None), None)


def lasting_burn(blocks: tuple[BurnBlock, ...], limit: float) -> Burn | None:
    """Whether a share above `limit` lasts, however little it burns; None when it does not."""
    return _burn(blocks, LASTING, limit)


def may_burn(blocks: tuple[BurnBlock, ...], budget: float, limit: float) -> bool:
    """Whether a burn is possible at all, from the blocks of `RECENT_BLOCKS` alone.

    Each needs that its short window exceeds what it allows, and nearly always none does. `budget`
    and `limit` are as in `fast_burn` and `lasting_burn`.
    """
    asked = (*((pair, pair.multiple * budget) for pair in PAIRS), (LASTING, limit))
    return any(_exceeds_lately(blocks, pair, allowed) for pair, allowed in asked)


def burn_is_over(blocks: tuple[BurnBlock, ...], budget: float) -> bool:
    """Whether the short window of what lasts kept within the share that is allowed.

    The blocks of `RECENT_BLOCKS` are enough.
    """
    total, bad = _within(blocks, LASTING.short)
    return bad <= budget * total


def _burn(blocks: tuple[BurnBlock, ...], pair: Pair, allowed: float) -> Burn | None:
    """The pair with the counts of its long window, when both of its windows exceed `allowed`."""
    if allowed >= 1:
        return None
    if not _exceeds_lately(blocks, pair, allowed):
        return None
    total, bad = _within(blocks, pair.long)
    return Burn(pair, total, bad) if is_rate_above(total, bad, allowed) else None


def _exceeds_lately(blocks: tuple[BurnBlock, ...], pair: Pair, allowed: float) -> bool:
    total, bad = _within(blocks, pair.short)
    return bad > allowed * total


def is_rate_above(total: float, bad: float, share: float) -> bool:
    """Whether `bad` of `total` is hardly chance where the true share is `share` or less.

    By Chernoff's bound on the binomial tail, P(Bin(n, p) >= d) <= exp(-n KL(d/n, p)).
    """
    if total <= 0 or bad <= share * total:
        return False
    rate = min(bad / total, 1.0)
    divergence = rate * math.log(rate / share)
    if rate < 1:
        divergence += (1 - rate) * math.log((1 - rate) / (1 - share))
    return total * divergence >= -math.log(CHANCE)


def _within(blocks: tuple[BurnBlock, ...], window: float) -> tuple[float, float]:
    if not blocks:
        return 0.0, 0.0
    first = blocks[-1].number - round(window / BLOCK)
    seen = [block for block in blocks if block.number >= first]
    return sum(block.total for block in seen), sum(block.bad for block in seen)
