"""Forecasts before the first request."""

from fractions import Fraction

import pytest

from model_rollouts.decision import (
    Decision,
    Forecast,
    Slice,
    Step,
    allowed_steps,
    errors,
    forecast_decision,
    latency,
)
from tests.decision.made_up import EDGES, all_kinds, errors_judge, judge_of

DAY = 86_400.0


@pytest.mark.parametrize(
    ("rate", "earliest", "latest"),
    # Simulated medians at half the good limit: 8 min, 40 min, 7 h (docs/decisions.md).
    [(50, 300, 600), (10, 25 * 60, 45 * 60), (1, 4 * 3600, 8 * 3600)],
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
        "At 0.2 req/s, the deadline of 24 h comes before a decision. By then only an error rate "
        "above 0.32 % (and 3.2 times stable's) can be ruled out."
    )


def test_what_no_requests_can_rule_out_is_said() -> None:
    objectives = errors("errors", 0.999), latency("latency", 0.3, 0.99, EDGES)
    nothing = forecast_decision(judge_of(*objectives), 0.0001, deadline=DAY)
    both = forecast_decision(judge_of(*objectives, errors("slice", 0.999)), 0.1, deadline=DAY)

    assert nothing.words.endswith("By then nothing can be ruled out about errors or latency.")
    assert "an error rate of errors above" in both.words
    assert "an error rate of slice above" in both.words


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

    asked = [Fraction(str(step)) for step in judge.rules.steps]
    same = forecast_decision(judge, 20, deadline=DAY, steps=allowed_steps(asked, 1, None))
    smaller = forecast_decision(judge, 20, deadline=DAY, steps=allowed_steps(asked, 10, 1))

    assert same == whole
    assert smaller.seconds > whole.seconds


@pytest.mark.parametrize(("rate", "deadline"), [(0, DAY), (-1, DAY), (float("nan"), DAY), (1, 0)])
def test_nonsense_is_refused(rate: float, deadline: float) -> None:
    with pytest.raises(ValueError, match="found"):
        forecast_decision(errors_judge(), rate, deadline=deadline)


def test_a_guess_for_no_objective_is_refused() -> None:
    with pytest.raises(ValueError, match=r"guesses: found \['error'\]"):
        forecast_decision(errors_judge(), 1, deadline=DAY, candidate={"error": 0.01})


def test_latency_is_proven_for_promotion_where_the_load_is_comparable() -> None:
    judge = judge_of(latency("latency", 0.3, 0.99, EDGES), steps=(0.1, 0.5))
    tenth, half = Fraction("0.1"), Fraction("0.5")
    busy = Step(half, (half,), Fraction(1, 2)), Step(Fraction(1), (Fraction(1),))

    def forecast(*steps: Step) -> Forecast:
        return forecast_decision(judge, 5, deadline=DAY, steps=steps)

    everywhere = forecast(Step(tenth, (tenth,), tenth), *busy)
    at_the_end = forecast(Step(tenth, (tenth,)), *busy)
    nowhere = forecast(Step(tenth, (tenth,)), busy[0]._replace(pods=Fraction(2)), busy[1])

    assert everywhere.decision is at_the_end.decision is Decision.PASS
    # The last step has to show all of it in any case.
    assert everywhere.seconds == at_the_end.seconds
    assert nowhere.underpowered


def test_a_gate_on_a_slice_waits_for_the_requests_of_the_slice() -> None:
    of_slice = errors("few", 0.99, slice=Slice("long-haul"))
    judge = judge_of(errors("errors", 0.99), of_slice)

    common, rare = (
        forecast_decision(judge, 50, deadline=DAY, shares={"long-haul": part})
        for part in (0.2, 0.00002)
    )

    assert common.decision is Decision.PASS
    assert common.seconds > 1.3 * forecast_decision(judge, 50, deadline=DAY).seconds
    assert (rare.decision, rare.underpowered) == (Decision.INCONCLUSIVE, True)
    assert rare.words.endswith(
        "Slice long-haul is too rare for few: it has 0.002 % of requests, 0.001 req/s."
    )
    assert "Slice" not in common.words
