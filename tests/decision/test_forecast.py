"""Forecasts before the first request."""

import pytest

from model_rollouts.decision import Decision, forecast_decision, latency
from tests.decision.made_up import EDGES, all_kinds, errors_judge, judge_of

DAY = 86_400.0


@pytest.mark.parametrize(
    ("rate", "earliest", "latest"),
    # Simulated medians at half the good limit: 7 min, 32 min, 5 h (docs/decisions.md).
    [(50, 300, 600), (10, 25 * 60, 45 * 60), (1, 4 * 3600, 7 * 3600)],
)
def test_time_to_promotion_is_near_the_simulated_median(
    rate: float, earliest: float, latest: float
) -> None:
    expected = forecast_decision(errors_judge(), rate, deadline=DAY)

    assert expected.decision is Decision.PASS
    assert earliest < expected.seconds < latest
    assert not expected.underpowered


def test_an_awful_candidate_is_rolled_back_after_about_sixty_requests() -> None:
    expected = forecast_decision(errors_judge(), 10, deadline=DAY, candidate={"errors": 0.05})

    assert expected.decision is Decision.FAIL
    assert 40 < expected.requests < 80


def test_too_little_traffic_is_said_with_what_can_be_excluded() -> None:
    expected = forecast_decision(errors_judge(), 0.2, deadline=DAY)

    assert expected.decision is Decision.INCONCLUSIVE
    assert expected.underpowered
    assert expected.seconds == pytest.approx(DAY)
    (excluded,) = expected.excluded
    assert excluded.rate is not None
    assert 0.002 < excluded.rate < 0.005
    assert expected.words == (
        "At 0.2 req/s this stays undecided until the deadline, 24.0 h; "
        f"excluded by then: errors: a rate above {100 * excluded.rate:.4g} % or "
        f"{1000 * excluded.rate:.3g} times stable."
    )


def test_more_traffic_is_never_slower() -> None:
    judge = judge_of(*all_kinds())
    seconds = [
        forecast_decision(judge, rate, deadline=DAY).seconds for rate in (1, 5, 20, 100, 1000)
    ]

    assert seconds == sorted(seconds, reverse=True)
    assert seconds[-1] >= 180  # three steps of at least a minute


def test_smaller_shares_on_the_steps_take_longer() -> None:
    judge = errors_judge()
    whole = forecast_decision(judge, 20, deadline=DAY)

    same = forecast_decision(judge, 20, deadline=DAY, weights=(*judge.rules.steps, 1.0))
    smaller = forecast_decision(judge, 20, deadline=DAY, weights=(0.05, 0.08, 0.08, 1.0))

    assert same == whole
    assert smaller.seconds > whole.seconds
    with pytest.raises(ValueError, match="weights: found 2"):
        forecast_decision(judge, 20, deadline=DAY, weights=(0.05, 1.0))


@pytest.mark.parametrize(("rate", "deadline"), [(0, DAY), (-1, DAY), (float("nan"), DAY), (1, 0)])
def test_nonsense_is_refused(rate: float, deadline: float) -> None:
    with pytest.raises(ValueError, match="found"):
        forecast_decision(errors_judge(), rate, deadline=deadline)


def test_a_guess_for_no_objective_is_refused() -> None:
    with pytest.raises(ValueError, match=r"guesses: found \['error'\]"):
        forecast_decision(errors_judge(), 1, deadline=DAY, candidate={"error": 0.01})


def test_latency_is_proven_for_promotion_where_the_load_is_comparable() -> None:
    judge = judge_of(latency("latency", 0.3, 0.99, EDGES), steps=(0.1, 0.5))
    everywhere = forecast_decision(judge, 5, deadline=DAY)

    at_the_end = forecast_decision(judge, 5, deadline=DAY, comparable_from=0.4)
    nowhere = forecast_decision(judge, 5, deadline=DAY, comparable_from=0.6)

    assert everywhere.decision is at_the_end.decision is Decision.PASS
    assert everywhere.seconds < at_the_end.seconds
    assert nowhere.underpowered
