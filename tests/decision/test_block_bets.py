"""Bets on the mean of blocks: fair whatever the law of the errors, at any moment, and faster."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.decision import (
    Compare,
    Counts,
    Dispersion,
    Interval,
    Judge,
    Rules,
    Sample,
    encode,
    errors,
    resume,
)
from model_rollouts.decision.block_bets import SHARES, WEIGHTS, Betting
from model_rollouts.simulation.traffic import binomial as drawn
from tests.decision.made_up import interval

GOOD = 0.1
BETS = len(SHARES)


def betting(
    dispersion: float | None = None, *, times: float = 1.0, slack: float = 0.0, plateau: float = 15
) -> Betting:
    """Bets against the target of 10 %, or against stable when its dispersion is given."""
    return Betting(
        plateau=plateau,
        target=dispersion is None,
        stable_dispersion=dispersion,
        good=GOOD,
        times=times,
        slack=slack,
    )


def sample(total: float, bad: float, stable_total: float = 0, stable_bad: float = 0) -> Sample:
    return Sample(Counts.of(total, bad), Counts.of(stable_total, stable_bad))


def test_a_block_multiplies_each_share_of_wealth_by_its_bet() -> None:
    bets = betting()
    state = bets.update(bets.start(), 0, 30, sample(10, 2))
    state = bets.update(state, 30, 60, sample(5, 0))

    assert state[0] == 1
    # Half of the time 20 %, half of it 0: as allowed, so nothing is won. A minute's fresh wealth:
    fresh = 0.3 * 30 / (30 * 31)
    assert state[-BETS:] == pytest.approx([(0.7 + fresh) * weight for weight in WEIGHTS])

    state = bets.update(state, 60, 120, sample(20, 20))
    fresh += 0.3 * 30 / (31 * 32)
    first = 0.3 * 30 / (30 * 31)
    won = [
        weight * ((0.7 + first) * (1 + share * 9) + fresh - first)
        for share, weight in zip(SHARES, WEIGHTS, strict=True)
    ]
    assert state[-BETS:] == pytest.approx(won)
    assert bets.values(state)[0] == pytest.approx(sum(won) + 0.3 * 30 / 32)


def test_time_without_requests_is_neither_won_nor_lost() -> None:
    bets = betting()
    state = bets.update(bets.start(), 0, 15, sample(10, 1))
    idle = bets.update(state, 15, 60, sample(0, 0))
    gap = bets.update(state, 900, 905, sample(0, 0))

    assert bets.values(idle)[0] == pytest.approx(1)
    assert bets.values(gap)[0] == pytest.approx(1)


@pytest.mark.parametrize(("served", "won"), [(25, 1.0), (5, 0.2), (1, 0.04)])
def test_an_outage_in_which_few_are_served_weighs_by_requests(served: int, won: float) -> None:
    # Five seconds that usually bring 25 requests.
    bets = betting()
    state = bets.update(bets.start(), 0, 60, sample(300, 30))
    state = bets.update(state, 60, 65, sample(served, served))
    for start in range(65, 120, 5):
        state = bets.update(state, start, start + 5, sample(25, 0))

    part = (11 + won) / 12
    fresh = 0.3 * 30 / (30 * 31)
    later = 0.3 * 30 / (31 * 32)
    each = [
        weight * ((0.7 + fresh) * (1 + share * (won / 12 / GOOD - part)) + later)
        for share, weight in zip(SHARES, WEIGHTS, strict=True)
    ]
    assert state[-BETS:] == pytest.approx(each)


@pytest.mark.parametrize(
    ("plateau", "block"), [(15, 60), (30, 60), (31, 120), (60, 120), (120, 240), (960, 1920)]
)
def test_blocks_are_twice_as_long_as_bursts(plateau: float, block: float) -> None:
    assert betting(plateau=plateau).block == block


def ends(bets: Betting) -> list[int]:
    """The minutes at which a block ends, in the first half hour."""
    state, found = bets.start(), []
    for minute in range(1, 31):
        after = bets.advance(state, 60.0 * minute)
        if after[0] > state[0]:
            assert after[0] == state[0] + 1
            found.append(minute)
        state = after
    return found


def test_against_stable_later_blocks_are_twice_as_long() -> None:
    assert ends(betting()) == list(range(1, 31))
    assert ends(betting(9.0)) == [1, 2, 3, *range(4, 31, 2)]
    assert ends(betting(9.0, plateau=60)) == [2, 4, 6, *range(8, 31, 4)]
    # Sixteen minutes would not fit into a block of Auto.
    assert ends(betting(9.0, plateau=240)) == [8, 16, 24]


def test_a_long_block_is_one_bet() -> None:
    bets = betting(4.0)
    state = bets.advance(bets.start(), 240)
    before = state[-BETS:]
    state = bets.update(state, 240, 300, sample(20, 6, 400, 2))
    assert state[-BETS:] == before
    state = bets.update(state, 300, 360, sample(20, 2, 400, 6))

    # Candidate: 20 %. Stable: 1 %, to which 4 of two minutes' 800 requests are added.
    won = 0.2 / (0.01 + 4 / 800) - 1
    fresh = 0.3 * 30 / (34) - 0.3 * 30 / 36
    assert state[-BETS:] == pytest.approx(
        [
            wealth * (1 + share * won) + weight * fresh
            for wealth, share, weight in zip(before, SHARES, WEIGHTS, strict=True)
        ]
    )


def binomial(n: int, p: float) -> list[float]:
    return [math.comb(n, d) * p**d * (1 - p) ** (n - d) for d in range(n + 1)]


def compound(mean: float, burst: int, most: int = 40) -> list[float]:
    """P(D = k bursts of size `burst`): mean `mean`, dispersion `burst`."""
    rate = mean / burst
    return [math.exp(-rate) * rate**k / math.factorial(k) for k in range(most)]


def test_against_the_target_a_block_is_fair() -> None:
    bets = betting()

    mean = sum(
        p * bets.values(bets.update(bets.start(), 0, 60, sample(12, d)))[0]
        for d, p in enumerate(binomial(12, GOOD))
    )

    assert mean == pytest.approx(1)


def test_a_split_that_follows_the_counts_keeps_it_fair() -> None:
    # After a good first half the candidate gets ten times the requests, as at a step.
    bets = betting()

    def then(state: tuple[float, ...], total: int) -> float:
        return sum(
            p * bets.values(bets.update(state, 30, 60, sample(total, d)))[0]
            for d, p in enumerate(binomial(total, GOOD))
        )

    mean = sum(
        p * then(bets.update(bets.start(), 0, 30, sample(4, d)), 4 if d else 40)
        for d, p in enumerate(binomial(4, GOOD))
    )

    assert mean == pytest.approx(1)


@pytest.mark.parametrize("burst", [1, 3, 10])
@pytest.mark.parametrize("mean", [0.3, 2.0, 8.0])
@pytest.mark.parametrize(("times", "slack"), [(1.0, 0.0), (1.5, 0.0), (1.0, 0.05)])
def test_against_a_bursty_stable_a_block_is_fair(
    burst: int, mean: float, times: float, slack: float
) -> None:
    bets = betting(burst, times=times, slack=slack)
    limit = min(times * mean / 1000 + slack, 1)

    expected = sum(
        p * q * bets.values(bets.update(bets.start(), 0, 60, sample(6, d, 1000, burst * k)))[1]
        for d, p in enumerate(binomial(6, limit))
        for k, q in enumerate(compound(mean, burst))
    )

    assert expected <= 1 + 1e-9
    # Without the dispersion in the denominator a quiet stable would make a candidate look bad.
    careless = betting(0.05 * burst, times=times, slack=slack)
    if not slack:
        assert expected < sum(
            p * q * careless.values(careless.update(careless.start(), 0, 60, drawn))[1]
            for d, p in enumerate(binomial(6, limit))
            for k, q in enumerate(compound(mean, burst))
            for drawn in [sample(6, d, 1000, burst * k)]
        )


counted = st.tuples(
    st.integers(0, 20), st.integers(0, 20), st.integers(0, 50), st.integers(0, 50)
).map(lambda c: sample(c[0], min(c[0], c[1]), c[2], min(c[2], c[3])))


@given(st.lists(counted, min_size=12, max_size=12), st.integers(1, 12))
def test_an_open_block_is_worth_no_more_than_what_is_left_at_its_end(
    samples: list[Sample], looked: int
) -> None:
    # This makes the evidence valid when it is looked at in the middle of a block.
    for bets, side, begin, each in (
        (betting(), 0, 0.0, 5.0),
        (betting(4.0), 1, 0.0, 5.0),
        (betting(4.0), 1, 240.0, 10.0),
    ):
        state, seen = bets.advance(bets.start(), begin), 0.0
        for index, one in enumerate(samples):
            start = begin + each * index
            state = bets.update(state, start, start + each, one)
            if index + 1 == looked:
                seen = bets.values(state)[side]
        nothing_missed = all(s.candidate.total and s.stable.total for s in samples)
        if nothing_missed:
            assert seen <= bets.values(state)[side] * (1 + 1e-9)


@given(st.lists(counted, min_size=1, max_size=30))
def test_splitting_an_interval_changes_nothing(samples: list[Sample]) -> None:
    def halved(one: Sample) -> Sample:
        return Sample(
            Counts.of(one.candidate.total / 2, one.candidate.bad_at_most / 2),
            Counts.of(one.stable.total / 2, one.stable.bad_at_most / 2),
        )

    bets = betting()
    whole = parts = bets.start()
    for index, one in enumerate(samples):
        start = 10.0 * index
        whole = bets.update(whole, start, start + 10, one)
        parts = bets.update(parts, start, start + 5, halved(one))
        parts = bets.update(parts, start + 5, start + 10, halved(one))

    assert bets.values(parts) == pytest.approx(bets.values(whole), rel=1e-9)


def bursty(rng: random.Random, times: float, number: int) -> list[Interval]:
    """A minute each: 60 requests, 940 of stable. Bad ones come in bursts of five on average.

    Their sizes are geometric, which makes a dispersion of nine. Stable is at the good limit of
    0.5 %, the candidate at so many `times` it.
    """

    def bad(requests: int, share: float) -> int:
        sizes = (
            1 + int(math.log(1 - rng.random()) / math.log(0.8))
            for _ in range(drawn(rng, requests, share / 5))
        )
        return min(sum(sizes), requests)

    return [
        interval(60.0 * i, bad(60, 0.005 * times), 60, bad(940, 0.005), 940, length=60)
        for i in range(number)
    ]


def judge_of(compare: Compare, dispersion: Dispersion) -> Judge:
    objective = errors("errors", 0.995, compare=compare)
    return Judge(Rules((objective,)), {"errors": dispersion})


def rolled_back(judge: Judge, rollout: list[Interval]) -> float:
    state = judge.start()
    for one in rollout:
        state = judge.update(state, one)
        if state.failed_at is not None:
            return state.failed_at
    return math.inf


def test_a_bursty_version_is_found_sooner() -> None:
    # The likelihood ratios alone need 18 minutes, all bets together 10.
    rng = random.Random(71)
    worse = [bursty(rng, 10, 120) for _ in range(200)]

    def median(plateau: float | None) -> float:
        judge = judge_of(Compare.TARGET, Dispersion(9, 9, plateau=plateau))
        return sorted(rolled_back(judge, one) for one in worse)[100]

    assert median(15.0) < 0.8 * median(None)


@pytest.mark.parametrize("compare", list(Compare))
def test_a_bursty_version_that_is_good_is_kept(compare: Compare) -> None:
    # A true rate of 1 % is exceeded by 12 of 300 with probability 3e-5.
    rng = random.Random(72)
    judge = judge_of(compare, Dispersion(9, 9, plateau=15.0))

    def rollbacks(times: float, trials: int) -> int:
        rollouts = (bursty(rng, times, 60) for _ in range(trials))
        return sum(rolled_back(judge, one) < math.inf for one in rollouts)

    assert rollbacks(1, 300) <= 12
    assert rollbacks(10, 50) > 12


@pytest.mark.parametrize(
    "dispersion",
    [Dispersion(), Dispersion(plateau=15), Dispersion(9, 9), Dispersion(2, 2, known=False)],
)
def test_without_known_bursts_there_are_no_such_bets(dispersion: Dispersion) -> None:
    judge = judge_of(Compare.AUTO, dispersion)

    assert judge.start().evidence[0].betting == ()


def test_auto_seals_whole_blocks_only() -> None:
    def minutes(plateau: float) -> int:
        dispersion = Dispersion(9, 9, plateau=plateau)
        return judge_of(Compare.AUTO, dispersion).processes[0].failing.seal_minutes

    assert [minutes(p) for p in (15, 60, 120, 240, 480, 960)] == [10, 12, 16, 16, 16, 32]


def test_evidence_of_open_blocks_survives_as_text() -> None:
    judge = judge_of(Compare.AUTO, Dispersion(9.5, 4.25, plateau=120.0))
    state = judge.start()
    for one in bursty(random.Random(3), 3, 31):
        state = judge.update(state, one)
        again, read = resume(encode(judge, state), judge.rules)
        assert read == state
        assert again.dispersions == judge.dispersions


def test_wealth_stays_finite_in_an_outage_that_nobody_ends() -> None:
    bets = betting()
    state = bets.start()
    for minute in range(400):
        state = bets.update(state, 60.0 * minute, 60.0 * minute + 60, sample(10, 10))

    assert all(math.isfinite(number) for number in (*state, *bets.values(state)))
