"""What `simulate` says, beside the same rollouts through Prometheus' samples and the intake."""

from dataclasses import dataclass
from statistics import median

import numpy as np
import pytest

from benchmarks.situations.play import judge_of
from benchmarks.situations.world import World
from model_rollouts.decision import Assurance, Compare, Course, DeadlinePolicy, Decision, Traffic
from model_rollouts.replay.story import intervals
from model_rollouts.rollout import Counting
from model_rollouts.simulation.experiment import Scenario, simulate
from model_rollouts.simulation.trial import End

pytestmark = pytest.mark.slow

MIN_STEP = 60.0
LOOK = 5.0
LATER = 2 * LOOK
"""Stable's counts are known an interval later, and with one step the split is seen another late."""
ENDS = {Decision.PASS: End.PROMOTED, Decision.FAIL: End.ROLLED_BACK}
NEAR = 1.35
"""Medians of so many rollouts differ by chance: one of 40 by a tenth, and these are 3.5 of them."""


@dataclass(frozen=True)
class Case:
    """Requests per second, the share of users, the true shares of failed requests, and how long."""

    rate: float
    weight: float
    errors: float
    stable: float
    seconds: float
    trials: int = 40
    target: str = "99.9%"

    def __str__(self) -> str:
        return f"{self.rate:g}/s, {self.errors:.2%} beside {self.stable:.2%}"


CASES = (
    Case(500, 0.1, 0.0005, 0.0005, 1_800),
    Case(500, 0.1, 0.005, 0.0005, 1_800),
    Case(50, 0.1, 0.05, 0.0005, 600),
    Case(50, 0.5, 0.0005, 0.0005, 3_600),
    Case(50, 0.5, 0.002, 0.0005, 7_200),
    Case(5, 0.5, 0.01, 0.0005, 7_200),
    Case(5, 0.5, 0.002, 0.0005, 36_000, target="99%"),
    Case(0.5, 0.5, 0.2, 0.0005, 7_200),
    Case(0.5, 0.5, 0.0, 0.0, 10_800, target="95%"),
    Case(0.05, 0.5, 1.0, 0.0, 7_200),
    Case(0.05, 0.5, 0.0, 0.0, 43_200, trials=20, target="90%"),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_says_how_and_when_the_intake_s_rollouts_end(case: Case) -> None:
    said = simulate(_scenario(case), Assurance.STANDARD, trials=400, seed=1)
    numbers = np.random.default_rng(1)
    ended = [_through_the_intake(case, numbers) for _ in range(case.trials)]

    for end, said_of_it in (
        (End.PROMOTED, said.promotion_seconds),
        (End.ROLLED_BACK, said.rollback_seconds),
    ):
        seconds = [at for which, at in ended if which is end]
        share, expected = len(seconds) / case.trials, said.share(end)
        assert abs(share - expected) <= 0.05 + 3 * _error(expected, case.trials), end
        if said_of_it is not None and len(seconds) > case.trials / 2:
            found = median(seconds)
            print(f"{end}: {share:.0%} after {found:.0f} s, said {said_of_it.median:.0f} s")
            assert found <= NEAR * said_of_it.median + LATER, end
            assert said_of_it.median <= NEAR * found + LATER, end


def _error(share: float, trials: int) -> float:
    return float(np.sqrt(share * (1 - share) / trials))


def _scenario(case: Case) -> Scenario:
    return Scenario(
        target=float(case.target.rstrip("%")) / 100,
        within=None,
        share=0.99,
        requests_per_second=case.rate,
        errors=case.errors,
        stable_errors=case.stable,
        slow=0.0,
        stable_slow=0.0,
        steps=(case.weight,),
        min_step=MIN_STEP,
        deadline=case.seconds,
        on_deadline=DeadlinePolicy.HOLD,
        compare=Compare.AUTO,
        dispersion=1.0,
    )


def _through_the_intake(case: Case, numbers: np.random.Generator) -> tuple[End, float]:
    """How one rollout ends by its scraped counters, and after how many seconds."""
    judge = judge_of(case.target, Compare.AUTO)
    counting = Counting(judge.rules.objectives)
    recording = World(
        requests=case.rate,
        weight=case.weight,
        errors=case.errors,
        stable_errors=case.stable,
        seconds=case.seconds,
        candidate_at=(4.9,),
        stable_at=(0.9, 2.9, 4.9),
    ).recording(numbers)
    steps = _scenario(case).given_steps
    course = Course.begin(judge, steps, look=LOOK, least_step=MIN_STEP)
    for record in intervals(recording, counting):
        interval = counting.interval(record, recording.header.from_ms, Traffic.LIVE)
        requests = max((each.candidate.total for each in interval.samples.values()), default=0.0)
        course, decision = course.take(interval, requests)
        if decision is not Decision.INCONCLUSIVE:
            return ENDS[decision], interval.end
    return End.UNDECIDED, case.seconds
