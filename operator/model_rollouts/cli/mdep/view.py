"""From objects, as the API server has them, to what a person wants to know of a rollout.

The result is plain JSON: what `get -o json` prints, and what is drawn. docs/kubectl-mdep.md has its
schema. Nothing is read out of a sentence. Pure: the time is an argument.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from model_rollouts.cli.mdep.pods import pod_view
from model_rollouts.resources.names import REVISION_LABEL

Object = Mapping[str, Any]
View = dict[str, Any]

EVENTS = 8
"""The newest ones."""

AWAITED = ("Stalled", "Reconciling")
ALWAYS = frozenset({"Ready", "Available", *AWAITED})


def moment(text: str | None) -> float | None:
    """A time of the API in Unix seconds."""
    return datetime.fromisoformat(text).timestamp() if text else None


def ago(text: str | None, now: float) -> int | None:
    """Whole seconds since a time of the API; clocks of two machines may differ a little."""
    at = moment(text)
    return None if at is None else max(0, int(now - at))


def share(text: str | None) -> float:
    """A share such as `25%`, 0 to 1."""
    return float((text or "0%").rstrip("%")) / 100


def conditions(obj: Object) -> dict[str, Object]:
    """The conditions of an object by their type."""
    return {each["type"]: each for each in (obj.get("status") or {}).get("conditions") or ()}


def is_current(obj: Object) -> bool:
    """Whether the status is about the spec as it stands."""
    observed = (obj.get("status") or {}).get("observedGeneration")
    return bool(observed == obj["metadata"].get("generation"))


def summary(obj: Object, now: float) -> View:
    """A ModelDeployment in one row."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    stable, candidate = status.get("stable") or {}, status.get("candidate") or {}
    available = conditions(obj).get("Available") or {}
    return {
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "version": (spec.get("model") or {}).get("version"),
        "serving": stable.get("version"),
        "candidate": candidate.get("version"),
        "weight": candidate.get("weight"),
        "phase": status.get("phase"),
        "action": status.get("action"),
        "available": available.get("status"),
        "message": status.get("message"),
        "isCurrent": is_current(obj),
        "ageSeconds": ago(metadata.get("creationTimestamp"), now),
    }


def view(
    obj: Object,
    pods: Sequence[Object] | None,
    events: Sequence[Object] | None,
    now: float,
) -> View:
    """All that is known of a rollout; `pods` and `events` are None where they may not be read."""
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    return {
        **summary(obj, now),
        "paused": bool(spec.get("paused")),
        "replicas": spec.get("replicas"),
        "plan": status.get("plan"),
        "step": _step(spec, status),
        "awaits": awaits(obj, now),
        "revisions": _revisions(status, pods, now),
        "shadow": status.get("shadow"),
        "fallback": status.get("fallback"),
        "objectives": objectives(obj),
        "conditions": _notices(obj, now),
        "addresses": [each["url"] for each in status.get("addresses") or ()],
        "events": None if events is None else _events(events, now),
    }


def awaits(obj: Object, now: float) -> View | None:
    """What the rollout waits for, and for how long; None when for nothing."""
    known = conditions(obj)
    found = next(
        (known[each] for each in AWAITED if known.get(each, {}).get("status") == "True"), None
    )
    if found is None:
        return None
    return {
        "type": found["type"],
        "reason": found.get("reason"),
        "message": found.get("message"),
        "seconds": ago(found.get("lastTransitionTime"), now),
        "stepSeconds": _step_seconds(obj, now),
    }


def record(obj: Object) -> Object:
    """The record of roles that the status has a copy of; empty when it has none."""
    try:
        found = json.loads((obj.get("status") or {}).get("record") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _step_seconds(obj: Object, now: float) -> int | None:
    """How long users have had the weights that they have."""
    write = record(obj).get("write")
    at = write.get("ms") if isinstance(write, dict) else None
    return max(0, int(now - at / 1000)) if isinstance(at, int) else None


def _step(spec: Object, status: Object) -> View | None:
    number = status.get("step")
    if number is None:
        return None
    steps = ((spec.get("strategy") or {}).get("canary") or {}).get("steps") or ()
    return {"number": number, "of": len(steps), "weights": list(steps)}


def objectives(obj: Object) -> list[View]:
    """How each objective stands, with what the spec says of it."""
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    written = {each.get("name"): each for each in spec.get("objectives") or ()}
    return [
        {
            "name": each["name"],
            "type": (written.get(each["name"]) or {}).get("type"),
            "role": _role(written.get(each["name"])),
            "slice": each.get("slice"),
            "verdict": each["verdict"],
            "bad": each["bad"],
            "total": each["total"],
            "unit": _unit(each["name"], written.get(each["name"])),
            "promise": _promise(written.get(each["name"])),
            "limit": each.get("limit"),
            "needed": each.get("needed"),
            "message": each["message"],
            "worstPredictions": list(each.get("worstPredictions") or ()),
        }
        for each in status.get("objectives") or ()
    ]


def _role(written: Object | None) -> str:
    return "Guard" if written is None else str(written.get("role") or "Gate")


def _unit(name: str, written: Object | None) -> str:
    """What is counted: a guard of the operator on restarts counts minutes of pods."""
    if written is None:
        return "pod-minutes" if name == "restarts" else "requests"
    kinds = {"Disagreement": "pairs of answers", "Counters": "counts"}
    return kinds.get(str(written.get("type")), "requests")


def _promise(written: Object | None) -> str | None:
    """What the spec promises, as it is written there; None for what is on by default."""
    if written is None:
        return None
    inside = written.get("availability") or {}
    if "target" in inside:
        return f"{inside['target']} succeed"
    timed = written.get("latency") or {}
    if "within" in timed:
        return f"{timed.get('share')} within {timed['within']}"
    limits = written.get("limits") or {}
    return f"bad below {limits['bad']}" if "bad" in limits else None


def _revisions(status: Object, pods: Sequence[Object] | None, now: float) -> list[View]:
    """Candidate, stable, the one that is kept for a rollback, and others that still have pods."""
    roles = {
        (status.get(role) or {}).get("revision"): (role, status.get(role) or {})
        for role in ("candidate", "stable")
        if status.get(role)
    }
    versions = {each["revision"]: each["version"] for each in status.get("history") or ()}
    versions |= {revision: arm.get("version") for revision, (_, arm) in roles.items()}
    previous = record({"status": status}).get("previous")
    by_revision: dict[str, list[View]] = {}
    for each in pods or ():
        labels = each["metadata"].get("labels") or {}
        by_revision.setdefault(labels.get(REVISION_LABEL, ""), []).append(pod_view(each, now))
    names = [*roles, *([previous] if isinstance(previous, str) else []), *sorted(by_revision)]
    found = []
    for name in dict.fromkeys(filter(None, names)):
        role, arm = roles.get(name, ("previous" if name == previous else "retired", {}))
        own = sorted(by_revision.get(name, ()), key=lambda each: str(each["name"]))
        found.append(
            {
                "revision": name,
                "version": versions.get(name),
                "role": role,
                "weight": arm.get("weight", "0%"),
                "ready": None if pods is None else sum(each["ready"] for each in own),
                "pods": None if pods is None else own,
            }
        )
    return found


def _notices(obj: Object, now: float) -> list[View]:
    """Conditions that a reader has to know of: those that are not always there."""
    found = conditions(obj)
    shown = [each for type_, each in found.items() if type_ not in ALWAYS]
    available = found.get("Available")
    if available is not None and available.get("status") != "True":
        shown.insert(0, available)
    return [
        {
            "type": each["type"],
            "status": each["status"],
            "reason": each.get("reason"),
            "message": each.get("message"),
            "seconds": ago(each.get("lastTransitionTime"), now),
        }
        for each in shown
    ]


def _events(events: Iterable[Object], now: float) -> list[View]:
    found: list[View] = [
        {
            "at": at,
            "seconds": ago(at, now),
            "type": each.get("type"),
            "reason": each.get("reason"),
            "note": each.get("note") or each.get("message"),
            "count": (each.get("series") or {}).get("count") or each.get("deprecatedCount") or 1,
        }
        for each in events
        if (at := _event_time(each)) is not None
    ]
    return sorted(found, key=lambda each: moment(each["at"]) or 0.0)[-EVENTS:]


def _event_time(event: Object) -> str | None:
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("eventTime"),
        event.get("deprecatedLastTimestamp"),
        event["metadata"].get("creationTimestamp"),
    )
    return next((each for each in times if each), None)


def utc(seconds: float) -> str:
    """A moment as the API writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
