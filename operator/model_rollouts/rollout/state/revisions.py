"""The revisions that are stored, which of them the spec asks for, and how each of them runs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_rollouts.api import objectives as api_objectives
from model_rollouts.api.deployment import ModelDeployment, Spec
from model_rollouts.decision import FAR_MULTIPLE
from model_rollouts.resources import controller_revision
from model_rollouts.resources.edges import LADDER_MS
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.names import Owner
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.resources.revision import Artifact, RevisionInput, find_revision, new_name
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout.observed import Children
from model_rollouts.rollout.standing import Standing
from model_rollouts.rollout.trial.objectives import LADDER, Edges, milliseconds

KEPT = 10
"""Revisions that stay stored besides those that have a role: to go back to."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One stored revision. `number` grows with each one of the model.

    `fault` says what is wrong with what is stored, None while it can be read. Of such a revision
    the name is known, and what it runs as can be seen: users are taken off it, and nothing else.
    """

    name: str
    number: int
    form: Mapping[str, Any]
    stored: Object
    fault: str | None = None

    @property
    def version(self) -> str:
        """The version of the model that it serves; its name where that cannot be read."""
        return str(self.form.get("version") or self.name)

    @property
    def builder(self) -> int:
        """The version of the builder that rendered it, 0 where that cannot be read."""
        return 0 if self.fault else controller_revision.rendered_by(self.stored)

    @property
    def counted(self) -> tuple[float, ...]:
        """The latency thresholds, in seconds, that its pods count exactly."""
        if self.fault:
            return LADDER.candidate
        return tuple(each / 1000 for each in controller_revision.counted_ms(self.stored))

    @property
    def digest(self) -> str | None:
        """The digest of its artifact, None when it declared none."""
        artifact = self.form.get("artifact") or {}
        digest = artifact.get("digest")
        return None if digest is None else str(digest)


def owner_of(deployment: ModelDeployment) -> Owner:
    """The ModelDeployment as the owner of its children."""
    metadata = deployment.metadata
    return Owner(deployment.api_version, deployment.kind, metadata.name, metadata.uid)


def input_of(spec: Spec) -> RevisionInput:
    """What of a spec makes a revision."""
    artifact = spec.model.artifact
    return RevisionInput(
        version=spec.model.version,
        port=spec.port,
        template=spec.template,
        artifact=None if artifact is None else Artifact(artifact.uri, artifact.digest),
    )


def read(children: Children) -> dict[str, Revision]:
    """The stored revisions by name, the oldest first."""
    found = map(_read, children.revisions)
    return {each.name: each for each in sorted(found, key=lambda each: (each.number, each.name))}


def _read(stored: Object) -> Revision:
    name, number = stored["metadata"]["name"], int(stored.get("revision", 0))
    try:
        form = controller_revision.stored_input(stored)
        controller_revision.rendered_by(stored)
        controller_revision.counted_ms(stored)
    except ResourceError as error:
        return Revision(name, number, {}, stored, fault=f"{error}")
    return Revision(name, number, form, stored)


def with_missing(
    revisions: Mapping[str, Revision], named: Iterable[str | None], namespace: str
) -> dict[str, Revision]:
    """The revisions with one in the place of each that is `named` and not stored."""
    missing = (name for name in named if name is not None and name not in revisions)
    return {name: _missing(name, namespace) for name in missing} | dict(revisions)


def _missing(name: str, namespace: str) -> Revision:
    fault = (
        f"ControllerRevision '{name}' is missing, and the HTTPRoute names it: restore it, or apply "
        "another version and delete the objects of this one"
    )
    metadata = {"name": name, "namespace": namespace, "resourceVersion": ""}
    return Revision(name, 0, {}, {"metadata": metadata}, fault=fault)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The revision that the spec asks for; `revision` is None while it is not stored."""

    name: str
    given: RevisionInput
    revision: Revision | None


def wanted(spec: Spec, model: str, revisions: Mapping[str, Revision]) -> Wanted:
    """The revision that `spec` asks for, an old one when its input is the same."""
    given = input_of(spec)
    readable = {each.name: each.form for each in revisions.values() if each.fault is None}
    name = find_revision(readable, given)
    if name is not None:
        return Wanted(name, given, revisions[name])
    return Wanted(new_name(model, given, revisions)[0], given, None)


def as_it_is(spec: Spec, revisions: Mapping[str, Revision], name: str | None) -> Wanted:
    """The revision `name` as the one that is asked for, where nobody knows what is."""
    return Wanted(name or "", input_of(spec), revisions.get(name or ""))


def to_store(
    deployment: ModelDeployment,
    wanted: Wanted,
    revisions: Mapping[str, Revision],
    proxy: ProxySettings,
) -> dict[str, Any]:
    """The ControllerRevision of a revision that is not stored yet.

    Raises ResourceError when its input cannot be run.
    """
    model = deployment.metadata.name
    rendered = controller_revision.render(
        model, wanted.name, wanted.given, thresholds_ms(deployment.spec.objectives), proxy
    )
    return controller_revision.controller_revision(
        model,
        wanted.name,
        wanted.given,
        rendered,
        namespace=deployment.metadata.namespace,
        owner=owner_of(deployment),
        number=1 + max((each.number for each in revisions.values()), default=0),
    )


def thresholds_ms(objectives: Sequence[api_objectives.Objective]) -> tuple[int, ...]:
    """The latency thresholds of the objectives, which the proxy counts exactly."""
    return tuple(
        sorted(
            threshold
            for each in objectives
            if each.latency is not None
            for threshold in _with_far(milliseconds(each.latency.within))
        )
    )


def _with_far(threshold_ms: int) -> Iterator[int]:
    """A threshold, and its dual boundary where that lies beyond the ladder."""
    yield threshold_ms
    far_ms = FAR_MULTIPLE * threshold_ms
    if far_ms > LADDER_MS[-1]:
        yield -(-int(far_ms) // 1000) * 1000


def edges(revisions: Mapping[str, Revision], judged: str | None, beside: str | None) -> Edges:
    """The thresholds that the revision on trial counts, and those of the one `beside` it.

    Of a revision that is not stored, the ladder is known.
    """
    trial, stable = revisions.get(judged or ""), revisions.get(beside or "")
    first = LADDER.candidate if trial is None else trial.counted
    return Edges(first, first if stable is None else stable.counted)


def standing(
    revision: Revision, children: Children, needed: int, most_ready: int | None = None
) -> Standing:
    """How `revision` runs, when its share of users takes `needed` pods.

    No more than `most_ready` pods are believed to be ready, where that is given.
    """
    found = children.deployments.get(revision.name)
    replicas, ready, trouble = 0, 0, None
    if found is not None:
        status = found.get("status") or {}
        replicas = int(found["spec"].get("replicas", 1))
        # Available is ready for long enough that gateways know of it. A status that is older than
        # the number that is asked for is still right about as many: pods that go were the last to
        # come, or not ready.
        ready = min(
            replicas, int(status.get("availableReplicas", 0)), int(status.get("updatedReplicas", 0))
        )
        trouble = _trouble(status)
    if most_ready is not None:
        ready = min(ready, most_ready)
    return Standing(
        revision=revision.name,
        version=revision.version,
        builder=revision.builder,
        replicas=replicas,
        ready=ready,
        needed=needed,
        trouble=trouble,
    )


def _trouble(status: Mapping[str, Any]) -> str | None:
    for condition in status.get("conditions") or []:
        said = str(condition.get("message", ""))
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return said
    return None
