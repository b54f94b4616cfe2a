"""What people and tools do: scripts of what is asked for, and hands that meddle with objects."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from model_rollouts.api.deployment import GROUP, KIND, VERSION
from model_rollouts.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, MODEL_DEPLOYMENT
from model_rollouts.resources.names import MANAGED_BY_LABEL, RECORD_ANNOTATION
from tests.faults.api_server import Place
from tests.faults.field_owners import Object
from tests.faults.users import Quality
from tests.faults.virtual_time import now
from tests.faults.world import MODEL, NAME, NAMESPACE, ROUTE, Input, World
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
    """A person decides about the revision of a version, by the name that the cluster shows."""

    def do(world: World) -> None:
        revision = world.revision_of(version) or f"{NAME}-0000000000"
        asked = {"revision": revision, "action": action, "reason": "INC-1"}
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


# Hands that meddle


def _meddles(moment: Moment, who: str, what: str, do: Callable[[World, Object], None]) -> Act:
    """Somebody does something to the route, if there is one."""

    def meddle(world: World) -> None:
        route = world.route
        if route is not None:
            do(world, route)
            world.note(Input(now(), who, what))

    return Act(moment, what, meddle)


def deletes_route(moment: Moment) -> Act:
    """The route is deleted."""
    return _meddles(
        moment, PERSON, "deletes the HTTPRoute", lambda world, _: world.server.delete(ROUTE, PERSON)
    )


def strips_record(moment: Moment) -> Act:
    """The route loses its annotation."""
    patch = {"metadata": {"annotations": {RECORD_ANNOTATION: None}}}
    return _merges(moment, "strips the record of the HTTPRoute", patch)


def strips_label(moment: Moment) -> Act:
    """The route loses the label by which it is watched."""
    patch = {"metadata": {"labels": {MANAGED_BY_LABEL: None}}}
    return _merges(moment, "strips the managed-by label of the HTTPRoute", patch)


def strips_owner(moment: Moment) -> Act:
    """The route loses its owner."""
    return _merges(
        moment, "strips the owner of the HTTPRoute", {"metadata": {"ownerReferences": None}}
    )


def _merges(moment: Moment, what: str, patch: Object) -> Act:
    return _meddles(
        moment, PERSON, what, lambda world, _: world.server.merge(ROUTE, patch, PERSON) and None
    )


def weighs(moment: Moment, share: int) -> Act:
    """The weights of a route are edited: the second backend gets `share` percent."""

    def do(world: World, route: Object) -> None:
        rules = copy.deepcopy(route["spec"]["rules"])
        backends = rules[0]["backendRefs"]
        if len({each["name"] for each in backends}) == 2:
            backends[0]["weight"], backends[1]["weight"] = 100 - share, share
            world.server.merge(ROUTE, {"spec": {"rules": rules}}, PERSON)

    what = f"edits the weights: {share} % to the second backend"
    return replace(_meddles(moment, PERSON, what, do), decides=True)


def puts_back(moment: Moment, *, by_deletion: bool) -> Act:
    """An older copy of the route replaces it: `kubectl replace`, or with `--force`."""

    def do(world: World, route: Object) -> None:
        copies = [
            change.after
            for change in world.server.log
            if change.place == ROUTE and change.after is not None and change.by not in ("gateway",)
        ]
        # What somebody had saved two writes ago, without what the API server keeps.
        older = copy.deepcopy(copies[max(0, len(copies) - 3)])
        older.pop("status", None)
        if by_deletion:
            world.server.delete(ROUTE, HELM)
            world.server.create(ROUTE, older, HELM)
        else:
            # kubectl looks up the version that it replaces.
            older["metadata"]["resourceVersion"] = route["metadata"]["resourceVersion"]
            world.server.replace(ROUTE, older, HELM)

    how = "replaces by force" if by_deletion else "replaces"
    return _meddles(moment, HELM, f"{how} the HTTPRoute by an older copy", do)


def replaces_model(moment: Moment) -> Act:
    """`kubectl replace` of the ModelDeployment as it is declared."""

    def do(world: World) -> None:
        found = world.server.find(*MODEL)
        if found is not None:
            same = model(found["spec"])
            same["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
            world.server.replace(MODEL, same, HELM)
            world.note(Input(now(), HELM, "replaces the ModelDeployment by the same"))

    return Act(moment, "replace the ModelDeployment", do)


def annotates(moment: Moment, place: Place) -> Act:
    """One annotation of another controller, with the time in it."""

    def do(world: World) -> None:
        if world.server.find(*place) is not None:
            patch = {"metadata": {"annotations": {"other.example.com/seen": f"{now():.3f}"}}}
            world.server.merge(place, patch, GITOPS)

    return Act(moment, f"annotate {place}", do)


def spoils_revision(moment: Moment, version: str, *, deletes: bool) -> Act:
    """The ControllerRevision of a version is deleted, or loses what it holds."""

    def do(world: World) -> None:
        revision = world.revision_of(version)
        found = world.server.find(CONTROLLER_REVISION, NAMESPACE, revision or "")
        if found is None:
            return
        place = Place(CONTROLLER_REVISION, NAMESPACE, found["metadata"]["name"])
        if deletes:
            world.server.delete(place, PERSON)
        else:
            # Its data cannot be changed: it comes back from a backup that left them out.
            world.server.delete(place, PERSON)
            kept = {key: value for key, value in found.items() if key != "data"}
            world.server.create(place, kept, PERSON)
        how = "deletes" if deletes else "empties"
        world.note(Input(now(), PERSON, f"{how} the ControllerRevision of version {version}"))

    return Act(moment, f"spoil the revision of {version}", do, decides=True)


def scales_by_hand(moment: Moment, version: str) -> Act:
    """The Deployment of a version is scaled by somebody who does not know whose it is."""

    def do(world: World) -> None:
        revision = world.revision_of(version)
        if revision is not None:
            place = Place(DEPLOYMENT, NAMESPACE, revision)
            world.server.merge(place, {"spec": {"replicas": 1}}, PERSON)
            world.note(Input(now(), PERSON, f"scales the Deployment of version {version} to 1"))

    return Act(moment, f"scale {version} by hand", do)
