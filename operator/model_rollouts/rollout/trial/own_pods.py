"""The names of the pods of a trial, those that are gone included: what they counted is ours.

A store of metrics may have samples of other pods that look like ours, such as those of another
cluster with equal manifests. What the cluster has is known; what it had is kept with the evidence,
so that a pod which crashed and went while the operator was away keeps its errors.
"""

from collections.abc import Collection, Iterable, Sequence

from model_rollouts.metrics.pods import KnownPods
from model_rollouts.metrics.pods import Pod as MeasuredPod
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.pods import Pod

MOST_PODS = 200
"""Names that are kept; of pods beyond it only those that are there are known."""


def seen(
    before: tuple[str, ...], pods: Sequence[Pod] | None, revisions: Sequence[str]
) -> tuple[str, ...]:
    """The names after a look at `pods`: those that are there, then those that went, latest first.

    All are of `revisions`, those that are counted, in this order; a pod is named after its
    revision.
    """
    found: list[str] = []
    for revision in revisions:
        there = [pod.name for pod in pods or () if pod.revision == revision]
        known = set(there)
        gone = (name for name in before if name not in known and name.startswith(f"{revision}-"))
        found += [*there, *gone]
    return tuple(found[:MOST_PODS])


def is_awaited(observed: Observed, names: tuple[str, ...]) -> bool:
    """Whether it will be known in a moment whose samples count, and is not known at all now."""
    return observed.pods is None and observed.awaits_pods and not names


def known(
    observed: Observed, names: tuple[str, ...], revisions: Collection[str]
) -> KnownPods | None:
    """Whose samples count; None where nobody knows, and all do."""
    if not names or (observed.pods is None and not observed.awaits_pods):
        return None
    there = tuple(_measured(pod) for pod in observed.pods or () if pod.revision in revisions)
    gone = frozenset(names) - {pod.name for pod in there}
    return KnownPods(there, gone, observed.foreign_pods)


def doubted(observed: Observed, unknown: Iterable[str]) -> tuple[str, ...]:
    """Those of the pods with samples of which the cluster has told nothing yet."""
    told = {pod.name for pod in observed.pods or ()} | observed.foreign_pods
    return tuple(name for name in unknown if name not in told)


def to_json(names: tuple[str, ...]) -> dict[str, str]:
    """What is kept of the names: the ends of those that begin alike, together."""
    found: dict[str, list[str]] = {}
    for name in names:
        begin, _, end = name.rpartition("-")
        found.setdefault(begin, []).append(end)
    return {begin: " ".join(ends) for begin, ends in found.items()}


def from_json(kept: object) -> tuple[str, ...]:
    """The names that were kept; none of what cannot be read, or was kept by an earlier release."""
    if not isinstance(kept, dict) or not all(isinstance(each, str) for each in kept.values()):
        return ()
    names = (f"{begin}-{end}" for begin, ends in kept.items() for end in ends.split())
    return tuple(names)[:MOST_PODS]


def _measured(pod: Pod) -> MeasuredPod:
    ready = pod.ready_since if pod.is_ready else None
    return MeasuredPod(
        pod.name,
        pod.revision,
        round(pod.began * 1000),
        None if ready is None else round(ready * 1000),
    )
