"""The objects that revisions run as: what has to be made, repaired, scaled and cleared away."""

from collections.abc import Iterable, Iterator, Mapping

from model_rollouts.api.phase import Phase
from model_rollouts.resources import controller_revision, names
from model_rollouts.resources.shapes import Body, Object
from model_rollouts.rollout.actions import Action, Apply, Delete, Scale
from model_rollouts.rollout.objects import drift, restarts
from model_rollouts.rollout.state import capacity, second_chances
from model_rollouts.rollout.state.revisions import KEPT, owner_of
from model_rollouts.rollout.state.state import RolloutState


def replicas(state: RolloutState, *, admitted: bool) -> dict[str, int]:
    """How many pods each stored revision should have, the most important first.

    Together they are never more than `strategy.maxExtraReplicas` allows.
    """
    given = capacity.allot(state.max_pods, _claims(state, admitted))
    return given | {name: 0 for name in state.revisions if name not in given}


def _claims(state: RolloutState, admitted: bool) -> Iterator[tuple[str, int]]:
    """Who should have how many pods: first what carries users, last what only might."""
    if state.is_asleep:
        return
    roles, users = state.roles, state.users
    stable, beside = state.stable, state.sharing_traffic
    if stable is not None:
        yield stable.revision, capacity.carrying(users, 1 - roles.weight)
    if beside is not None:
        # Outside of an exchange a share beyond its pods gets smaller, and no pod starts for it;
        # none ends before what is asked for in its place may start.
        most = beside.needed if state.exchanging else beside.replicas
        stays = not admitted and state.is_unwanted and state.leaving is None
        yield beside.revision, beside.replicas if stays else min(beside.needed, most)
    copied = state.observed.children.deployments.get(roles.candidate or "")
    if copied is not None and roles.mirror_percent and state.is_unwanted:
        # Another version is asked for while the rollout is paused: nothing moves.
        yield copied["metadata"]["name"], _asked(copied)
    forward = state.exchanging and state.leaving is None
    if forward and beside is not None:
        yield beside.revision, users
    elif stable is not None:
        # It comes back, even where its only pod has made room.
        yield stable.revision, users if state.leaving is None else max(1, users)
    candidate = state.candidate
    if state.phase.is_judged and candidate is not None:
        has = candidate.replicas if _only_grows(state) else 0
        yield candidate.revision, max(candidate.needed, has)
    elif state.phase is Phase.STARTING and admitted:
        yield state.wanted.name, state.needed
    previous = state.previous
    if previous is not None:
        # Warm for the watch: going back must not land on fewer pods than serve now.
        yield previous.revision, max(users, previous.replicas)
    stands_in = second_chances.kept_warm(state)
    if stands_in is not None:
        yield stands_in.name, 1


def raised(state: RolloutState, pods: Mapping[str, int]) -> dict[str, int]:
    """`pods`, as far as there is room for them beside those that others have not yet ended.

    What is to have fewer keeps those that it has.
    """
    deployments = state.observed.children.deployments
    room = (
        None
        if state.max_pods is None
        else state.max_pods - sum(map(_running, deployments.values()))
    )
    given = {}
    for name, count in pods.items():
        has = _asked(deployments[name]) if name in deployments else 0
        more = max(0, count - has if room is None else min(count - has, room))
        room = None if room is None else room - more
        given[name] = has + more
    return given


def _asked(deployment: Object) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _running(deployment: Object) -> int:
    """Pods that a Deployment asks for, or has not ended yet."""
    return max(_asked(deployment), int((deployment.get("status") or {}).get("replicas", 0)))


def _only_grows(state: RolloutState) -> bool:
    """Whether no pod of the candidate is taken away: its share of users or copies only grows.

    Where stable suffered from the copies it shrinks, and its pods have to bear comparable load.
    """
    return state.phase.shares_traffic or (state.phase.mirrors and state.suffered_at_percent is None)


def running(state: RolloutState, pods: Mapping[str, int]) -> Iterator[tuple[Body, str]]:
    """The objects of every revision that has pods or should have some, with why they are written.

    `pods` are those that they may have now. Objects that are as they are stored are left out, and
    so are those that a repair did not change.
    """
    for name, count in inhabited(state, pods):
        if state.memory.sound.get(name) == _versions(state, name):
            continue
        if state.revisions[name].fault is not None:
            # What it should be is not known: what runs of it stays.
            continue
        owner, stored = owner_of(state.deployment), state.revisions[name].stored
        for body in controller_revision.objects(stored, owner):
            present = there(state, body)
            is_deployment = body["kind"] == "Deployment"
            wanted = restarts.as_asked(state, body, present) if is_deployment else body
            if not drift.drifted(present, wanted) or is_tried(state, body, present):
                continue
            why = "it is new" if present is None else "something else changed it"
            if present is not None and wanted is not body:
                if drift.drifted(present, restarts.as_it_is(body, present)):
                    wanted = restarts.repaired(body, present)
                else:
                    why = "strategy.restart asks for it"
            if is_deployment:
                wanted["spec"]["replicas"] = count
            yield wanted, why


def sound(
    state: RolloutState, pods: Mapping[str, int], actions: Iterable[Action]
) -> dict[str, str]:
    """`Memory.sound` after a pass that found these actions to do."""
    applied = {action.body["metadata"]["name"] for action in actions if isinstance(action, Apply)}
    return {
        name: _versions(state, name)
        for name, _ in inhabited(state, pods)
        if applied.isdisjoint((name, names.shadow_service(name)))
    }


def inhabited(state: RolloutState, pods: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The revisions that have pods or should have some, with how many they should have."""
    for name, count in pods.items():
        if count == 0 and name != state.roles.candidate:
            continue
        if count == 0 and name not in state.observed.children.deployments:
            continue
        yield name, count


def _versions(state: RolloutState, name: str) -> str:
    """What changes with a revision's rendering, each object that it runs as, and a restart."""
    children = state.observed.children
    found = children.deployments.get(name)
    parts = (
        state.revisions[name].stored,
        found,
        children.services.get(name),
        children.services.get(names.shadow_service(name)),
    )
    versions = ["" if each is None else each["metadata"]["resourceVersion"] for each in parts]
    asked = None if found is None else restarts.mark_of_asked(state, found)
    return "/".join([*versions, *filter(None, [asked])])


def scaled(state: RolloutState, pods: Mapping[str, int], *, up: bool) -> Iterator[Scale]:
    """The Deployments that need more pods (`up`), or have more than they need."""
    for name, count in pods.items():
        deployment = state.observed.children.deployments.get(name)
        if deployment is None:
            continue
        has = _asked(deployment)
        if (count > has) if up else (count < has):
            yield Scale(name, count)


def gateway_accepted(state: RolloutState) -> bool:
    """Whether the gateway has the route as it stands: what it may still send users to stays."""
    return state.observed.children.route is not None and state.refusal is None


def retired(state: RolloutState) -> Iterator[Action]:
    """What is deleted of revisions beyond those that are kept; what remembers them goes last."""
    roles = {state.roles.stable, state.roles.candidate, state.roles.previous, state.wanted.name}
    if (stands_in := second_chances.kept_warm(state)) is not None:
        roles.add(stands_in.name)
    others = [each for each in state.revisions.values() if each.name not in roles]
    for revision in others[: max(0, len(others) - KEPT)]:
        if revision.name in state.observed.children.deployments:
            yield Delete("Deployment", revision.name)
        for service in (
            revision.name,
            names.shadow_service(revision.name),
            names.backup_service(revision.name),
        ):
            if service in state.observed.children.services:
                yield Delete("Service", service)
        yield Delete("ControllerRevision", revision.name)


def key(body: Object) -> str:
    """`Kind/name`."""
    return f"{body['kind']}/{body['metadata']['name']}"


def change_mark(obj: Object) -> str:
    """What changes when somebody changes the object, and not with its status where that is told."""
    metadata = obj["metadata"]
    return str(metadata.get("generation") or metadata.get("resourceVersion"))


def there(state: RolloutState, body: Body) -> Object | None:
    """The object as the cluster has it."""
    children = state.observed.children
    if body["kind"] == "PodDisruptionBudget":
        return children.budget
    kind = children.deployments if body["kind"] == "Deployment" else children.services
    return kind.get(body["metadata"]["name"])


def is_tried(state: RolloutState, body: Body, present: Object | None) -> bool:
    """Whether an object was repaired as it is, and something else has changed it again."""
    return present is not None and state.memory.repaired.get(key(body)) == change_mark(present)


def applied(body: Body, why: str) -> Apply:
    """The action that writes an object."""
    return Apply(body, why=why)
