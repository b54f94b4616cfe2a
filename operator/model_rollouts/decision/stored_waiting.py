"""What is stored only when there is any: what waits to be compared, and where the last step began.

It stands behind the evidence that every rollout has.
"""

import math
import struct
import zlib

from model_rollouts.decision.evidence import Ahead, Edge, Evidence, Pair
from model_rollouts.decision.judge import State

FIRST_WAITING = Evidence._fields.index("ahead")
"""The fields of Evidence from here on say what waits."""

_SINCE = struct.Struct("<dd")
"""Since when stable is not seen, and since when the last step lasts, or NaN."""
_WAITING = struct.Struct("<BBB")
"""What there is of an objective, by `_PAIR` and so on, and the lengths of `ahead` and `last`."""
_PAIR, _EDGE, _LOST, _ALONE = 1, 2, 4, 8
_END = struct.Struct("<IHH")
_END_MARK = (0x5457, 0xFFFF)
"""Length of what waits, and a mark that as the end of a number would be none."""


def encode_waiting(state: State) -> bytes:
    """What there is of it; empty for nothing."""
    since = state.unseen_since, state.last_since
    waits = any(any(each[FIRST_WAITING:]) for each in state.evidence)
    if since == (None, None) and not waits:
        return b""
    parts = [_SINCE.pack(*(math.nan if each is None else each for each in since))]
    for each in state.evidence:
        kinds = (
            _PAIR * (each.pair is not None)
            | _EDGE * (each.edge is not None)
            | _LOST * (each.unseen is not None)
            | _ALONE * each.alone
        )
        numbers = [number for one in each.ahead for number in one]
        numbers += [*(each.pair or ()), *(each.edge or ())]
        numbers += [] if each.unseen is None else [each.unseen]
        numbers += each.last
        parts.append(_WAITING.pack(kinds, len(each.ahead), len(each.last)))
        parts.append(struct.pack(f"<{len(numbers)}d", *numbers))
    # Most are small whole numbers, and the same of several objectives.
    packed = zlib.compress(b"".join(parts), 9)
    return packed + _END.pack(len(packed), *_END_MARK)


def without_waiting(body: bytes) -> tuple[bytes, bytes]:
    """What is always stored, and what stands behind it."""
    length, *mark = _END.unpack(body[-_END.size :])
    if tuple(mark) != _END_MARK:
        return body, b""
    begin = len(body) - _END.size - length
    return body[:begin], zlib.decompress(body[begin : -_END.size])


def take_waiting(
    evidence: list[Evidence], whose: list[int | None], stored: bytes
) -> tuple[float | None, float | None]:
    """Since when stable is not seen and the last step lasts, after the rest is in `evidence`.

    `whose` are the indexes of those that were stored, None for one that begins anew.
    """
    if not stored:
        return None, None
    unseen_since, last_since = (
        None if math.isnan(each) else each for each in _SINCE.unpack_from(stored)
    )
    offset = _SINCE.size

    def take(number: int) -> tuple[float, ...]:
        nonlocal offset
        found = struct.unpack_from(f"<{number}d", stored, offset)
        offset += 8 * number
        return found

    for index in whose:
        kinds, ahead, last = _WAITING.unpack_from(stored, offset)
        offset += _WAITING.size
        # One that begins anew has nothing that waits either, but its numbers are passed over.
        read = (evidence[index] if index is not None else evidence[0])._replace(
            ahead=tuple(Ahead(*take(len(Ahead._fields))) for _ in range(ahead)),
            pair=Pair(*take(len(Pair._fields))) if kinds & _PAIR else None,
            edge=Edge(*take(len(Edge._fields))) if kinds & _EDGE else None,
            unseen=take(1)[0] if kinds & _LOST else None,
            alone=bool(kinds & _ALONE),
            last=take(last),
        )
        if index is not None:
            evidence[index] = read
    return unseen_since, last_since
