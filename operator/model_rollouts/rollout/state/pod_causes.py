"""Why pods of a version do not serve, in one clause: what the cluster says of most of them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, assert_never

from model_rollouts.rollout.pods import Pod, Trouble, pods_of
from model_rollouts.text import cut

TROUBLE_SECONDS = 15.0
"""How old a pod is before anybody is told why it does not serve: most of it passes by itself."""

LONGEST_CAUSE = 240
"""Characters of a cause."""


class Cause(NamedTuple):
    """Why pods do not serve. `stuck`: they do not start at all, and it seldom passes untouched."""

    words: str
    stuck: bool


_REFUSED_POD = re.compile(r'^pods "[^"]*" is forbidden: ')
"""It names a pod that never was, another one at each try."""


def cause(
    deployment: Mapping[str, Any], pods: Sequence[Pod] | None, revision: str, now: float
) -> Cause | None:
    """Why pods of `revision` do not serve at `now` (Unix seconds); None when nothing says so.

    Pods that the API server refused are no pods: their Deployment tells of them, and comes first.
    """
    return _refused(deployment) or _commonest(pods_of(pods or (), revision), now)


def told_at(pods: Sequence[Pod]) -> list[float]:
    """When (Unix seconds) the trouble of each of these pods is old enough to be told."""
    return [pod.began + TROUBLE_SECONDS for pod in pods if _words(pod) is not None]


def _refused(deployment: Mapping[str, Any]) -> Cause | None:
    for condition in (deployment.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            said = _REFUSED_POD.sub("", str(condition.get("message", "")))
            return Cause(cut(f"pods cannot be created: {said}".rstrip("."), LONGEST_CAUSE), True)
    return None


def _commonest(pods: Sequence[Pod], now: float) -> Cause | None:
    there = [pod for pod in pods if not pod.deleted and not pod.disruption]
    ailing = [
        (pod, words)
        for pod in there
        if not pod.is_ready and now - pod.began >= TROUBLE_SECONDS and (words := _words(pod))
    ]
    if not ailing:
        return None
    # The first of the most: equal numbers keep the order of the names.
    (trouble, number), *_ = Counter(pod.trouble for pod, _ in ailing).most_common()
    (words, _), *_ = Counter(words for pod, words in ailing if pod.trouble is trouble).most_common()
    several = f"{number} of {len(there)} pods: " if len(there) > 1 else ""
    said = cut(f"{several}{words}".rstrip("."), LONGEST_CAUSE)
    # A model that loads its weights is not ready either.
    return Cause(said, trouble is not Trouble.NOT_READY)


def _words(pod: Pod) -> str | None:
    """Why one pod does not serve; None while it only takes its time."""
    match pod.trouble:
        case None:
            return None
        case Trouble.UNSCHEDULABLE:
            return f"cannot be scheduled{_said(pod)}"
        case Trouble.IMAGE:
            return f"image cannot be pulled{_said(pod)}"
        case Trouble.CONFIG:
            return f"cannot be set up{_said(pod)}"
        case Trouble.CRASH_LOOP:
            return _crashed(pod)
        case Trouble.NOT_READY:
            return f"{pod.words[0].lower()}{pod.words[1:]}" if pod.words else None
        case _:
            assert_never(pod.trouble)


def _said(pod: Pod) -> str:
    return f": {pod.words}" if pod.words else ""


def _crashed(pod: Pod) -> str:
    ended = pod.ended
    if ended is None:
        return f"model crashes{_said(pod)}"
    if ended.out_of_memory:
        return f"model runs out of memory (exit code {ended.exit_code})"
    last = f": {ended.message}" if ended.message else ""
    return f"model ends with exit code {ended.exit_code}{last}"
