"""Rollouts that are judged by what answers tell of their stages: the header `Server-Timing`."""

from typing import Any

import pytest

from model_rollouts.decision import Counts, Traffic
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts, Tally
from model_rollouts.rollout.trial.samples import STABLE, Counting, counted_by
from tests.rollout.simulated_cluster import World
from tests.rollout.test_own_histograms import EDGES, condition

PREDICT = {
    "name": "predict",
    "type": "Latency",
    "latency": {"within": "250ms", "share": "95%", "stage": "Predict"},
}
ERRORS = {"name": "errors", "type": "Availability", "availability": {"target": "99%"}}
SHADOW = {"sideEffects": "None", "minDuration": "1m", "minRequests": 100}
HEADER = "model_rollouts_observer_stage_seconds"


def mirrored(world: World, **spec: Any) -> World:
    """Version 1 serves, and version 2 gets mirrored requests."""
    world.edit(objectives=[ERRORS, PREDICT], strategy__shadow=SHADOW, capture={}, **spec)
    world.until("Full")
    world.edit(version="2")
    return world.until("Shadow")


def timed(**versions: dict[float, float]) -> World:
    """Both versions tell; those that are named are slow in shares of requests."""
    slow = {name[1:]: given for name, given in versions.items()}
    return World(buckets={"1": EDGES, "2": EDGES}, staged=slow)


def test_a_version_that_is_slow_in_a_stage_is_rolled_back_before_its_first_user() -> None:
    world = mirrored(timed(v2={0.4: 0.5}), runtime="ServerTiming")

    world.until("RolledBack")

    assert "predict failed" in world.status["message"]
    assert world.answers.get("2", 0) == 0


def test_a_version_that_is_fast_is_promoted() -> None:
    world = mirrored(timed(v1={0.4: 0.01}, v2={0.4: 0.01}), runtime="ServerTiming")

    assert world.until("Full").weights == {"v2": 1}


@pytest.mark.parametrize(
    ("exports", "read"),
    [
        ({HEADER}, HEADER),
        # A server's own histogram has all requests.
        ({HEADER, "request_predict_seconds"}, "request_predict_seconds"),
    ],
)
def test_without_a_runtime_the_header_is_read_where_nothing_else_is(
    exports: set[str], read: str
) -> None:
    world = timed()
    world.exports = frozenset(exports)
    mirrored(world).run(60)

    assert world.memory.trial is not None
    (predict,) = (
        each for each in world.memory.trial.judge.rules.objectives if each.name == "predict"
    )
    assert predict.latency is not None
    assert predict.latency.histogram is not None
    assert predict.latency.histogram.metric == read


def test_what_is_missing_is_told_in_the_words_of_the_header() -> None:
    world = mirrored(World(), runtime="ServerTiming").run(60)

    told = condition(world, "NoBucketBoundary")["message"]
    assert f'found no buckets of {HEADER}{{stage="Predict"}}' in told
    assert "check whether its answers have the header Server-Timing" in told


@pytest.mark.parametrize("compared", [False, True])
def test_what_the_observer_counts_of_both_arms_is_compared_as_it_comes(compared: bool) -> None:
    """It tells of both in one scrape: nothing of stable waits for seconds of the candidate."""
    if compared:
        world = World(compared=1.0)
        against = {"of": "Label", "output": "late", "against": "Self"}
        limits = {"limits": {"good": "1%", "bad": "2%"}}
        answers = {"name": "predict", "type": "Disagreement", "disagreement": against, **limits}
        world.edit(
            objectives=[ERRORS, answers],
            strategy__shadow={**SHADOW, "percent": 50},
            capture={"sample": "100%"},
        )
        world.until("Full")
        world.edit(version="2")
        world.until("Shadow")
    else:
        world = mirrored(timed(), runtime="ServerTiming")
    world.run(60)
    assert world.memory.trial is not None
    objectives = tuple(world.memory.trial.judge.rules.objectives)
    tallies = {each.name: Tally(100, (10,) * len(each.bad)) for each in counted_by(objectives)}
    # As the intake has it: of the proxies' counts alone there are shares.
    arms = {
        "shadow": ArmCounts(tallies, 1, 0),
        STABLE: ArmCounts(tallies, 1, 0, shared={}),
    }

    found = Counting(objectives).interval(IntervalCounts(0, 5_000, arms, ()), 0, Traffic.SHADOW)

    assert found.samples["predict"].shared is None
    assert found.samples["predict"].stable != Counts.of(0, 0)
    errors = found.samples["errors"].shared
    assert errors is not None and errors.until == 0
