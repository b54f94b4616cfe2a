"""Rollouts that are judged by histograms of the model server's own, at the edges that they have."""

import math
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


def staged(stage: str = "Predict", **more: Any) -> list[dict[str, Any]]:
    """Errors, and a promise on a stage in the short form."""
    errors, predict = promised(**more)
    return [errors, {**predict, "latency": {"within": "250ms", "share": "95%", "stage": stage}}]


def of_runtime(world: World, runtime: str) -> World:
    """The same with the model server named."""
    world.edit(runtime=runtime)
    return in_canary(world, staged())


@pytest.mark.parametrize(
    ("runtime", "metric"),
    [("KServe", METRIC), ("VLLM", "vllm:request_inference_time_seconds")],
)
def test_a_stage_is_the_histogram_of_the_runtime(runtime: str, metric: str) -> None:
    world = of_runtime(begun(staged={"2": {0.4: 0.5}}), runtime)

    world.until("RolledBack")

    (asked,) = {own.metric for query in world.buckets_asked for own, _ in query.histograms}
    assert asked == metric
    assert f"95 % of {metric} must take at most 250 ms" in told(world, "predict")


def test_the_short_and_the_long_form_are_one_rule() -> None:
    world = of_runtime(begun(staged={"2": {0.4: 0.02}}), "KServe")
    world.run(30)
    before = world.memory.trial
    assert before is not None

    world.edit(objectives=promised())
    world.run(5)

    after = world.memory.trial
    assert after is not None
    assert after.judge.rules == before.judge.rules
    assert after.state.elapsed > before.state.elapsed


def test_a_model_server_that_nobody_named_is_recognised_by_what_it_exports() -> None:
    exports = frozenset({"vllm:request_inference_time_seconds"})
    world = in_canary(begun(staged={"2": {0.4: 0.5}}, exports=exports), staged())

    world.until("RolledBack")

    assert "95 % of vllm:request_inference_time_seconds" in told(world, "predict")


@pytest.mark.parametrize(
    "exports", [frozenset(), frozenset({METRIC, "tgi_request_inference_duration"})]
)
def test_a_stage_of_no_server_or_of_several_promotes_nothing_and_says_so(
    exports: frozenset[str],
) -> None:
    world = in_canary(begun(staged={"2": {0.4: 0.5}}, exports=exports), staged())

    world.run(600)

    assert world.status["phase"] == "Canary"
    found = condition(world, "NoBucketBoundary")["message"]
    assert f"stage Predict is timed by one of {METRIC} (KServe), vllm:request_inference" in found
    assert "Write `runtime` in the spec if there are several" in found


def test_a_server_that_is_recognised_late_costs_no_evidence_of_other_objectives() -> None:
    world = begun(staged={"2": {0.4: 0.5}}, exports=frozenset())
    in_canary(world, staged(role="Guard")).run(30)
    before = world.memory.trial
    assert before is not None

    world.exports = frozenset({METRIC})
    world.run(10)

    after = world.memory.trial
    assert after is not None
    assert after.state.elapsed > before.state.elapsed
    assert world.memory.dropped is None
    assert "predict failed" in world.until("RolledBack").status["message"]


def test_what_was_recognised_stays_over_a_restart() -> None:
    exports = frozenset({METRIC})
    world = in_canary(begun(staged={"2": {0.4: 0.02}}, exports=exports), staged())
    world.run(150)
    trial = world.memory.trial
    assert trial is not None

    world.restart()
    world.exports = frozenset({"tgi_request_inference_duration"})
    world.run(5)

    resumed = world.memory.trial
    assert resumed is not None
    assert resumed.judge.rules == trial.judge.rules
    assert world.memory.dropped is None


def test_a_stage_that_the_runtime_does_not_export_is_refused_by_the_operator_too() -> None:
    world = begun()
    world.until("Full")
    world.edit(objectives=staged("Queue"), runtime="KServe", model__version="2")
    world.run(30)

    told = " ".join(each["message"] for each in world.status["conditions"])
    assert "which runtime KServe does not export, write Preprocess" in told
    assert world.weights == {"v1": 1}


def test_edges_of_stable_that_become_known_later_are_learned_in_the_same_trial() -> None:
    world = in_canary(begun({"2": EDGES}, staged={"1": {0.4: 0.3}, "2": {0.4: 0.3}}), promised())
    world.run(30)
    before = world.memory.trial
    assert before is not None
    timed = next(each.latency for each in before.judge.rules.objectives if each.name == "predict")
    assert timed is not None
    assert (timed.edges.upper, timed.stable.upper) == (0.25, math.inf)

    world.buckets["1"] = EDGES
    world.run(10)

    after = world.memory.trial
    assert after is not None
    timed = next(each.latency for each in after.judge.rules.objectives if each.name == "predict")
    assert timed is not None
    assert timed.stable.upper == 0.25
    assert after.state.elapsed > before.state.elapsed
    assert world.memory.dropped is None
    # As slow as stable, and no slower.
    assert world.until("Full").weights == {"v2": 1}


def test_buckets_that_could_not_be_asked_for_are_told_with_what_prometheus_answered() -> None:
    world = begun(
        staged={"2": {0.4: 0.02}}, buckets_refused="https://prometheus: 422: too many series"
    )
    in_canary(world, promised()).run(30)

    found = condition(world, "NoBucketBoundary")["message"]
    assert found == (
        f"Prometheus did not say which buckets there are of {METRIC}, and is asked again: "
        "https://prometheus: 422: too many series."
    )

    world.buckets_refused = None
    world.until("Full")
    assert world.weights == {"v2": 1}


def told(world: World, objective: str) -> str:
    """What the status says of an objective."""
    found: str = next(
        each["message"] for each in world.status["objectives"] if each["name"] == objective
    )
    return found


def condition(world: World, type: str) -> dict[str, Any]:
    """The condition of that type, which is there."""
    found: dict[str, Any] = next(
        each for each in world.status["conditions"] if each["type"] == type
    )
    return found
