"""Spans of time: when something held, in seconds of a history."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """From `begun` to `ended`."""

    begun: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.ended - self.begun


Spans = tuple[Span, ...]


def joined(spans: Iterable[Span]) -> Spans:
    """The same time in spans that do not touch, in order."""
    found: list[Span] = []
    for span in sorted(each for each in spans if each.ended > each.begun):
        if found and span.begun <= found[-1].ended:
            found[-1] = Span(found[-1].begun, max(found[-1].ended, span.ended))
        else:
            found.append(span)
    return tuple(found)


def both(one: Spans, other: Spans) -> Spans:
    """The time that is in both."""
    return joined(
        Span(max(first.begun, second.begun), min(first.ended, second.ended))
        for first in one
        for second in other
    )


def without(spans: Spans, excused: Spans) -> Spans:
    """The time of `spans` that is not in `excused`."""
    left: list[Span] = []
    for span in spans:
        begun = span.begun
        for each in excused:
            if each.ended <= begun or each.begun >= span.ended:
                continue
            left.append(Span(begun, each.begun))
            begun = max(begun, each.ended)
        left.append(Span(begun, span.ended))
    return joined(left)


def where(states: Sequence[tuple[float, bool]], ended: float) -> Spans:
    """When something held that held or not from each of these moments on."""
    following = [*(at for at, _ in states[1:]), ended]
    # Of no states, nothing follows from the end.
    pairs = zip(states, following, strict=False)
    return joined(Span(at, until) for (at, holds), until in pairs if holds)
