"""The objects that revisions run as: what has to be made, repaired, scaled and cleared away."""

from collections.abc import Iterable, Iterator, Mapping

from model_rollouts.api.status import Phase
from model_rollouts.resources import controller_revision, names
from model_rollouts.rollout import drift, routing
from model_rollouts.rollout.actions import Action, Apply, Body, Delete, Scale
from model_rollouts.rollout.found import Found
from model_rollouts.rollout.revisions import KEPT, owner_of
from model_rollouts.rollout.seen import Object


def replicas(found: Found, *, admitted: bool) -> dict[str, int]:
    """How many pods each stored revision should have."""
    roles, spec = found.roles, found.spec
    wanted = dict.fromkeys(found.revisions, 0)
    if roles.stable is not None:
        wanted[roles.stable] = spec.replicas
    if roles.previous is not None:
        # Warm for the watch: going back must not land on fewer pods than serve now.
        previous = found.previous()
        wanted[roles.previous] = max(spec.replicas, previous.replicas if previous else 0)
    if found.phase in (Phase.STARTING, Phase.SHADOW, Phase.CANARY) and admitted:
        candidate = found.candidate()
        has = 0 if candidate is None else candidate.replicas
        wanted[found.wanted.name] = max(found.needed(), has if _only_grows(found) else 0)
    return wanted


def _only_grows(found: Found) -> bool:
    """Whether no pod of the candidate is taken away: its share of users or copies only grows.

    Where stable suffered from the copies it shrinks, and its pods have to bear comparable load.
    """
    return found.phase is Phase.CANARY or (found.phase is Phase.SHADOW and found.hurt is None)


def running(found: Found, pods: Mapping[str, int]) -> Iterator[tuple[Body, str]]:
    """The objects of every revision that has pods or should have some, with why they are written.

    Objects that are as they are stored are left out, and so are those that a repair did not change.
    """
    for name, count in _present(found, pods):
        if found.memory.sound.get(name) == _versions(found, name):
            continue
        owner, stored = owner_of(found.deployment), found.revisions[name].stored
        for body in controller_revision.objects(stored, owner):
            present = there(found, body)
            if not drift.drifted(present, body) or _tried(found, body, present):
                continue
            if body["kind"] == "Deployment":
                body["spec"]["replicas"] = count
            why = "it is new" if present is None else "somebody else changed it"
            yield body, why


def sound(found: Found, pods: Mapping[str, int], actions: Iterable[Action]) -> dict[str, str]:
    """`Memory.sound` after a pass that found these actions to do."""
    applied = {action.body["metadata"]["name"] for action in actions if isinstance(action, Apply)}
    return {
        name: _versions(found, name)
        for name, _ in _present(found, pods)
        if applied.isdisjoint((name, names.shadow_service(name)))
    }


def _present(found: Found, pods: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The revisions that have pods or should have some, with how many they should have."""
    for name, count in pods.items():
        if count == 0 and name != found.roles.candidate:
            continue
        if count == 0 and name not in found.seen.children.deployments:
            continue
        yield name, count


def _versions(found: Found, name: str) -> str:
    """What changes with a revision's rendering, and with each object that it runs as."""
    children = found.seen.children
    parts = (
        found.revisions[name].stored,
        children.deployments.get(name),
        children.services.get(name),
        children.services.get(names.shadow_service(name)),
    )
    return "/".join("" if each is None else each["metadata"]["resourceVersion"] for each in parts)


def scaled(found: Found, pods: Mapping[str, int], *, up: bool) -> Iterator[Scale]:
    """The Deployments that need more pods (`up`), or have more than they need."""
    for name, count in pods.items():
        deployment = found.seen.children.deployments.get(name)
        if deployment is None:
            continue
        has = int(deployment["spec"].get("replicas", 1))
        if (count > has) if up else (count < has):
            yield Scale(name, count)


def may_shrink(found: Found) -> bool:
    """Whether the gateway has the route as it stands: what it may still send users to stays."""
    route = found.seen.children.route
    return route is not None and routing.refused(route) is None


def retired(found: Found) -> Iterator[Action]:
    """What is deleted of revisions beyond those that are kept; what remembers them goes last."""
    roles = {found.roles.stable, found.roles.candidate, found.roles.previous, found.wanted.name}
    others = [each for each in found.revisions.values() if each.name not in roles]
    for revision in others[: max(0, len(others) - KEPT)]:
        if revision.name in found.seen.children.deployments:
            yield Delete("Deployment", revision.name)
        for service in (revision.name, names.shadow_service(revision.name)):
            if service in found.seen.children.services:
                yield Delete("Service", service)
        yield Delete("ControllerRevision", revision.name)


def key(body: Object) -> str:
    """`Kind/name`."""
    return f"{body['kind']}/{body['metadata']['name']}"


def state(obj: Object) -> str:
    """What changes when somebody changes the object, and not with its status where that is told."""
    metadata = obj["metadata"]
    return str(metadata.get("generation") or metadata.get("resourceVersion"))


def there(found: Found, body: Body) -> Object | None:
    """The object as the cluster has it."""
    children = found.seen.children
    kind = children.deployments if body["kind"] == "Deployment" else children.services
    return kind.get(body["metadata"]["name"])


def _tried(found: Found, body: Body, present: Object | None) -> bool:
    return present is not None and found.memory.repaired.get(key(body)) == state(present)


def applied(body: Body, why: str) -> Apply:
    """The action that writes an object."""
    return Apply(body, why=why)
