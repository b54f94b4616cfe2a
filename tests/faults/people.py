"""What people and tools do: what is asked for, and when."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from model_rollouts.api.group import GROUP, KIND, VERSION
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from tests.faults.field_owners import Object
from tests.faults.notes import MODEL, NAME, NAMESPACE, Input
from tests.faults.refusals import Place
from tests.faults.users import Quality
from tests.faults.virtual_time import now
from tests.faults.world import World
from tests.rollout.simulated_cluster import SPEC

PERSON, HELM, GITOPS = "kubectl", "helm", "gitops"


@dataclass(frozen=True)
class Moment:
    """When something is done: so long `after` a version has come to a stage.

    Without a version it is `after` what was done before. Whoever waits for a stage does so for
    `most` seconds.
    """

    stage: str = ""
    version: str = ""
    after: float = 0.0
    most: float = 240.0


@dataclass(frozen=True)
class Act:
    """Something that somebody does, and when."""

    moment: Moment
    words: str
    do: Callable[[World], None]
    decides: bool = False
    """Whether it changes where the rollout ends, though nothing is asked for by it."""


def at(stage: str, version: str, after: float = 1.0) -> Moment:
    """So long after a version has come to a stage."""
    return Moment(stage, version, after)


def later(seconds: float) -> Moment:
    """So long after what was done before."""
    return Moment(after=seconds)


def waits(stage: str, version: str) -> Act:
    """Nothing is done until then."""
    return Act(at(stage, version), "wait", lambda world: None)


# What is asked for


def spec(version: str, more: Mapping[str, Any]) -> Object:
    """The spec of a version; `more` replaces fields, by their path with dots."""
    made: Object = copy.deepcopy(SPEC)
    made["model"]["version"] = version
    made["template"]["spec"]["containers"][0]["image"] = f"registry.example.com/m:{version}"
    made["strategy"] |= {
        "canary": {"steps": ["10%", "50%"], "minStepDuration": "15s"},
        "watch": {"duration": "40s"},
        "deadline": "15m",
        "progressDeadline": "4m",
    }
    for path, value in more.items():
        *parents, last = path.split(".")
        inside = made
        for parent in parents:
            inside = inside.setdefault(parent, {})
        inside[last] = value
    return made


def model(asked: Object, name: str = NAME) -> Object:
    """The ModelDeployment that asks for a spec."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": asked,
    }


def applies(moment: Moment, version: str, **more: Any) -> Act:
    """A version is applied; fields of `more` have `__` for dots."""
    changes = {path.replace("__", "."): value for path, value in more.items()}
    said = "".join(f", {path}: {value}" for path, value in changes.items())

    def do(world: World) -> None:
        asked = spec(version, world.common | changes)
        before = world.server.find(*MODEL)
        world.server.apply(MODEL, model(asked), PERSON, force=True)
        # Only what is asked for anew forgives: a pause or a larger number of pods does not.
        forgives = before is None or _asks(before["spec"]) != _asks(asked)
        world.note(Input(now(), PERSON, f"applies version {version}{said}", True, forgives))

    return Act(moment, f"apply {version}{said}", do)


def _asks(spec: Object) -> tuple[object, ...]:
    strategy = spec["strategy"]
    return (
        spec["model"]["version"],
        spec["template"],
        strategy.get("attempt", 1),
        strategy.get("override"),
    )


def applies_neighbour(moment: Moment, name: str, version: str) -> Act:
    """Another ModelDeployment, at a host of its own."""

    def do(world: World) -> None:
        asked = spec(version, world.common | {"route.hostnames": [f"{name}.example.com"]})
        place = Place(MODEL_DEPLOYMENT, NAMESPACE, name)
        world.server.apply(place, model(asked, name), PERSON, force=True)
        world.note(Input(now(), PERSON, f"applies version {version} of {name}"))

    return Act(moment, f"apply {version} of {name}", do)


def turns(moment: Moment, version: str, quality: Quality) -> Act:
    """A version answers otherwise from now on."""

    def do(world: World) -> None:
        world.users_of(NAME).becomes(version, quality)
        world.note(Input(now(), "model", f"version {version} turns {quality}"))

    return Act(moment, f"{version} turns", do)


def overrides(moment: Moment, version: str, action: str, **more: Any) -> Act:
    """A person decides about a version."""

    def do(world: World) -> None:
        asked = {"version": version, "action": action, "reason": "INC-1"}
        applies(moment, version, strategy__override=asked, **more).do(world)

    return Act(moment, f"override {action} {version}", do)


def deletes_and_applies(moment: Moment, version: str, *, foreground: bool) -> Act:
    """The ModelDeployment is deleted and applied again at once."""

    def do(world: World) -> None:
        if world.server.find(*MODEL) is not None:
            world.server.delete(MODEL, PERSON, foreground=foreground)
            world.note(Input(now(), PERSON, "deletes the ModelDeployment", True, True))
        applies(moment, version).do(world)

    return Act(moment, f"delete and apply {version}", do)
