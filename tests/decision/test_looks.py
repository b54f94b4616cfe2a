"""What one look may win: what one client repeats fails no version, and a total outage is found."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.decision import (
    INDEPENDENT,
    Compare,
    Counts,
    Dispersion,
    Interval,
    Judge,
    Rules,
    Sample,
    State,
    breaker,
    errors,
)
from tests.decision.guarded import GUARDED, SLOW, judge
from tests.decision.made_up import after, judge_of

RETRIES = 50
KINDS = ("errors", "client-errors", SLOW)
"""What a client may repeat, under the objective of 99 % and the guards."""


def looks(by: Judge, seen: list[tuple[int, int, str]], stable: int = 225) -> State:
    """Requests of the candidate, bad ones and their kind, one look after the other."""
    state = by.start()
    for index, (total, bad, kind) in enumerate(seen):
        samples = {}
        for objective in by.rules.objectives:
            name = "errors" if objective.kind.traits.is_breaker else objective.name
            if not objective.is_rate:
                wrong = bad if name == kind else 0
                samples[objective.name] = Sample(Counts.of(total, wrong), Counts.of(stable, 0))
        state = by.update(state, Interval(5.0 * index, 5.0 * index + 5, samples))
    return state


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("total", "good_looks"), [(6, 0), (6, 3), (25, 0), (25, 3), (25, 400), (45, 400)]
)
def test_a_version_that_fails_everybody_is_found_in_three_looks(
    kind: str, total: int, good_looks: int
) -> None:
    by = judge()
    seen = [(total, 0, kind)] * good_looks

    ended = [
        looks(by, [*seen, *[(total, total, kind)] * bad_looks]).failed_at is not None
        for bad_looks in range(4)
    ]

    assert ended == [False, False, False, True]


@pytest.mark.parametrize("dispersion", [INDEPENDENT, Dispersion(2, 2, known=False)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_the_first", [51, 40, 26, 1])
def test_what_one_client_repeats_fails_no_version(
    kind: str, in_the_first: int, dispersion: Dispersion
) -> None:
    by = Judge(GUARDED, {each.name: dispersion for each in GUARDED.objectives})
    rest = RETRIES + 1 - in_the_first
    burst = [(25 + in_the_first, in_the_first, kind), (25 + rest, rest, kind)]

    assert looks(by, [(25, 0, kind), *burst, *[(25, 0, kind)] * 100]).failed_at is None


def test_two_clients_that_repeat_fail_no_version_whose_history_is_unknown() -> None:
    unknown = Dispersion(2, 2, known=False)
    by = Judge(GUARDED, {"errors": unknown})
    burst = [(51, 26, "errors"), (50, 25, "errors")]
    quiet = [(25, 0, "errors")] * 24

    assert looks(by, [*burst, *quiet, *burst, *quiet]).failed_at is None
    assert looks(by, [(25, 25, "errors")] * 3).failed_at == 15


def test_so_many_failed_requests_that_no_client_repeats_them_are_found_in_one_look() -> None:
    """500 requests/s, of which the candidate has 10 %: five times what one client repeats."""
    by = judge()

    assert looks(by, [(250, 250, "errors")]).failed_at == 5
    assert looks(by, [(250, 60, "errors")]).failed_at is None


def test_clients_that_repeat_roll_a_good_version_back_once_in_a_hundred() -> None:
    """Every failed request of both is repeated 50 times, half of them in the look after it."""
    by = Judge(GUARDED, {each.name: INDEPENDENT for each in GUARDED.objectives})
    wrong = 0
    for seed in range(100):
        rng, state, left = random.Random(seed), by.start(), [0, 0]
        for index in range(720):
            made = []
            for arm, asked in enumerate((25, 225)):
                first = rng.random() < asked * 0.001 / (RETRIES + 1)
                bad = left[arm] + (RETRIES + 1) // 2 * first
                left[arm] = (RETRIES + 1) // 2 * first
                made.append(Counts.of(asked + bad, bad))
            both = Sample(made[0], made[1])
            samples = {"errors": both, "breaker": both}
            state = by.update(state, Interval(5.0 * index, 5.0 * index + 5, samples))
        wrong += state.failed_at is not None

    assert wrong <= 1


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(Compare),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 80)), min_size=1, max_size=12),
)
def test_a_limit_only_throws_wealth_away(compare: Compare, seen: list[tuple[int, int]]) -> None:
    """So it is below a fair one, whatever is counted."""
    rules = Rules((errors("errors", 0.99, compare=compare), breaker()))
    fair_rules = Rules(rules.objectives, false_rollback=1e-300)
    known = {"errors": INDEPENDENT}
    limited, fair = Judge(rules, known), Judge(fair_rules, known)
    given_ = [
        Interval(
            5.0 * i,
            5.0 * i + 5,
            {"errors": Sample(Counts.of(total + bad, bad), Counts.of(100, 1))},
        )
        for i, (total, bad) in enumerate(seen)
    ]

    one, other = after(limited, *given_).evidence[1], after(fair, *given_).evidence[1]

    for logs in ("fail_target", "fail_stable"):
        pairs = zip(getattr(one, logs), getattr(other, logs), strict=True)
        assert all(log <= most + 1e-9 for log, most in pairs)


def test_a_crash_of_all_pods_at_once_is_one_look() -> None:
    """As when a node ends, or a request that all of them get."""
    by, state = judge(), judge().start()
    for index in range(4):
        minutes, crashed = 10 * 5 / 60, 10 if index < 3 else 0
        lives = Sample(Counts.events(minutes, crashed), Counts.events(minutes, 0))
        state = by.update(state, Interval(5.0 * index, 5.0 * index + 5, {"restarts": lives}))
        if index == 1:
            assert state.failed_at is None

    assert state.failed_at == 15


def test_looks_at_which_stable_is_missing_count_each() -> None:
    """When stable is scraped again, what was seen meanwhile is compared at once."""
    by = judge_of(errors("errors", 0.99), breaker())
    state = by.start()
    for index in range(4):
        both = Sample(Counts.of(25, 25), Counts.of(0, 0) if index < 3 else Counts.of(900, 0))
        samples = {"errors": both, "breaker": both}
        begun = 5.0 * index
        state = by.update(state, Interval(begun, begun + 5, samples, stable_seen=index == 3))

    assert state.failed_at == 20
    assert math.isfinite(by.fail_evidence(state))
