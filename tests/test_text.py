"""Numbers as people read them."""

import pytest

from model_rollouts.text import clock, duration, listed, observed, percent, rounded_up

NOON = 1_775_044_800.0
"""1 April 2026, 12:00 UTC."""


@pytest.mark.parametrize(
    ("share", "limit", "counted"),
    [
        (0.0, "0 %", "0 %"),
        (0.004444, "0.4444 %", "0.44 %"),
        (0.1405, "14.05 %", "14 %"),
        (0.9995, "99.95 %", "99.95 %"),
        (0.99999, "99.999 %", "99.999 %"),
        (1.0, "100 %", "100 %"),
        (1e-7, "0.00001 %", "0.00001 %"),
    ],
)
def test_a_limit_keeps_its_digits_and_an_observed_share_has_two(
    share: float, limit: str, counted: str
) -> None:
    assert percent(share) == limit
    assert observed(share) == counted


@pytest.mark.parametrize(
    ("exact", "told"), [(0.003963, 0.004), (0.00441, 0.0045), (0.5, 0.5), (0.02, 0.02), (12.3, 13)]
)
def test_a_bound_is_never_told_smaller_than_it_is(exact: float, told: float) -> None:
    assert rounded_up(exact) == told


def test_lists_read_as_sentences() -> None:
    assert listed(["errors"]) == "errors"
    assert listed(["errors", "latency"], "or") == "errors or latency"
    assert listed(["errors", "latency", "restarts"]) == "errors, latency and restarts"


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (180, "3 min"), (7200, "2 h"), (9000, "2.5 h")]
)
def test_durations_have_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOON + 7320, "14:02 UTC"),
        (NOON + 50_000, "2 Apr 01:53 UTC"),
        (NOON - 86_400, "31 Mar 12:00 UTC"),
    ],
)
def test_a_moment_has_its_day_when_it_is_not_today(at: float, words: str) -> None:
    assert clock(at, NOON) == words
