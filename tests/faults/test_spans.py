"""Spans of time are joined, cut and left out."""

from tests.faults.spans import Span, both, joined, where, without


def test_spans_that_touch_become_one() -> None:
    assert joined([Span(3, 4), Span(0, 1), Span(1, 2), Span(5, 5)]) == (Span(0, 2), Span(3, 4))


def test_what_is_in_both() -> None:
    assert both((Span(0, 5), Span(7, 9)), (Span(4, 8),)) == (Span(4, 5), Span(7, 8))


def test_what_is_excused_is_left_out() -> None:
    assert without((Span(0, 10),), (Span(2, 3), Span(5, 20))) == (Span(0, 2), Span(3, 5))
    assert without((Span(0, 10),), ()) == (Span(0, 10),)


def test_states_hold_until_the_next_one() -> None:
    assert where([(1, True), (2, False), (4, True)], 9) == (Span(1, 2), Span(4, 9))
    assert where([], 9) == ()
