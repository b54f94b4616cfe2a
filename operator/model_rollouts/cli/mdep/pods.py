"""A pod in one line: ready or not, and why one that is not does not start."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from model_rollouts.resources.names import PROXY_CONTAINER

LONGEST_CAUSE = 300

_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
"""What every pod waits for once; what it waits for too long is told by an Event."""


def pod_view(pod: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What `get` shows of a pod. `cause` is None while it serves, or only takes its time."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    is_going = "deletionTimestamp" in metadata
    ready = conditions.get("Ready", {}).get("status") == "True" and not is_going
    began = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
    containers = status.get("containerStatuses") or ()
    return {
        "name": metadata["name"],
        "ready": ready,
        "state": _state(status, ready=ready, is_going=is_going),
        "restarts": sum(
            each.get("restartCount", 0) for each in containers if each["name"] != PROXY_CONTAINER
        ),
        "node": (pod.get("spec") or {}).get("nodeName"),
        "ageSeconds": max(0, int(now - began)),
        "cause": None if ready or is_going else _cause(status, conditions),
    }


def _state(status: Mapping[str, Any], *, ready: bool, is_going: bool) -> str:
    if is_going:
        return "Terminating"
    if ready:
        return "Ready"
    phase = str(status.get("phase") or "Pending")
    return "NotReady" if phase == "Running" else phase


def _cause(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> str | None:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return _line(f"cannot be scheduled: {scheduled.get('message', '')}")
    if status.get("reason"):
        return _line(f"{status['reason']}: {status.get('message', '')}")
    for name, waiting, ended in _containers(status):
        if waiting.get("reason", "") in _STARTING:
            continue
        if ended and waiting["reason"] == "CrashLoopBackOff":
            return _line(f"container {name} {_ending(ended)}")
        return _line(f"container {name}: {waiting['reason']}: {waiting.get('message', '')}")
    crashed = next((each for each in _containers(status) if each[2]), None)
    if crashed is not None:
        return _line(f"container {crashed[0]} {_ending(crashed[2])}")
    return None


def _containers(
    status: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Name, what it waits for, and how it ended last with a failure, of each container."""
    for key in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(key) or ():
            state, last = each.get("state") or {}, each.get("lastState") or {}
            ended = state.get("terminated") or last.get("terminated") or {}
            yield each["name"], state.get("waiting") or {}, ended if ended.get("exitCode") else {}


def _ending(ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == "OOMKilled":
        return f"ran out of memory (exit code {ended['exitCode']})"
    return f"ends with exit code {ended['exitCode']}: {ended.get('message', '')}"


def _line(words: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    text = text.rstrip(": .")
    return text if len(text) <= LONGEST_CAUSE else f"{text[: LONGEST_CAUSE - 1]}…"
