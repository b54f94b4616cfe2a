"""The HTTPRoute that should be, and whether the gateway has taken the one that is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.rollout.observed import Object
from model_rollouts.rollout.state import recorded_roles as roles_of
from model_rollouts.rollout.state.revisions import owner_of
from model_rollouts.rollout.status.summary import Roles
from model_rollouts.routes.http_route import Backend, Mirror, RouteSpec, http_route

_SCALES = (100, 10_000, 1_000_000)


def route(deployment: ModelDeployment, roles: Roles, *, marks_backends: bool) -> dict[str, Any]:
    """The route that gives users and copies as `roles` say, with the record of them."""
    assert roles.stable is not None  # nobody serves before the first version is ready
    spec = deployment.spec.route.model_dump(mode="json", by_alias=True, exclude_none=True)
    backends = [Backend(roles.stable, 1)]
    if roles.candidate is not None and roles.weight > 0:
        scale = _scale(roles.weight)
        part = int(roles.weight * scale)
        backends = [Backend(roles.stable, scale - part), Backend(roles.candidate, part)]
    return http_route(
        deployment.metadata.name,
        RouteSpec(
            parent_refs=spec["parentRefs"],
            hostnames=spec["hostnames"],
            matches=[_said_only(match) for match in spec["matches"]],
            timeouts=spec.get("timeouts"),
            marks_backends=marks_backends,
        ),
        backends,
        roles_of.record(roles),
        namespace=deployment.metadata.namespace,
        owner=owner_of(deployment),
        mirror=None if roles.candidate is None else Mirror(roles.candidate, roles.mirror),
    )


def _said_only(match: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in match.items() if value != []}


def _scale(weight: Fraction) -> int:
    """The smallest total in which the weight is a whole number: percent where that is enough."""
    return next(scale for scale in _SCALES if (weight * scale).denominator == 1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gateway has not taken a route, in words; `pending` while it may only be slow.

    `unserved`: it serves no request, or not all, as the route says.
    """

    words: str
    pending: bool
    unserved: bool = False


def refused(route: Object) -> Refusal | None:
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
            words = f"Gateway '{wanted['name']}' has not said anything about the route yet"
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
            words = f"{kind} is not known yet for the route as it stands"
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
