"""E-values of one interval have an expectation of at most 1 under their null.

Computed by summing over every outcome, so these hold exactly and not only in most samples.
"""

import math
from collections.abc import Callable

import pytest

from model_rollouts.decision.alternatives import (
    PASS_WEIGHTS,
    RESTART_WEIGHT,
    START_WEIGHT,
    unspent,
    worse_rates,
    worse_weights,
)
from model_rollouts.decision.evalue import StableBet, stable_log_evalues, target_coefficients


def binomial(total: int, share: float, bad: int) -> float:
    return math.comb(total, bad) * share**bad * (1 - share) ** (total - bad)


def expectation(total: int, share: float, log_evalue: Callable[[int], float]) -> float:
    return math.fsum(
        binomial(total, share, bad) * math.exp(log_evalue(bad)) for bad in range(total + 1)
    )


@pytest.mark.parametrize(("limit", "alternative"), [(0.1, 0.2), (0.1, 0.8), (0.2, 0.1)])
def test_target_evalue_is_fair_at_the_limit(limit: float, alternative: float) -> None:
    u, v = target_coefficients(limit, alternative, events=False, dispersion=1)

    at_limit = expectation(30, limit, lambda bad: bad * u + 30 * v)
    within = expectation(
        30, limit * (0.8 if alternative > limit else 1.2), lambda b: b * u + 30 * v
    )
    beyond = expectation(30, (limit + alternative) / 2, lambda bad: bad * u + 30 * v)

    assert at_limit == pytest.approx(1)
    assert within < 1 < beyond


@pytest.mark.parametrize(("limit", "alternative"), [(0.5, 1.5), (1.5, 0.5)])
def test_target_evalue_of_events_is_fair_for_poisson_counts(
    limit: float, alternative: float
) -> None:
    u, v = target_coefficients(limit, alternative, events=True, dispersion=1)
    exposure = 4.0

    mean = math.fsum(
        math.exp(-limit * exposure)
        * (limit * exposure) ** events
        / math.factorial(events)
        * math.exp(events * u + exposure * v)
        for events in range(100)
    )

    assert mean == pytest.approx(1)


@pytest.mark.parametrize("mean_burst", [1.5, 5.0, 20.0])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_deflated_pass_evalue_is_safe_for_bursts(mean_burst: float, share: float) -> None:
    # Bad requests in bursts of geometric size: dispersion E[B^2] / E[B] = 2 * mean - 1, and the
    # generating function of a compound Poisson count is known in closed form.
    limit, total = 0.02, 1000.0
    dispersion = 2 * mean_burst - 1
    u, v = target_coefficients(limit, share * limit / 2, events=False, dispersion=dispersion)
    bursts = total * limit / mean_burst
    x = math.exp(u)
    generating = x / mean_burst / (1 - (1 - 1 / mean_burst) * x)

    assert math.exp(total * v + bursts * (generating - 1)) <= 1
    # Without deflation the same bet is unfair: the test can fail.
    u, v = target_coefficients(limit, share * limit / 2, events=True, dispersion=1)
    x = math.exp(u)
    generating = x / mean_burst / (1 - (1 - 1 / mean_burst) * x)
    assert math.exp(total * v + bursts * (generating - 1)) > 1


@pytest.mark.parametrize(("total", "stable_total"), [(1, 30), (10, 10), (25, 4)])
@pytest.mark.parametrize("stable_share", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("slack", [0.0, 0.01])
@pytest.mark.parametrize(("limit", "alternative"), [(1.0, 2.0), (1.0, 64.0), (2.0, 1.0)])
def test_stable_evalue_is_safe_for_any_split_and_any_stable_rate(
    total: int,
    stable_total: int,
    stable_share: float,
    slack: float,
    limit: float,
    alternative: float,
) -> None:
    share = limit * stable_share + slack
    bets = [StableBet.of(limit, alternative)]

    mean = math.fsum(
        binomial(total, share, bad)
        * binomial(stable_total, stable_share, stable_bad)
        * math.exp(
            stable_log_evalues(total, bad, stable_total, stable_bad, bets, slack, dispersion=1)[0]
        )
        for bad in range(total + 1)
        for stable_bad in range(stable_total + 1)
    )

    assert mean <= 1 + 1e-12


def test_stable_evalue_grows_when_the_null_is_wrong() -> None:
    bets = [StableBet.of(1.0, 4.0)]

    mean = math.fsum(
        binomial(20, 0.2, bad)
        * binomial(20, 0.05, stable_bad)
        * math.exp(stable_log_evalues(20, bad, 20, stable_bad, bets, 0.0, dispersion=1)[0])
        for bad in range(21)
        for stable_bad in range(21)
    )

    assert mean > 1


def test_quiet_interval_takes_the_short_way_to_the_same_number() -> None:
    bets = [StableBet.of(1.0, 4.0), StableBet.of(2.0, 0.5)]

    quiet = stable_log_evalues(20, 0, 300, 0, bets, 0.001, dispersion=3)
    nearly = stable_log_evalues(20, 1e-300, 300, 0, bets, 0.001, dispersion=3)

    assert quiet == pytest.approx(nearly, rel=1e-12)


def test_wealth_is_one_in_all() -> None:
    assert sum(worse_weights(worse_rates(2, 900))) == pytest.approx(1)
    assert sum(PASS_WEIGHTS) == pytest.approx(1)
    assert START_WEIGHT + RESTART_WEIGHT == 1
    # Minute j gets 0.3 * 30 / ((j + 29)(j + 30)): the differences of what is kept.
    for minute in (1, 2, 10, 1000):
        spent = unspent(minute - 1) - unspent(minute)
        assert spent == pytest.approx(9 / ((minute + 29) * (minute + 30)))


def test_grid_doubles_up_to_the_largest_share() -> None:
    assert worse_rates(2, 1e9) == tuple(2.0 ** (k + 1) for k in range(9))
    assert worse_rates(2.5, 4.5) == (2.5, 4.5)
    assert worse_rates(5, 4) == (4,)
