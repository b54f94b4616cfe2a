"""Bare thresholds over samples whose course is known."""

import pytest

from demo.load.replay import NOBODY, Count, Line
from demo.story.threshold_rules import RULES, Interval, Rule, noted


def counts(seconds: int, *, slow_from: int, slow: int = 5, total: int = 25) -> list[Interval]:
    """An interval of five seconds after the other, slow from a moment on."""
    ends = range(5, seconds + 1, 5)
    return [Interval(float(end), total, 0, slow if end > slow_from else 0) for end in ends]


@pytest.mark.parametrize(
    ("every", "failures", "after"),
    [(60, 1, 125.0), (15, 1, 110.0), (60, 2, 185.0), (60, 5, None)],
)
def test_it_rolls_back_after_so_many_failed_checks(
    every: float, failures: int, after: float | None
) -> None:
    rule = Rule("p99", "slow", 0.01, every, failures)

    assert rule.rolls_back_at(counts(300, slow_from=100)) == after


def test_two_slow_answers_in_a_quiet_minute_are_enough_for_it() -> None:
    """Of 150 answers two are 1.3 %: chance alone crosses the limit of a bare p99."""
    quiet = [Interval(float(end), 12, 0, 1 if end in (30, 45) else 0) for end in range(5, 66, 5)]

    assert sum(each.total for each in quiet) > 150
    assert RULES[0].rolls_back_at(quiet) == 65.0


def test_it_says_nothing_of_what_was_not_seen() -> None:
    assert RULES[0].rolls_back_at([]) is None
    assert RULES[0].rolls_back_at(counts(300, slow_from=0, slow=0, total=0)) is None


def test_the_users_books_are_read_with_those_whom_nobody_answered() -> None:
    versions = {"4": Count(20, 1, 3), NOBODY: Count(0, 4), "2": Count(30)}

    assert noted([Line(10.0, 50, versions), Line(11.0, 50, {})], "4") == [
        Interval(10.0, 25, 5, 3),
        Interval(11.0, 0, 0, 0),
    ]
