"""Hands that meddle: what people and tools do to objects without asking for anything."""

import copy
from collections.abc import Callable
from dataclasses import replace

from model_rollouts.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT
from model_rollouts.resources.names import MANAGED_BY_LABEL, RECORD_ANNOTATION
from tests.faults.field_owners import Object
from tests.faults.notes import MODEL, NAMESPACE, ROUTE, Input
from tests.faults.people import GITOPS, HELM, PERSON, Act, Moment, later, model
from tests.faults.refusals import Place
from tests.faults.virtual_time import now
from tests.faults.world import World


def _meddles(moment: Moment, who: str, what: str, do: Callable[[World, Object], object]) -> Act:
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
    return _meddles(moment, PERSON, what, lambda world, _: world.server.merge(ROUTE, patch, PERSON))


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


def recreates_model(moment: Moment) -> tuple[Act, ...]:
    """`helm upgrade --force`: the ModelDeployment is deleted, and at once created as it was."""
    return _deletes_model(moment, foreground=False), _creates_model_again(Moment())


def recreates_model_later(moment: Moment) -> tuple[Act, ...]:
    """`kubectl replace --force --cascade=foreground`: it waits until all of it is gone."""
    return _deletes_model(moment, foreground=True), _creates_model_again(later(8.0))


def _deletes_model(moment: Moment, *, foreground: bool) -> Act:
    def do(world: World) -> None:
        if world.server.find(*MODEL) is not None:
            world.server.delete(MODEL, HELM, foreground=foreground)
            world.note(Input(now(), HELM, "deletes the ModelDeployment", True, True))

    return Act(moment, "delete the ModelDeployment", do, decides=True)


def _creates_model_again(moment: Moment) -> Act:
    """To the cluster it is another one, which begins with what is asked for now."""

    def do(world: World) -> None:
        changes = [each for each in world.server.log if each.place == MODEL]
        if changes and changes[-1].after is None and changes[-1].before is not None:
            world.server.create(MODEL, model(changes[-1].before["spec"]), HELM)
            world.note(Input(now(), HELM, "creates the ModelDeployment as it was", True, True))

    return Act(moment, "create it again", do)


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


def restores_revision(moment: Moment, version: str) -> Act:
    """The ControllerRevision of a version comes back from a backup, without its owner."""

    def do(world: World) -> None:
        found = world.server.find(CONTROLLER_REVISION, NAMESPACE, world.revision_of(version) or "")
        if found is None:
            return
        place = Place(CONTROLLER_REVISION, NAMESPACE, found["metadata"]["name"])
        world.server.delete(place, PERSON)
        kept = {key: value for key, value in found["metadata"].items() if key != "ownerReferences"}
        world.server.create(place, {**found, "metadata": kept}, PERSON)
        what = f"restores the ControllerRevision of version {version} without its owner"
        world.note(Input(now(), PERSON, what))

    return Act(moment, f"restore the revision of {version}", do, decides=True)


def scales_by_hand(moment: Moment, version: str) -> Act:
    """The Deployment of a version is scaled by somebody who does not know whose it is."""

    def do(world: World) -> None:
        revision = world.revision_of(version)
        if revision is not None:
            place = Place(DEPLOYMENT, NAMESPACE, revision)
            world.server.merge(place, {"spec": {"replicas": 1}}, PERSON)
            world.note(Input(now(), PERSON, f"scales the Deployment of version {version} to 1"))

    return Act(moment, f"scale {version} by hand", do)
