"""The two error rates, as statistical tests that can fail.

Each test plays TRIALS rollouts with a fixed seed and compares the number of wrong ends with the
largest number that a true rate at the guaranteed limit exceeds with probability FALSE_ALARM:
chance alone would turn a correct engine red that rarely (never again for this seed). Every
test also plays a world beyond its limit with the same yardstick, and must see it.
"""

import math
import random

import pytest

from model_rollouts.decision import Compare, Decision, Dispersion, Interval, Judge, Rules, errors
from model_rollouts.simulation.traffic import binomial
from tests.decision.made_up import errors_judge, interval, intervals

TRIALS = 300
FALSE_ALARM = 1e-4


def allowed(trials: int, probability: float) -> int:
    """The smallest k with P(Binomial(trials, probability) > k) <= FALSE_ALARM."""
    tail, k = 1.0, -1
    while tail > FALSE_ALARM:
        k += 1
        tail -= math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k)
    return k


def rolled_back(judge: Judge, rollout: list[Interval]) -> bool:
    state = judge.start()
    for one in rollout:
        state = judge.update(state, one)
        if state.failed_at is not None:
            return True
    return False


def promoted(judge: Judge, rollout: list[Interval]) -> bool:
    state = judge.start()
    for one in rollout:
        state = judge.update(state, one)
        decision = judge.decide(state)
        if decision is not Decision.INCONCLUSIVE:
            return decision is Decision.PASS
    return False


def false_rollbacks(judge: Judge, share: float, stable_share: float, seed: int) -> int:
    rng = random.Random(seed)
    return sum(
        rolled_back(judge, list(intervals(rng, share, stable_share, number=120)))
        for _ in range(TRIALS)
    )


@pytest.mark.parametrize(
    ("compare", "share", "stable_share"),
    [
        (Compare.TARGET, 0.1, 0.0),
        (Compare.STABLE, 0.21, 0.2),  # slack: a tenth of the good limit
        (Compare.AUTO, 0.1, 0.02),  # worse than stable, inside the target
        (Compare.AUTO, 0.3, 0.3),  # outside the target, equal to stable
    ],
)
def test_a_good_version_is_rolled_back_in_at_most_one_of_a_hundred(
    compare: Compare, share: float, stable_share: float
) -> None:
    judge = errors_judge(compare, target=0.9)

    assert false_rollbacks(judge, share, stable_share, seed=11) <= allowed(TRIALS, 0.01)
    assert false_rollbacks(judge, 2 * share, stable_share, seed=12) > allowed(TRIALS, 0.01)


@pytest.mark.parametrize(
    ("compare", "share", "stable_share"),
    [
        (Compare.TARGET, 0.2, 0.0),
        (Compare.STABLE, 0.21, 0.1),
        (Compare.AUTO, 0.2, 0.05),
        (Compare.AUTO, 0.41, 0.2),
    ],
)
def test_a_bad_version_is_promoted_in_at_most_five_of_a_hundred(
    compare: Compare, share: float, stable_share: float
) -> None:
    judge = errors_judge(compare, target=0.9)

    def promotions(share: float, seed: int) -> int:
        rng = random.Random(seed)
        return sum(
            promoted(judge, list(intervals(rng, share, stable_share, number=80)))
            for _ in range(TRIALS)
        )

    assert promotions(share, seed=21) <= allowed(TRIALS, 0.05)
    assert promotions(share / 2, seed=22) > allowed(TRIALS, 0.05)


def test_a_good_version_may_be_good_by_one_clause_after_the_other() -> None:
    # Ten minutes worse than stable but inside the target, ten minutes of a degraded service.
    judge = errors_judge(Compare.AUTO, target=0.9)
    rng = random.Random(61)

    def rollout(times: float) -> list[Interval]:
        made = []
        for index in range(120):
            degraded = index // 20 % 2
            share, stable_share = (0.3, 0.3) if degraded else (0.1, 0.02)
            bad = binomial(rng, 30, times * share)
            made.append(
                interval(30.0 * index, bad, 30, binomial(rng, 30, stable_share), 30, length=30)
            )
        return made

    assert sum(rolled_back(judge, rollout(1)) for _ in range(TRIALS)) <= allowed(TRIALS, 0.01)
    assert sum(rolled_back(judge, rollout(2)) for _ in range(TRIALS)) > allowed(TRIALS, 0.01)


def test_a_good_version_is_safe_when_the_service_changes_over_the_day() -> None:
    # Pooled over the day the candidate has the larger share of bad answers, though it is equal:
    # its traffic came when the rate was high.
    judge = errors_judge(Compare.STABLE, target=0.9)
    rng = random.Random(31)

    def day(times_stable: float) -> list[Interval]:
        made = []
        for index in range(120):
            rate = 0.05 + 0.2 * (index >= 60)
            total, stable_total = (4, 36) if index < 60 else (20, 20)
            bad = binomial(rng, total, times_stable * rate)
            stable_bad = binomial(rng, stable_total, rate)
            made.append(interval(5.0 * index, bad, total, stable_bad, stable_total))
        return made

    assert sum(rolled_back(judge, day(1)) for _ in range(TRIALS)) <= allowed(TRIALS, 0.01)
    assert sum(rolled_back(judge, day(2)) for _ in range(TRIALS)) > allowed(TRIALS, 0.01)


def test_the_guarantee_holds_over_all_objectives_together() -> None:
    objectives = [errors(f"objective-{i}", 0.9, compare=Compare.TARGET) for i in range(4)]
    judge = Judge(Rules(tuple(objectives)), {o.name: Dispersion() for o in objectives})
    rng = random.Random(41)

    def rollout(share: float) -> list[Interval]:
        made = []
        for index in range(60):
            samples = {
                objective.name: interval(0, binomial(rng, 20, share), 20).samples["errors"]
                for objective in objectives
            }
            made.append(Interval(5.0 * index, 5.0 * index + 5, samples))
        return made

    assert sum(rolled_back(judge, rollout(0.1)) for _ in range(TRIALS)) <= allowed(TRIALS, 0.01)
    assert sum(rolled_back(judge, rollout(0.15)) for _ in range(TRIALS)) > allowed(TRIALS, 0.01)


def test_bursts_promote_no_more_bad_versions_when_dispersion_is_known() -> None:
    # Bad requests in bursts of 5: dispersion 5.
    def judge(dispersion: float) -> Judge:
        rules = Rules((errors("errors", 0.95, compare=Compare.TARGET),))
        return Judge(rules, {"errors": Dispersion(dispersion, dispersion)})

    def promotions(dispersion: float, seed: int) -> int:
        rng = random.Random(seed)
        return sum(
            promoted(
                judge(dispersion),
                [interval(5.0 * i, 5.0 * binomial(rng, 40, 0.1 / 5), 40) for i in range(60)],
            )
            for _ in range(TRIALS)
        )

    assert promotions(5, seed=51) <= allowed(TRIALS, 0.05)
    assert promotions(1, seed=51) > allowed(TRIALS, 0.05)


def seldom(rng: random.Random, share: float, stable_share: float, number: int) -> list[Interval]:
    """Half of the intervals have a request of the candidate, and one in five some of stable."""
    made = []
    for index in range(number):
        total, stable_total = int(rng.random() < 0.5), 3 * int(rng.random() < 0.2)
        bad = binomial(rng, total, share)
        stable_bad = binomial(rng, stable_total, stable_share)
        if total or stable_total:
            made.append(interval(5.0 * index, bad, total, stable_bad, stable_total))
    return made


@pytest.mark.parametrize("share", [0.2, 0.3])
def test_counts_that_wait_for_the_other_version_roll_back_as_few(share: float) -> None:
    judge, rng = errors_judge(Compare.STABLE, target=0.9), random.Random(13)

    def failed(times: float) -> int:
        rollouts = (seldom(rng, min(times * share, 1.0), share, 100) for _ in range(TRIALS))
        return sum(rolled_back(judge, rollout) for rollout in rollouts)

    assert failed(1.0) <= allowed(TRIALS, 0.01)
    assert failed(3.0) > allowed(TRIALS, 0.01)


def test_counts_that_wait_for_the_other_version_promote_as_few() -> None:
    judge, rng = errors_judge(Compare.STABLE, target=0.9), random.Random(14)

    def ends(share: float) -> int:
        return sum(promoted(judge, seldom(rng, share, 0.2, 150)) for _ in range(TRIALS))

    assert ends(0.41) <= allowed(TRIALS, 0.05)  # twice stable's, and the slack
    assert ends(0.02) > allowed(TRIALS, 0.05)
