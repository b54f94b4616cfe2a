"""A history as people read it: when, who, what; and what was promised and not kept."""

from collections.abc import Iterator

from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
)
from model_rollouts.routes import reader, record
from tests.faults.api_server import Change
from tests.faults.controllers import version_of
from tests.faults.field_owners import Object
from tests.faults.history import History
from tests.faults.notes import OPERATOR
from tests.faults.transport import Requested
from tests.faults.world import World


def lines(history: History) -> list[str]:
    """The story, in the order in which things happened."""
    told = sorted(_happened(history), key=lambda each: each[0])
    return [f"{at:8.2f}  {who:12} {what}" for at, who, what in told]


def _happened(history: History) -> Iterator[tuple[float, str, str]]:
    world = history.world
    for given in world.inputs:
        yield given.at, given.who, given.what
    for lasting in world.faults:
        yield lasting.begun, "fault", f"begins: {lasting.fault}"
        if lasting.ended is not None:
            yield lasting.ended, "fault", f"ends: {lasting.fault}"
    for number, life in enumerate(world.lives, 1):
        yield life.begun, "operator", f"starts (life {number})"
        if life.ended is not None:
            yield (
                life.ended,
                "operator",
                f"is killed (life {number})" if life.killed_by else (f"ends of {life.error}"),
            )
    for change in world.server.log:
        if (what := _change(world, change)) is not None:
            yield change.at, _who(change), what
    for requested in world.requests:
        if (what := _refused(requested)) is not None:
            yield requested.ended, "api server", what
    for split in world.splits():
        yield (
            split.at,
            "gateway",
            f"users get {_weights(world, split.weights)}"
            + (
                f"; {split.mirror[1]} % mirrored to {world.version_of(split.mirror[0])}"
                if split.mirror[1]
                else ""
            ),
        )
    yield history.calm_at, "history", "nothing more comes from outside"
    yield history.ended_at, "history", "ends"


def _who(change: Change) -> str:
    if change.by in OPERATOR:
        return "event" if change.place.kind is EVENT else "operator"
    return "cluster" if change.by == "kube-controller-manager" else change.by


def _change(world: World, change: Change) -> str | None:
    """What a write did, None for what others tell already."""
    after, place = change.after, change.place
    if after is None:
        return f"deletes {place}"
    kind, is_new = place.kind, change.before is None
    if kind is EVENT:
        return f"{after['type']} {after['reason']}: {world.named(after['note'])}"
    if kind is HTTP_ROUTE:
        if not is_new and _rest(change.before) == _rest(after):
            return None
        roles = record.read(after)
        said = "no record" if roles is None else f"{roles.phase} {roles.verdict or 'open'}"
        return f"writes HTTPRoute: {_weights(world, reader.weights(after))} ({said})"
    if kind is MODEL_DEPLOYMENT:
        if change.by not in OPERATOR:
            return None if change.by != "other" else "annotates"
        status = after.get("status") or {}
        true = [each["type"] for each in status.get("conditions", ()) if each["status"] == "True"]
        said = world.named(str(status.get("message")))
        return f"status {status.get('phase')} [{', '.join(true)}] {said}"
    if kind is DEPLOYMENT:
        if change.by == "kube-controller-manager":
            ready = (after.get("status") or {}).get("availableReplicas", 0)
            return f"version {version_of(after)}: {ready} of {after['spec']['replicas']} pods ready"
        verb = "creates" if is_new else "writes"
        return f"{verb} Deployment of {version_of(after)}: {after['spec']['replicas']} replicas"
    if kind is CONTROLLER_REVISION:
        return f"writes {world.named(str(place))}"
    return f"writes {world.named(str(place))}"


def _rest(obj: Object | None) -> Object:
    return {
        "spec": (obj or {}).get("spec"),
        "labels": ((obj or {}).get("metadata") or {}).get("labels"),
        "owners": ((obj or {}).get("metadata") or {}).get("ownerReferences"),
        "record": None if obj is None else reader.record_of(obj),
    }


def _weights(world: World, weights: object) -> str:
    assert isinstance(weights, dict)
    if len(weights) == 1:
        return f"version {world.version_of(next(iter(weights)))} alone"
    return ", ".join(f"{world.version_of(name)} {share}" for name, share in weights.items()) or (
        "nothing"
    )


def _refused(requested: Requested) -> str | None:
    asked = requested.asked
    if requested.status == 200 or (requested.status == 404 and not asked.verb.writes):
        return None
    answer = "no answer" if requested.status is None else f"HTTP {requested.status}"
    done = " (done)" if requested.trouble is not None and requested.trouble.done else ""
    return f"{asked.action} {asked.place.name}: {answer}{done}: {requested.message[:140]}"
