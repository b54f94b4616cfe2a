"""From a pod as the API server has it to the few facts that a plan needs of it.

The words of the cluster are bounded, and rid of what changes without any news, such as how long the
kubelet waits before it tries again: equal facts wake nobody.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from model_rollouts.resources.names import PROXY_CONTAINER, REVISION_LABEL
from model_rollouts.rollout import Ended, Pod, Trouble
from model_rollouts.text import cut

LONGEST_WORDS = 200
"""Characters that are kept of what the cluster, or the model at its end, says of one pod."""

_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_CRASHED = frozenset({"CrashLoopBackOff", "RunContainerError"})

_MOUNTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"})
_UNHEALTHY = "Unhealthy"
"""Reasons of the kubelet's Events that say what no status does."""

_AROUND_IMAGE = re.compile(
    r'^(?:Back-off pulling image "[^"]*": |ErrImagePull: |rpc error: code = \w+ desc = '
    r'|failed to pull and unpack image "[^"]*": |failed to resolve (?:reference|image) "[^"]*": )+'
)
_WAITS = re.compile(r'^Back-off pulling image "[^"]*"$')
_PREEMPTION = re.compile(r"\s*(?:no new claims to deallocate, )?preemption:.*$", re.DOTALL)


def pod_of(obj: Mapping[str, Any], before: Pod | None = None) -> Pod | None:
    """The facts about one pod; None for one that belongs to no revision.

    `before` are those that were known of it: what an Event or a registry has said of it holds until
    the pod has another trouble.
    """
    metadata, status = obj["metadata"], obj.get("status") or {}
    revision = (metadata.get("labels") or {}).get(REVISION_LABEL)
    if revision is None:
        return None
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready", {})
    is_over = status.get("phase") in ("Failed", "Succeeded")
    is_ready = ready.get("status") == "True" and not is_over
    disrupted = conditions.get("DisruptionTarget", {})
    disruption = disrupted.get("reason", "") if disrupted.get("status") == "True" else ""
    found = Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        revision=revision,
        began=_at(metadata.get("creationTimestamp")) or 0.0,
        node=(obj.get("spec") or {}).get("nodeName") or "",
        ready_since=(_at(ready.get("lastTransitionTime")) or 0.0) if is_ready else None,
        restarts=sum(each.get("restartCount", 0) for each in _own(status)),
        ended=_ended(status),
        disruption=disruption or (str(status.get("reason") or "") if is_over else ""),
        deleted="deletionTimestamp" in metadata,
    )
    if is_ready or is_over or found.deleted:
        return found
    trouble, words = _trouble(found, status, conditions)
    same = before is not None and before.uid == found.uid
    return _told(replace(found, trouble=trouble, words=words), before if same else None)


def lacks_words(pod: Pod) -> bool:
    """Whether only an Event can say why a pod does not serve, or still does not."""
    if pod.is_ready or pod.deleted or pod.disruption or not pod.node:
        return False
    return pod.trouble in (None, Trouble.NOT_READY, Trouble.CONFIG)


def explained(pod: Pod, reason: str, note: str) -> Pod:
    """The pod, once its latest Event is of that `reason` and says `note`; most say nothing new."""
    if reason == _UNHEALTHY and pod.trouble is Trouble.NOT_READY:
        return replace(pod, words=_bounded(note))
    if reason in _MOUNTS and pod.trouble in (None, Trouble.CONFIG):
        return replace(pod, trouble=Trouble.CONFIG, words=_bounded(note))
    return pod


def _told(pod: Pod, before: Pod | None) -> Pod:
    """The pod with what was said of it before, while nothing newer is."""
    if before is None:
        return pod
    if pod.trouble is None and before.trouble is Trouble.CONFIG:
        # Nothing of it has started yet: an Event said so, and no status does.
        return replace(pod, trouble=before.trouble, words=before.words)
    if pod.trouble is not before.trouble:
        return pod
    is_silent = not pod.words or (pod.trouble is Trouble.IMAGE and _WAITS.match(pod.words))
    return replace(pod, words=before.words) if is_silent and before.words else pod


def _trouble(
    pod: Pod, status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]
) -> tuple[Trouble | None, str]:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        words = _PREEMPTION.sub("", str(scheduled.get("message", "")))
        return Trouble.UNSCHEDULABLE, _bounded(words)
    for waiting in _waiting(status):
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        if reason in _IMAGE:
            return Trouble.IMAGE, _bounded(_AROUND_IMAGE.sub("", message))
        if reason in _CONFIG:
            return Trouble.CONFIG, _bounded(message)
    if _has_crashed(pod, status):
        return Trouble.CRASH_LOOP, ""
    is_running = any("running" in (each.get("state") or {}) for each in _own_main(status))
    return (Trouble.NOT_READY if is_running else None), ""


def _has_crashed(pod: Pod, status: Mapping[str, Any]) -> bool:
    """Whether it ends again and again: also in the moment in which it runs once more."""
    if any(each.get("reason") in _CRASHED for each in _waiting(status)):
        return True
    terminated = any("terminated" in (each.get("state") or {}) for each in _own_main(status))
    # Once is no loop: the machine may have begun again, or run out of memory.
    return pod.ended is not None and pod.restarts >= (1 if terminated else 2)


def _waiting(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Why containers do not run, those of the proxy included: a pod does not serve without it."""
    for each in _all(status):
        waiting = (each.get("state") or {}).get("waiting")
        if waiting is not None:
            yield waiting


def _all(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _own(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The containers that are the user's."""
    return (each for each in _all(status) if each.get("name") != PROXY_CONTAINER)


def _own_main(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = status.get("containerStatuses") or ()
    return (each for each in found if each.get("name") != PROXY_CONTAINER)


def _ended(status: Mapping[str, Any]) -> Ended | None:
    """How a container of the user's ended last; that one which prepares the pod is done is none."""
    prepares = {id(each) for each in status.get("initContainerStatuses") or ()}
    ends = [
        ended
        for each in _own(status)
        for name in ("state", "lastState")
        if (ended := (each.get(name) or {}).get("terminated"))
        and (ended.get("exitCode") or id(each) not in prepares)
    ]
    if not ends:
        return None
    last = max(ends, key=lambda each: _at(each.get("finishedAt")) or 0.0)
    return Ended(
        exit_code=int(last.get("exitCode", 0)),
        reason=cut(str(last.get("reason", "")), LONGEST_WORDS),
        message=_end(str(last.get("message", ""))),
        at=_at(last.get("finishedAt")),
    )


def _bounded(words: str) -> str:
    """One line of at most `LONGEST_WORDS` characters, without its last full stop."""
    return cut(_line(words).rstrip("."), LONGEST_WORDS)


def _end(words: str) -> str:
    """The end of a message as one line: what a process says last is why it ended."""
    line = _line(words)
    return line if len(line) <= LONGEST_WORDS else "…" + line[1 - LONGEST_WORDS :]


def _line(words: str) -> str:
    return "".join(each if each.isprintable() else " " for each in " ".join(words.split())).strip()


def _at(time: str | None) -> float | None:
    """A time of the API in Unix seconds."""
    if not time:
        return None
    return datetime.fromisoformat(time).astimezone(UTC).timestamp()
