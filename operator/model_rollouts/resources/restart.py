"""A restart of a revision's pods: a token in their template, which says nothing else of them.

The Deployment replaces its pods one by one. What it has beside the token tells that pods which it
has not replaced yet are of the same revision: they serve, and count as ready.
"""

import copy
from collections.abc import Mapping
from typing import Any

from model_rollouts.resources.names import RESTART_ANNOTATION, RESTARTED_ANNOTATION
from model_rollouts.resources.shapes import Body, Object

WATCHED = "Watched"
"""The service was well when the restart began: it stops when that changes."""
UNWATCHED = "Unwatched"
"""The service was ill already: the restart may be the remedy."""


def token(deployment: Object) -> str | None:
    """The token that the pods of a Deployment have, or are being given."""
    return _annotation(deployment["spec"]["template"].get("metadata") or {}, RESTART_ANNOTATION)


def mark(deployment: Object) -> str | None:
    """How the restart began, None where the pods are not replaced for one."""
    return _annotation(deployment["metadata"], RESTARTED_ANNOTATION)


def _annotation(metadata: Mapping[str, Any], name: str) -> str | None:
    found = (metadata.get("annotations") or {}).get(name)
    # An empty one was taken away: an apply that leaves it out cannot tell so of another's.
    return str(found) if found else None


def replaced(deployment: Object) -> int:
    """The pods that have the token."""
    status = deployment.get("status") or {}
    if int(status.get("observedGeneration", 0)) < int(deployment["metadata"].get("generation", 0)):
        return 0
    return int(status.get("updatedReplicas", 0))


def is_under_way(deployment: Object) -> bool:
    """Whether pods are left that have not the token."""
    asked = int(deployment["spec"].get("replicas", 1))
    return mark(deployment) is not None and replaced(deployment) < asked


def with_token(deployment: Body, given: str | None) -> Body:
    """A Deployment whose pods have that token."""
    if given is None:
        return deployment
    body = copy.deepcopy(deployment)
    _annotate(body["spec"]["template"].setdefault("metadata", {}), RESTART_ANNOTATION, given)
    return body


def replacing(deployment: Body, marked: str | None, *, stops: bool, in_place: bool) -> Body:
    """A Deployment that replaces pods for its token; `stops`: no further one now.

    `in_place`: a pod ends before the one that replaces it starts.
    """
    if marked is None:
        return deployment
    body = copy.deepcopy(deployment)
    _annotate(body["metadata"], RESTARTED_ANNOTATION, marked)
    body["spec"]["paused"] = stops
    if in_place:
        body["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": 0, "maxUnavailable": 1}
    return body


def _annotate(metadata: dict[str, Any], name: str, value: str) -> None:
    metadata["annotations"] = {**(metadata.get("annotations") or {}), name: value}
