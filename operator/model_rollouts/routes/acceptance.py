"""Whether the gateway has taken a route as it stands, or why not."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from model_rollouts.resources.shapes import Object
from model_rollouts.routes.reader import gateways


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gateway has not taken a route, in words; `pending` while it may only be slow.

    `unserved`: it serves no request, or not all, as the route says. `rejected`: it takes nothing of
    the route, `for_content` because of what is in it, and not because of where it belongs.
    """

    words: str
    pending: bool
    unserved: bool = False
    rejected: bool = False
    for_content: bool = False


_NOT_ATTACHED = frozenset(
    {"NotAllowedByListeners", "NoMatchingListenerHostname", "NoMatchingParent"}
)
"""Reasons of Gateway API that say nothing of the content of a route."""


_NOBODY: frozenset[str] = frozenset()


def refusal_of(route: Object, absent: Collection[str] = _NOBODY) -> Refusal | None:
    """Why the gateway has not taken the route as it stands; None when it has.

    Every parent must say Accepted and ResolvedRefs of this very generation, and PartiallyInvalid
    must be absent: a gateway that fell back to an older form goes on saying Accepted of that one.
    One that rejects the route has no users by it, and does not stop the others. Nor does one that
    does not exist: `absent` are the names of those, as `namespace/name`.
    """
    found = [why for _, why in _of_parents(route, absent)]
    if any(each is None or not each.rejected for each in found):
        found = [each for each in found if each is None or not each.rejected]
    return next((each for each in found if each is not None), None)


def rejections_of(route: Object, absent: Collection[str] = _NOBODY) -> tuple[Refusal, ...]:
    """Why parents reject the route that others have taken, or are about to take."""
    found = [why for _, why in _of_parents(route, absent)]
    rejected = tuple(each for each in found if each is not None and each.rejected)
    return rejected if len(rejected) < len(found) else ()


def silent_gateways(route: Object) -> tuple[str, ...]:
    """The Gateways, as `namespace/name`, that say nothing of a route that another has taken.

    It may be slow, or not exist. Those that all wait for are not among them.
    """
    found = list(_of_parents(route, _NOBODY))
    if all(why is not None for _, why in found):
        return ()
    silent = (name for name, why in found if why is not None and why.pending)
    return tuple(sorted({name for name in silent if name is not None}))


def _of_parents(
    route: Object, absent: Collection[str]
) -> Iterator[tuple[str | None, Refusal | None]]:
    """The name of each parent, None for one that is no Gateway, and what it says of the route."""
    metadata, spec = route["metadata"], route["spec"]
    namespace, generation = metadata["namespace"], int(metadata.get("generation", 0))
    reported = (route.get("status") or {}).get("parents") or []
    wanted = spec.get("parentRefs") or []
    for parent, gateway in zip(wanted, gateways(wanted, namespace), strict=True):
        name = None if gateway is None else "/".join(gateway)
        who = f"Gateway '{parent['name']}'"
        told = [
            None if why is None else replace(why, words=f"{who}: {why.words}")
            for each in reported
            if _is_same_parent(each["parentRef"], parent, namespace)
            for why in [_refusal(each, generation)]
        ] or [Refusal(f"{who} has not reported on the route yet", pending=True)]
        for why in told:
            if why is not None and why.pending and name in absent:
                none = Refusal(f"{who} does not exist", pending=False, unserved=True, rejected=True)
                yield name, none
            else:
                yield name, why


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
            rejected = kind == "Accepted"
            return Refusal(
                words,
                pending=False,
                unserved=rejected,
                rejected=rejected,
                for_content=rejected and condition["reason"] not in _NOT_ATTACHED,
            )
    partly = conditions.get("PartiallyInvalid")
    if partly is not None and partly["status"] == "True":
        words = f"PartiallyInvalid ({partly['reason']}): {_said(partly)}"
        return Refusal(words, pending=False, unserved=True)
    return None


def _said(condition: Mapping[str, Any]) -> str:
    return str(condition.get("message", ""))[:200]
