"""Rollouts that are judged by histograms of the model server's own, at the edges that they have."""

from typing import Any

import pytest

from tests.rollout.simulated_cluster import World

EDGES = (0.1, 0.25, 0.5, 1.0)
METRIC = "request_predict_seconds"


def promised(within: str = "250ms", **more: Any) -> list[dict[str, Any]]:
    """Errors, and a promise on a stage that the model server has a histogram of."""
    timed = {
        "within": within,
        "share": "95%",
        "histogram": {"metric": METRIC, "unit": "Seconds"},
    }
    return [
        {"name": "errors", "type": "Availability", "availability": {"target": "99%"}},
        {"name": "predict", "type": "Latency", "latency": timed, **more},
    ]


def in_canary(world: World, objectives: list[dict[str, Any]]) -> World:
    """Version 1 serves, and version 2 has its first users."""
    world.edit(
        objectives=objectives,
        strategy__shadow={"percent": 0},
        strategy__canary={"steps": ["10%", "50%"], "minStepDuration": "1m"},
    )
    world.until("Full")
    world.edit(model__version="2")
    return world.until("Canary")


def begun(buckets: dict[str, tuple[float, ...]] | None = None, **more: Any) -> World:
    """A world whose two versions have the same histogram."""
    same: dict[str, tuple[float, ...]] = {"1": EDGES, "2": EDGES}
    return World(buckets=same if buckets is None else buckets, **more)


def test_a_version_that_is_slow_in_a_stage_is_rolled_back() -> None:
    world = in_canary(begun(staged={"2": {0.4: 0.5}}), promised())

    world.until("RolledBack")

    assert "predict failed" in world.status["message"]
    assert world.weights == {"v1": 1}


def test_a_version_that_is_fast_in_it_is_promoted() -> None:
    world = in_canary(begun(staged={"1": {0.4: 0.01}, "2": {0.4: 0.01}}), promised())

    world.until("Full")

    assert world.weights == {"v2": 1}


def test_stable_that_is_as_slow_holds_nobody_up() -> None:
    world = in_canary(begun(staged={"1": {0.4: 0.3}, "2": {0.4: 0.3}}), promised())

    world.until("Full")

    assert world.weights == {"v2": 1}


def test_a_time_between_two_edges_is_read_at_both() -> None:
    # Between 250 ms and 500 ms nobody knows: what takes 400 ms may be within 300 ms or not.
    world = in_canary(begun(staged={"2": {0.4: 0.5}}), promised("300ms"))

    world.run(1_200)

    assert world.status["phase"] == "Canary"
    told = condition(world, "NoBucketBoundary")
    assert (
        "found 300 ms, which is not a bucket edge of the histogram; write 250 ms or 500 ms"
        in (told["message"])
    )
    assert "The next version" not in told["message"]

    slower = in_canary(begun(staged={"2": {0.9: 0.5}}), promised("300ms"))
    assert "predict failed" in slower.until("RolledBack").status["message"]


@pytest.mark.parametrize("role", ["Gate", "Guard"])
def test_a_histogram_that_nobody_exports_promotes_nothing_and_says_so(role: str) -> None:
    world = in_canary(begun({}), promised(role=role))

    world.run(60)

    told = condition(world, "NoBucketBoundary")
    assert f"found no buckets of {METRIC} in Prometheus for this version" in told["message"]
    world.run(1_800)
    assert world.weights == ({"v2": 1} if role == "Guard" else world.weights)
    assert world.status["phase"] == ("Full" if role == "Guard" else "Canary")


def test_buckets_that_appear_with_the_first_requests_cost_no_evidence_of_other_objectives() -> None:
    world = in_canary(begun({"1": EDGES}, staged={"2": {0.4: 0.5}}), promised(role="Guard"))
    world.run(30)
    before = world.memory.trial
    assert before is not None

    world.buckets["2"] = EDGES
    world.run(10)

    after = world.memory.trial
    assert after is not None
    names = [each.name for each in after.judge.rules.objectives]
    kept, fresh = names.index("errors"), names.index("predict")
    assert after.state.evidence[kept].seen_total > before.state.evidence[kept].seen_total
    assert 0 < after.state.evidence[fresh].seen_total < before.state.evidence[kept].seen_total
    assert world.memory.dropped is None
    assert "predict failed" in world.until("RolledBack").status["message"]


def test_versions_whose_histograms_differ_are_each_read_at_their_own_edges() -> None:
    world = in_canary(begun({"1": (0.2, 0.4), "2": EDGES}, staged={"2": {0.4: 0.02}}), promised())

    world.run(20)

    told = condition(world, "NoBucketBoundary")
    assert "found 250 ms, which is not a bucket edge of stable's histogram" in told["message"]
    world.until("Full")
    assert world.weights == {"v2": 1}


def test_edges_stay_as_they_were_when_the_trial_learned_them_also_over_a_restart() -> None:
    world = in_canary(begun(staged={"2": {0.4: 0.02}}), promised())
    world.run(150)
    trial = world.memory.trial
    assert trial is not None

    world.restart()
    world.buckets = {"1": EDGES, "2": (0.2, 0.3)}
    world.run(5)

    resumed = world.memory.trial
    assert resumed is not None
    assert resumed.judge.rules == trial.judge.rules
    # The status is written once a minute.
    assert resumed.state.elapsed >= trial.state.elapsed - 60
    assert world.memory.dropped is None


def test_buckets_are_asked_for_until_they_are_known_and_no_longer() -> None:
    world = in_canary(begun({"1": EDGES}), promised())
    world.run(20)
    asked = len(world.buckets_asked)
    (judged, beside) = world.buckets_asked[-1].revisions
    assert asked >= 2
    assert [world.version_of(each) for each in (judged, beside)] == ["v2", "v1"]

    world.buckets["2"] = EDGES
    world.run(10)
    known = len(world.buckets_asked)
    world.run(60)

    assert len(world.buckets_asked) == known


def condition(world: World, type: str) -> dict[str, Any]:
    """The condition of that type, which is there."""
    found: dict[str, Any] = next(
        each for each in world.status["conditions"] if each["type"] == type
    )
    return found
