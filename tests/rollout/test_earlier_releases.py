"""An earlier release is followed by this one in the middle of a canary, a shadow or a watch.

What the earlier one left was written by itself (`earlier_releases/record.py`), and is read from
files: the name says from which day it was.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rollout.simulated_cluster import World

LEFT = sorted(Path(__file__).with_name("earlier_releases").glob("*.json.gz"))
LONG = 25
"""Seconds in which nothing may change: a step lasts 30 s at least."""


def taken_over(path: Path) -> World:
    """The world in which an operator of this release begins."""
    left = json.loads(gzip.decompress(path.read_bytes()))
    world = World()
    world.time, world.version = left["time"], left["version"]
    world.changed_at, world.obj = left["changed_at"], left["model"]
    for obj in left["objects"]:
        world.objects[obj["kind"], obj["metadata"]["name"]] = obj
        if obj["kind"] == "ControllerRevision":
            world.stored[obj["metadata"]["name"]] = obj
    return world


def templates(world: World) -> dict[str, Any]:
    """The pods of each revision: another template is other pods."""
    return {
        name: (obj["spec"]["template"], obj["spec"]["replicas"])
        for (kind, name), obj in world.objects.items()
        if kind == "Deployment"
    }


def counted(world: World) -> dict[str, int]:
    """Requests that were counted of what is judged, by objective."""
    return {each["name"]: each.get("total") or 0 for each in world.status["objectives"]}


def dropped(world: World) -> str | None:
    """What the status tells of evidence that counts no more."""
    conditions = world.status["conditions"]
    return next((c["message"] for c in conditions if c["type"] == "EvidenceDropped"), None)


def is_event(line: str) -> bool:
    """Whether a line of the story is the event about it."""
    return " event " in line and " OtherRules: " in line


@pytest.mark.parametrize("path", LEFT, ids=lambda path: path.name.removesuffix(".json.gz"))
def test_it_changes_nothing_for_users_and_keeps_the_evidence_or_says_so(path: Path) -> None:
    world = taken_over(path)
    phase, pods, before = world.status["phase"], templates(world), counted(world)
    assert world.route is not None
    spec = json.dumps(world.route["spec"])

    world.reconcile()
    trial = world.memory.trial
    assert trial is not None
    names = [each.name for each in trial.judge.rules.objectives]
    kept = {name: each.seen_total for name, each in zip(names, trial.state.evidence, strict=True)}
    assert all(before.values())
    if (told := dropped(world)) is None:
        # The status rounds: pod-minutes are no whole numbers.
        assert all(round(kept[name]) >= number for name, number in before.items())
    else:
        assert "counts no more" in told
        assert any(is_event(line) for line in world.log)
    world.run(LONG)

    assert json.dumps(world.route["spec"]) == spec
    assert templates(world) == pods
    assert world.status["phase"] == phase
    world.until("Full")
    world.run(30 * 60)
    assert (world.weights, world.status["phase"]) == ({"v2": 1}, "Full")


def test_there_are_all_stages() -> None:
    stages = {path.name.removesuffix(".json.gz").rpartition("-")[2] for path in LEFT}
    assert stages == {"canary", "shadow", "watch"}


def of_another_form(evidence: dict[str, Any]) -> dict[str, Any]:
    """As a later release might write it."""
    return evidence | {"v": evidence["v"] + 1}


def of_other_rules(evidence: dict[str, Any]) -> dict[str, Any]:
    """Of a judge that this release cannot resume."""
    return evidence | {"judge": evidence["judge"][::-1]}


def of_uncounted_failures(evidence: dict[str, Any]) -> dict[str, Any]:
    """Of a release that found answers of gRPC, and counted those that failed as good."""
    return evidence | {"grpc": True}


@pytest.mark.parametrize("left", [of_another_form, of_other_rules, of_uncounted_failures])
@pytest.mark.parametrize("path", LEFT, ids=lambda path: path.name.removesuffix(".json.gz"))
def test_evidence_that_cannot_be_used_is_said_to_be_dropped_and_users_keep_their_version(
    path: Path, left: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    world = taken_over(path)
    evidence = left(json.loads(world.status["evidence"]))
    world.obj["status"]["evidence"] = json.dumps(evidence)
    assert world.route is not None
    spec, pods = json.dumps(world.route["spec"]), templates(world)

    world.run(LONG)

    told = dropped(world)
    assert told is not None
    assert told.startswith("What was counted of version 2 before counts no more: ")
    assert sum(map(is_event, world.log)) == 1
    assert json.dumps(world.route["spec"]) == spec
    assert templates(world) == pods
    # Whoever begins after it says the same.
    world.restart()
    world.run(LONG)
    assert dropped(world) == told
    # It is about this version and no other.
    world.edit(version="3")
    world.until("Canary").run(LONG)
    assert dropped(world) is None


def test_objectives_that_are_changed_in_a_canary_are_told_to_begin_anew() -> None:
    world = World()
    world.edit(version="1")
    world.until("Full").run(10)
    world.edit(version="2")
    world.until("Canary").run(LONG)
    assert dropped(world) is None

    stricter = {"name": "errors", "type": "Availability", "availability": {"target": "99.9%"}}
    world.edit(objectives=[stricter])
    world.run(LONG)

    assert "in the spec were changed" in (dropped(world) or "")
    world.until("Full")
    world.run(5 * 60)
    assert dropped(world) is None
