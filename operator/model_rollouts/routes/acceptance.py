"""Whether the gateway has taken a route as it stands, or why not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from model_rollouts.resources.shapes import Object


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gateway has not taken a route, in words; `pending` while it may only be slow.

    `unserved`: it serves no request, or not all, as the route says.
    """

    words: str
    pending: bool
    unserved: bool = False


def refusal_of(route: Object) -> Refusal | None:
    """Why the gateway has not taken the route as it stands; None when it has.

    Every parent must say Accepted and ResolvedRefs of this very generation, and PartiallyInvalid
    must be absent: a gateway that fell back to an older form goes on saying Accepted of that one.
    """
    metadata, spec = route["metadata"], route["spec"]
    namespace = metadata["namespace"]
    parents = (route.get("status") or {}).get("parents") or []
    for wanted in spec.get("parentRefs") or []:
        told = [each for each in parents if _is_same_parent(each["parentRef"], wanted, namespace)]
        if not told:
            words = f"Gateway '{wanted['name']}' has not reported on the route yet"
            return Refusal(words, pending=True)
        for parent in told:
            if (why := _refusal(parent, int(metadata.get("generation", 0)))) is not None:
                return replace(why, words=f"Gateway '{wanted['name']}': {why.words}")
    return None


def _is_same_parent(told: Mapping[str, Any], wanted: Mapping[str, Any], namespace: str) -> bool:
    """Whether a status is about a parent; some gateways write the namespace that is implied."""
    keys = ("name", "sectionName", "port")
    return all(told.get(key) == wanted.get(key) for key in keys) and (
        told.get("namespace", namespace) == wanted.get("namespace", namespace)
    )


def _refusal(parent: Mapping[str, Any], generation: int) -> Refusal | None:
    conditions = {each["type"]: each for each in parent.get("conditions") or []}
    for kind, good in (("Accepted", "True"), ("ResolvedRefs", "True")):
        condition = conditions.get(kind)
        if condition is None or int(condition.get("observedGeneration", 0)) < generation:
            words = f"{kind} is not reported yet for the latest version of the route"
            return Refusal(words, pending=True)
        if condition["status"] != good:
            words = f"{kind} is {condition['status']} ({condition['reason']}): {_said(condition)}"
            # A reference that cannot be resolved costs its own share of the requests alone.
            return Refusal(words, pending=False, unserved=kind == "Accepted")
    partly = conditions.get("PartiallyInvalid")
    if partly is not None and partly["status"] == "True":
        words = f"PartiallyInvalid ({partly['reason']}): {_said(partly)}"
        return Refusal(words, pending=False, unserved=True)
    return None


def _said(condition: Mapping[str, Any]) -> str:
    return str(condition.get("message", ""))[:200]
