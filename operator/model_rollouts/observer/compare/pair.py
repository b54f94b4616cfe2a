"""A pair of answers to one vote of its request.

The unit of evidence is the request. Of one with several rows a single row votes, chosen by the
request's id: each row is as likely as any other, so the share of votes that disagree is that of
rows within requests, and rows that depend on each other are never counted as if they did not.
"""

import zlib
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

import msgspec

from model_rollouts.observer.compare.catalogue import COMPARISONS, Comparison, Row
from model_rollouts.observer.protocols import Tensor, UnreadableError


class Outcome(StrEnum):
    """What became of one arm's answer."""

    ANSWERED = "answered"
    FAILED = "failed"
    """The model itself answered, with another status than 2xx, or with a stream of an error."""
    NO_ANSWER = "no_answer"
    """The proxy answered in place of the model: it was not reached, or ended without an answer."""
    BROKEN_OFF = "broken_off"
    """The answer did not come to its end: whoever asked left, or the connection or a pod ended."""
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    """A stream that the model itself ended before its answer was whole."""
    CUT = "cut"
    """Longer than what was recorded of it."""
    NOT_CAPTURED = "not_captured"


_NOTHING_TO_COMPARE = frozenset(
    {Outcome.NO_ANSWER, Outcome.BROKEN_OFF, Outcome.CUT, Outcome.NOT_CAPTURED}
)
"""Outcomes of a candidate of which nobody knows what it would have said."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """One arm's answer: its outcome, and by digest of a comparison what it compares of each row.

    A digest that is missing could not be read.
    """

    outcome: Outcome
    rows: Mapping[str, Sequence[Row]] = msgspec.field(default_factory=dict)


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a pair says.

    `left_out` says why it is no vote; then nothing else is set. `why` says how a disagreement came
    about. `distances` has one for each row where both have as many rows, else it is empty;
    `furthest` is the index of the row that is furthest apart, which is the one to tell.
    """

    left_out: str = ""
    disagrees: bool = False
    why: str = ""
    distances: Sequence[float] = ()
    furthest: int = 0


def rows_of(tensors: Collection[Tensor], comparison: Comparison) -> list[Row]:
    """What is compared of each row; raises UnreadableError when the output is not there."""
    if comparison.output is not None:
        found = [each for each in tensors if each.name == comparison.output]
        if not found:
            raise UnreadableError(f"output {comparison.output!r} is not in the answer")
    elif len(tensors) == 1:
        found = list(tensors)
    else:
        raise UnreadableError(
            f"found {len(tensors)} outputs: write in disagreement.output which is compared"
        )
    if COMPARISONS[comparison.of].is_of_numbers and found[0].is_text:
        raise UnreadableError(f"output {found[0].name!r} has texts: no {comparison.of.lower()}")
    return [found[0].row(index) for index in range(found[0].rows)]


def compared(stable: Answer, candidate: Answer, comparison: Comparison, request_id: str) -> Verdict:
    """The vote of a pair.

    A candidate that answers what stable answers with an error, or with what cannot be read,
    disagrees. Where either version's answer is missing, broken off or cut, there is nothing to
    compare: that a mirror or a pod ends says nothing of a version, and that a model does not answer
    is what objectives on errors and latency count.
    """
    ours = stable.rows.get(comparison.digest)
    if stable.outcome is not Outcome.ANSWERED or ours is None:
        outcome = Outcome.UNREADABLE if stable.outcome is Outcome.ANSWERED else stable.outcome
        return Verdict(left_out=f"stable_{outcome}")
    if candidate.outcome in _NOTHING_TO_COMPARE:
        return Verdict(left_out=f"candidate_{candidate.outcome}")
    if candidate.outcome in (Outcome.FAILED, Outcome.TRUNCATED):
        return Verdict(disagrees=True, why=candidate.outcome.value)
    theirs = candidate.rows.get(comparison.digest)
    if theirs is None:
        return Verdict(disagrees=True, why="unreadable")
    if len(ours) != len(theirs):
        return Verdict(disagrees=True, why="rows")
    if not ours:
        return Verdict(left_out="no_rows")
    distance = COMPARISONS[comparison.of].distance
    distances = [distance(comparison, *both) for both in zip(ours, theirs, strict=True)]
    votes = zlib.crc32(request_id.encode(errors="replace")) % len(distances)
    return Verdict(
        disagrees=distances[votes] > 0,
        why="differs" if distances[votes] > 0 else "",
        distances=distances,
        furthest=max(range(len(distances)), key=distances.__getitem__),
    )
