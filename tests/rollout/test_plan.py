"""What holds for every plan, beside the stories."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.rollout.actions import Apply, Emit, Need, WriteStatus
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.objects import drift
from model_rollouts.rollout.observed import Failure
from model_rollouts.rollout.plan import make_plan
from model_rollouts.rollout.state.revisions import KEPT
from tests.rollout.simulated_cluster import NOON, SETTINGS, World


def settled() -> World:
    """Version 1 serves all users, its watch over."""
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(30)
    return world


def test_a_rollout_that_is_over_asks_for_nothing_but_counts_at_the_slow_pace() -> None:
    world = settled()

    found = make_plan(world.seen(), world.memory, NOON + 1e6, SETTINGS)

    assert (found.actions, found.needs, found.wake_at) == ((), frozenset(), None)
    assert found.measures is not None
    assert found.measures.rollout.sparing
    assert [arm.revision for arm in found.measures.rollout.arms] == [world.revision_of("1")]


def test_an_operator_that_starts_writes_nothing() -> None:
    world = settled()

    found = make_plan(world.seen(), Memory(), NOON + 1e6, SETTINGS)

    assert (found.actions, found.needs) == ((), frozenset())


def test_a_budget_is_made_where_the_operator_may_keep_one() -> None:
    world = settled()
    seen = world.seen()
    without = replace(seen, children=replace(seen.children, budget=None))

    may = make_plan(without, world.memory, NOON + 1e6, SETTINGS)
    may_not = make_plan(replace(without, keeps_budget=False), world.memory, NOON + 1e6, SETTINGS)

    assert [each.body["kind"] for each in may.actions if isinstance(each, Apply)] == [
        "PodDisruptionBudget"
    ]
    assert may_not.actions == ()


def test_the_same_is_planned_from_the_same() -> None:
    world = settled()
    world.edit(version="2")
    world.until("Canary").run(20)

    plans = [make_plan(world.seen(), world.memory, NOON + world.time, SETTINGS) for _ in range(2)]

    assert plans[0] == plans[1]


def test_a_status_that_somebody_wiped_is_written_again() -> None:
    world = settled()
    del world.obj["status"]

    (written,) = make_plan(world.seen(), world.memory, NOON + world.time, SETTINGS).actions

    assert isinstance(written, WriteStatus)
    assert written.status["phase"] == "Full"


def test_an_object_that_goes_is_left_alone() -> None:
    world = settled()
    world.obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.edit(version="2")

    assert make_plan(world.seen(), world.memory, NOON, SETTINGS).actions == ()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("replicas", -1, "spec.replicas: Input should be greater than or equal to 0"),
        ("port", 17080, "port: found 17080; write the port of the model server"),
        ("objectives", [{"name": "a"}], "spec.objectives.0.type: Field required"),
    ],
)
def test_a_spec_older_than_a_rule_stalls_and_users_stay(field: str, value: Any, words: str) -> None:
    world = settled()
    route = copy.deepcopy(world.route)
    world.edit(**{field: value})

    written, told = make_plan(world.seen(), world.memory, NOON + world.time, SETTINGS).actions

    assert isinstance(written, WriteStatus)
    assert isinstance(told, Emit)
    assert words in told.note
    conditions = {each["type"]: each["status"] for each in written.status["conditions"]}
    assert conditions == {"Ready": "False", "Stalled": "True", "Available": "True"}
    (stalled,) = (each for each in written.status["conditions"] if each["type"] == "Stalled")
    assert words in stalled["message"]
    assert world.route == route


def test_what_the_api_server_refuses_is_told_before_it_is_tried_again() -> None:
    world = settled()
    world.edit(version="2")
    world.until("Starting")
    world.objects.pop(("Service", world.revision_of("2")))
    refused = Failure("apply Service", "exceeded quota: services", is_refusal=True)
    seen = replace(world.seen(), failures=(refused,))

    first, *rest = make_plan(seen, world.memory, NOON + world.time, SETTINGS).actions

    assert isinstance(first, WriteStatus)
    assert "exceeded quota: services" in first.status["message"]
    assert any(getattr(each, "body", {}).get("kind") == "Service" for each in rest)


def test_old_revisions_go_and_those_with_a_role_stay() -> None:
    world = settled()
    for number in range(2, KEPT + 6):
        world.edit(version=str(number), strategy__mode="Immediate")
        world.until("Full").run(30)

    kept = {name for kind, name in world.objects if kind == "ControllerRevision"}

    assert len(kept) == KEPT + 1
    assert world.revision_of(str(KEPT + 5)) in kept
    assert {name for kind, name in world.objects if kind == "Deployment"} == kept
    assert len([name for kind, name in world.objects if kind == "Service"]) == 2 * len(kept)


def test_what_a_revision_runs_as_is_compared_once_for_each_of_its_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Comparing costs more than the rest of a pass; a change of any part is a version of it."""
    compared: list[str] = []

    really = drift.drifted

    def drifted(found: Any, body: Any) -> bool:
        if body["kind"] != "PodDisruptionBudget":
            compared.append(f"{body['kind']}/{body['metadata']['name']}")
        return really(found, body)

    world = settled()
    monkeypatch.setattr("model_rollouts.rollout.objects.workloads.drift.drifted", drifted)
    world.run(60)
    while_nothing_changes = list(compared)
    for (kind, _), obj in world.objects.items():
        if kind in ("ControllerRevision", "Deployment", "Service"):
            compared.clear()
            world.changed(obj)
            world.run(10)
            assert len(compared) == 3, (kind, compared)

    assert while_nothing_changes == []


def test_fresh_pods_are_not_scraped_at_once_and_nobody_is_told() -> None:
    world = settled()
    world.unscraped.add("2")
    world.edit(version="2")
    world.until("Starting").run(15)
    held = set(world.weights)
    world.unscraped.clear()
    world.until("Canary")

    assert held == {"v1"}
    assert "ScrapeMissing" not in "".join(world.log)


@pytest.mark.parametrize(
    ("every", "after"), [(5, 15), (15, 45), (60, 180), (None, 75)], ids=lambda each: str(each)
)
def test_a_first_scrape_is_missed_by_the_interval_that_is_measured(
    every: int | None, after: int
) -> None:
    world = World(scraped_every=every)
    world.edit(version="1")
    world.until("Full").run(10)
    world.unscraped.add("2")
    world.edit(version="2")
    world.until("Starting").run(5)
    since = world.memory.unscraped_since
    while since is None:
        since = world.run(5).memory.unscraped_since

    while "ScrapeMissing" not in "".join(world.log):
        assert world.time < since - NOON + 300
        world.run(5)

    assert 0 <= world.time - (since - NOON) - after <= 10


@pytest.mark.parametrize(("every", "after"), [(5, 15), (60, 180), (None, 75)], ids=str)
def test_a_first_version_that_is_never_scraped_is_told_by_that_interval_too(
    every: int | None, after: int
) -> None:
    world = World(scraped_every=every)
    world.unscraped.add("1")
    world.edit(version="1")
    began = world.until("Full").time

    while "ScrapeMissing" not in str(world.status):
        assert world.time < began + 300
        world.run(5)

    assert 0 <= world.time - began - after <= 15


def test_a_repair_that_was_lost_is_seen_again() -> None:
    world = settled()
    name = world.revision_of("1")
    del world.objects["Service", name]

    (made,) = make_plan(world.seen(), world.memory, NOON + world.time, SETTINGS).actions

    assert isinstance(made, Apply)
    assert (made.body["kind"], made.body["metadata"]["name"]) == ("Service", name)


def test_what_must_be_corrected_first_is_not_checked() -> None:
    world = settled()
    world.edit(version="2", template__spec__hostNetwork=True)

    found = make_plan(world.seen(), world.memory, NOON + world.time, SETTINGS)

    assert Need.CHECK not in found.needs
    world.edit(version="3", template__spec__hostNetwork=False)
    assert Need.CHECK in make_plan(world.seen(), world.memory, NOON + world.time, SETTINGS).needs
