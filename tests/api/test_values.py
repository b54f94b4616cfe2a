"""Ratios and durations: exact, and the same as what CEL and Go read."""

import re
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.api import duration, ratio
from model_rollouts.api.duration import span
from model_rollouts.api.ratio import share

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("99.9%", Fraction(999, 1000)),
        ("25%", Fraction(1, 4)),
        ("0%", Fraction(0)),
        ("100%", Fraction(1)),
        ("0.0001%", Fraction(1, MILLION)),
        ("05.50%", Fraction(11, 200)),
    ],
)
def test_a_ratio_is_read_exactly(text: str, value: Fraction) -> None:
    assert share(text) == value


@pytest.mark.parametrize(
    "text", ["", "%", "99.9", "0.999", "101%", "100.1%", "-1%", "1e1%", "99,9%", "1.00001%", " 1%"]
)
def test_what_is_no_ratio_is_told_so(text: str) -> None:
    with pytest.raises(ValueError, match=f"found '{re.escape(text)}', write a percentage"):
        share(text)


@given(st.integers(0, MILLION))
def test_a_ratio_comes_back_as_it_was_written(millionths: int) -> None:
    value = Fraction(millionths, MILLION)

    assert share(ratio.ratio(value)) == value


@pytest.mark.parametrize("value", [Fraction(1, 3), Fraction(-1, 4), Fraction(5, 4)])
def test_what_no_ratio_can_say_is_refused(value: Fraction) -> None:
    with pytest.raises(ValueError, match=f"found {value}, write whole millionths"):
        ratio.ratio(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("24h", timedelta(hours=24)),
        ("1m30s", timedelta(seconds=90)),
        ("300ms", timedelta(milliseconds=300)),
        ("0s", timedelta()),
        ("1ms1s1m1h", timedelta(hours=1, minutes=1, seconds=1, milliseconds=1)),
        ("1m1m", timedelta(minutes=2)),
        ("99999h", timedelta(hours=99_999)),
    ],
)
def test_a_duration_is_read_exactly(text: str, value: timedelta) -> None:
    assert span(text) == value


@pytest.mark.parametrize(
    "text", ["", "5", "1d", "1.5h", "-1s", "100000s", "1h 1m", "1h1m1s1ms1h", "1µs", "s"]
)
def test_what_is_no_duration_is_told_so(text: str) -> None:
    with pytest.raises(ValueError, match=f"found '{re.escape(text)}', write a time"):
        span(text)


@given(st.from_regex(duration.PATTERN, fullmatch=True))
def test_what_the_pattern_allows_is_read(text: str) -> None:
    parts = re.findall(r"(\d+)([a-z]+)", text)
    seconds = {"h": 3600_000, "m": 60_000, "s": 1000, "ms": 1}

    assert span(text) == timedelta(milliseconds=sum(int(n) * seconds[u] for n, u in parts))
