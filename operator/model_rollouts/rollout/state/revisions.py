"""The revisions that are stored, which of them the spec asks for, and how each of them runs."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from model_rollouts.api import capture as api_capture
from model_rollouts.api import fallback as api_fallback
from model_rollouts.api import objectives as api_objectives
from model_rollouts.api.deployment import ModelDeployment, Spec
from model_rollouts.api.ratio import share
from model_rollouts.api.slices import Slice as ApiSlice
from model_rollouts.decision import FAR_MULTIPLE
from model_rollouts.resources import controller_revision, restart
from model_rollouts.resources import fallback as fallbacks
from model_rollouts.resources.capture import Capture, from_form
from model_rollouts.resources.edges import LADDER_MS
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.fallback import Fallback
from model_rollouts.resources.names import Owner
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.resources.revision import (
    Artifact,
    Protocol,
    RevisionInput,
    canonical,
    find_revision,
    is_of_same_model,
    new_name,
)
from model_rollouts.resources.shapes import Object
from model_rollouts.resources.slices import Slice
from model_rollouts.resources.slices import from_form as slice_from_form
from model_rollouts.rollout.observed import Checked, Children, Observed
from model_rollouts.rollout.standing import Roles, Standing
from model_rollouts.rollout.state.pod_causes import cause
from model_rollouts.rollout.trial.objectives import LADDER, Edges, OwnBuckets, milliseconds

MOST_ALIKE = 3
"""Stored revisions that a template is compared with by the API server."""

KEPT = 10
"""Revisions that stay stored besides those that have a role: to go back to."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One stored revision. `number` grows with each one of the model.

    `fault` says what is wrong with what is stored, None while it can be read. Of such a revision
    the name is known, and what it runs as can be seen: users are taken off it, and nothing else.
    `counted` are the latency thresholds, in seconds, that its pods count exactly.
    """

    name: str
    number: int
    form: Mapping[str, Any]
    stored: Object
    fault: str | None = None
    counted: tuple[float, ...] = LADDER.candidate

    @property
    def version(self) -> str:
        """The version of the model that it serves; its name where that cannot be read."""
        return str(self.form.get("version") or self.name)

    @property
    def builder(self) -> int:
        """The version of the builder that rendered it, 0 where that cannot be read."""
        return 0 if self.fault else controller_revision.rendered_by(self.stored)

    @property
    def in_mesh(self) -> bool:
        """Whether its proxies take requests from inside their pod, False where that is unknown."""
        return controller_revision.is_open_inside(self.stored)

    @property
    def capture(self) -> Capture | None:
        """What the observer is told of its requests, None for nothing."""
        form = self.form.get("capture")
        return None if form is None else from_form(form)

    @property
    def fallback(self) -> Fallback | None:
        """What its users get when it does not answer, None for its error."""
        form = self.form.get("fallback")
        return None if form is None else fallbacks.from_form(form)

    @property
    def slices(self) -> tuple[Slice, ...]:
        """The slices that its proxies count."""
        return tuple(map(slice_from_form, self.form.get("slices", ())))

    @property
    def sliced(self) -> Mapping[str, tuple[float, ...]]:
        """The latency thresholds, in seconds, that its pods count exactly, by slice."""
        if self.fault or not self.form.get("slices"):
            return {}
        found = controller_revision.sliced_ms(self.stored)
        return {name: tuple(each / 1000 for each in times) for name, times in found.items()}

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
        capture=None if spec.capture is None else _captured(spec.capture),
        protocol=Protocol(spec.protocol.value),
        fallback=None if spec.fallback is None else _second_chance(spec.fallback),
        slices=tuple(map(_slice, spec.slices)),
    )


def _slice(asked: ApiSlice) -> Slice:
    size = asked.content_length
    return Slice(
        name=asked.name,
        header=asked.header,
        value=asked.value,
        prefix=asked.prefix,
        at_least=None if size is None else size.bytes,
    )


def _captured(asked: api_capture.Capture) -> Capture:
    """What of it the proxy does. The observer reads the rest in the spec itself."""
    return Capture(
        sample=None if asked.sample is None else share(asked.sample),
        max_body=asked.bytes_of_body,
        slice_header=None if asked.slice is None else asked.slice.header,
    )


def _second_chance(asked: api_fallback.Fallback) -> Fallback:
    to: fallbacks.Static | fallbacks.Service | fallbacks.Previous = fallbacks.Previous()
    if asked.static is not None:
        to = fallbacks.Static(asked.static.body, asked.static.content_type)
    elif asked.service is not None:
        to = fallbacks.Service(asked.service.name, asked.service.port)
    return Fallback(
        to=to,
        on=frozenset(fallbacks.On(each.value) for each in asked.on),
        after_ms=None if asked.after is None else int(milliseconds(asked.after)),
        resend=asked.resend_request,
        max_body=asked.bytes_of_body,
        max_concurrent=asked.max_concurrent,
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
        counted_ms = controller_revision.counted_ms(stored)
    except ResourceError as error:
        return Revision(name, number, {}, stored, fault=f"{error}")
    return Revision(name, number, form, stored, counted=_seconds(counted_ms))


@lru_cache(maxsize=256)
def _seconds(counted_ms: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(each / 1000 for each in counted_ms)


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
    """The revision that the spec asks for; `revision` is None while it is not stored.

    `alike` are stored revisions that differ from what is asked for in their templates alone, and
    perhaps only in how they are written. `is_presumed`: it is the first of them, and the API server
    has not said yet whether it would store the same.
    """

    name: str
    given: RevisionInput
    revision: Revision | None
    alike: tuple[str, ...] = ()
    is_presumed: bool = False


def wanted(
    spec: Spec,
    model: str,
    revisions: Mapping[str, Revision],
    roles: Roles | None = None,
    checked: Checked | None = None,
    *,
    presumes: bool = False,
) -> Wanted:
    """The revision that `spec` asks for, an old one when its input is the same.

    What is written in another way is the same where the API server has said so (`checked`, of this
    generation of the spec). `presumes`: until it has, it is taken for what has a role.
    """
    given = input_of(spec)
    readable = {each.name: each.form for each in revisions.values() if each.fault is None}
    name = find_revision(readable, given)
    if name is not None:
        return Wanted(name, given, revisions[name])
    serving = () if roles is None else (roles.candidate, roles.stable)
    alike = _alike(given, readable, serving)
    same = None if checked is None else checked.same_as
    if same in alike:
        return Wanted(same, given, revisions[same])
    if checked is None and presumes and alike and alike[0] in serving:
        return Wanted(alike[0], given, revisions[alike[0]], alike, is_presumed=True)
    return Wanted(new_name(model, given, revisions)[0], given, None, alike)


def _alike(
    given: RevisionInput, readable: Mapping[str, Mapping[str, Any]], serving: Iterable[str | None]
) -> tuple[str, ...]:
    """Those that differ in their templates alone; first what has a role, then the newest."""
    form = canonical(given)
    found = [name for name, each in readable.items() if is_of_same_model(each, form)]
    first = [name for name in serving if name in found]
    return tuple(dict.fromkeys([*first, *reversed(found)]))[:MOST_ALIKE]


def as_new(wanted: Wanted, model: str, revisions: Mapping[str, Revision]) -> Wanted:
    """What is asked for as a revision that is not stored yet."""
    return Wanted(new_name(model, wanted.given, revisions)[0], wanted.given, None, wanted.alike)


def written_as(revision: Revision, name: str) -> Wanted:
    """What made a stored revision, under another name."""
    form = revision.form
    artifact = form.get("artifact")
    given = RevisionInput(
        version=form["version"],
        port=form["port"],
        template=form["template"],
        artifact=None if artifact is None else Artifact(**artifact),
        capture=revision.capture,
        protocol=Protocol(form.get("protocol", Protocol.HTTP)),
        fallback=revision.fallback,
        slices=revision.slices,
    )
    return Wanted(name, given, None)


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
        model,
        wanted.name,
        wanted.given,
        thresholds_ms(deployment.spec.objectives),
        proxy,
        namespace=deployment.metadata.namespace,
        sliced_ms=sliced_ms(deployment.spec.objectives),
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
            # What the model server counts itself, the proxy need not; a slice has its own edges.
            if each.latency is not None and not each.latency.is_own and each.slice is None
            for threshold in _with_far(milliseconds(each.latency.within))
        )
    )


def _with_far(threshold_ms: int) -> Iterator[int]:
    """A threshold, and its dual boundary where that lies beyond the ladder."""
    yield threshold_ms
    far_ms = FAR_MULTIPLE * threshold_ms
    if far_ms > LADDER_MS[-1]:
        yield -(-int(far_ms) // 1000) * 1000


def sliced_ms(
    objectives: Sequence[api_objectives.Objective],
) -> Mapping[str, tuple[int, ...]]:
    """The latency thresholds on slices, each with its dual boundary, by the name of the slice.

    A slice has no other edges: each costs a series of every pod.
    """
    found: dict[str, tuple[int, ...]] = {}
    for each in objectives:
        if each.slice is not None and each.latency is not None:
            within = milliseconds(each.latency.within)
            found[each.slice] = (*found.get(each.slice, ()), within, _far(within))
    return found


def _far(threshold_ms: int) -> int:
    """The first time that the proxy counts exactly at or above the dual boundary."""
    far = math.ceil(FAR_MULTIPLE * threshold_ms)
    step = 10 ** max(len(str(far)) - 2, 0)
    return int(-(-far // step) * step)


def edges(
    revisions: Mapping[str, Revision],
    judged: str | None,
    beside: str | None,
    own: OwnBuckets = MappingProxyType({}),
) -> Edges:
    """The thresholds that the revision on trial counts, and those of the one `beside` it.

    Of a revision that is not stored, the ladder is known. `own` are the buckets of the model
    server's own histograms that were scraped.
    """
    trial, stable = revisions.get(judged or ""), revisions.get(beside or "")
    first = LADDER.candidate if trial is None else trial.counted
    keys = {key for key, _ in own}
    return Edges(
        first,
        first if stable is None else stable.counted,
        {
            key: (own.get((key, judged or ""), ()), own.get((key, beside or judged or ""), ()))
            for key in keys
        },
        _of_slices(trial, trial if beside is None else stable),
    )


def _of_slices(
    trial: Revision | None, stable: Revision | None
) -> Mapping[str, tuple[tuple[float, ...], tuple[float, ...] | None]]:
    """The edges of each slice that the pods of the revision on `trial` count.

    Those of stable are None unless it counts the very same requests under that name.
    """
    if trial is None or not trial.slices:
        return {}
    counted, beside = trial.sliced, {} if stable is None else stable.sliced
    same = frozenset(() if stable is None else stable.slices)
    return {
        each.name: (counted.get(each.name, ()), beside.get(each.name, ()) if each in same else None)
        for each in trial.slices
    }


_TOLD = ("availableReplicas", "updatedReplicas")


def ready_of(deployment: Object) -> int:
    """The pods of a Deployment that answer.

    Available is ready for long enough that gateways know of it. A status that is older than the
    number that is asked for is still right about as many: pods that go were the last to come, or
    not ready.
    """
    status = deployment.get("status") or {}
    # Pods that a restart has not replaced yet are of the same revision.
    told = ("availableReplicas",) if restart.mark(deployment) else _TOLD
    counts = (int(status.get(each, 0)) for each in told)
    return min(int(deployment["spec"].get("replicas", 1)), *counts)


def standing(
    revision: Revision,
    observed: Observed,
    needed: int,
    now: float,
    most_ready: int | None = None,
) -> Standing:
    """How `revision` runs at `now` (Unix seconds), when its share of users takes `needed` pods.

    No more than `most_ready` pods are believed to be ready, where that is given.
    """
    found = observed.children.deployments.get(revision.name)
    replicas, ready, found_cause = 0, 0, None
    if found is not None:
        replicas = int(found["spec"].get("replicas", 1))
        ready = ready_of(found)
        if ready < replicas:
            found_cause = cause(found, observed.pods, revision.name, now)
    if most_ready is not None:
        ready = min(ready, most_ready)
    return Standing(
        revision=revision.name,
        version=revision.version,
        builder=revision.builder,
        in_mesh=revision.in_mesh,
        replicas=replicas,
        ready=ready,
        needed=needed,
        trouble=None if found_cause is None else found_cause.words,
        stuck=found_cause is not None and found_cause.stuck,
    )
