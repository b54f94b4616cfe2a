"""Crashes of the model, as its pods tell them: counted once, however often they are seen.

The cluster counts restarts of a container for as long as its pod lives. What a pod was last seen
with is kept with the evidence, and what it has more is new. How long pods lived is counted by the
same looks, so that a time in which nobody looked counts with its restarts, or without both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from model_rollouts.decision import Counts
from model_rollouts.rollout.memory import Crashes, Lived, Trial
from model_rollouts.rollout.pods import Pod, Trouble

MOST_PODS = 48
"""Pods with restarts whose counts are kept with the evidence; beyond it they are seen anew."""

_NOBODY_SAW = frozenset({"Unknown", "ContainerStatusUnknown"})
"""Reasons of the kubelet for a container that was gone when it looked: its machine began again."""

_NOT_BEGUN = frozenset({Trouble.UNSCHEDULABLE, Trouble.IMAGE, Trouble.CONFIG})


def seen(before: Crashes | None, pods: Sequence[Pod] | None, trial: Trial, now: float) -> Crashes:
    """What is known after a look at `pods` at `now` (Unix seconds); the same when they are None.

    A pod that was there before the trial begins with what it has by then; one that came with it
    has all of its restarts in it. Pods that are gone keep what was counted of them.
    """
    known = before or Crashes()
    if pods is None:
        return known
    waiting = dict(known.waiting)
    for pod in pods:
        lived = _lived(pod, known, trial, now)
        if lived is not None:
            waiting[pod.revision] = waiting.get(pod.revision, Lived()) + lived
    return Crashes({pod.uid: pod.restarts for pod in pods}, waiting, now)


def taken(crashes: Crashes | None) -> Crashes | None:
    """What is known once what waited has become evidence."""
    return None if crashes is None else replace(crashes, waiting={})


def counts(crashes: Crashes | None, revisions: Mapping[str, str]) -> dict[str, Counts]:
    """What waits to be judged, by arm; `revisions` are those of the arms."""
    if crashes is None:
        return {}
    waiting = ((arm, crashes.waiting.get(name)) for arm, name in revisions.items())
    return {
        arm: Counts.events(each.minutes, each.crashes) for arm, each in waiting if each is not None
    }


def to_json(crashes: Crashes) -> list[object]:
    """What must be kept of it. Where it is too much, pods are seen for the first time again."""
    pods: dict[str, int] | None = {uid: count for uid, count in crashes.pods.items() if count}
    if len(crashes.pods) > MOST_PODS:
        pods = None
    waiting = {name: [each.minutes, each.crashes] for name, each in crashes.waiting.items()}
    return [None if pods is None else crashes.as_of, pods, waiting]


def from_json(value: object) -> Crashes | None:
    """What was kept; None for what cannot be read."""
    match value:
        case [None | int() | float() as as_of, None | dict() as pods, dict(waiting)]:
            if not _are_counts((pods or {}).values()) or not all(map(_is_lived, waiting.values())):
                return None
            return Crashes(
                {str(uid): int(count) for uid, count in (pods or {}).items()},
                {str(name): Lived(*map(float, each)) for name, each in waiting.items()},
                None if as_of is None else float(as_of),
                all_known=pods is not None,
            )
        case _:
            return None


def _lived(pod: Pod, known: Crashes, trial: Trial, now: float) -> Lived | None:
    """What a pod adds: how long it lived since the last look, and how often it crashed.

    None for one that the machine or the cluster ends, and for one whose model has not begun.
    """
    if pod.disruption or pod.deleted or pod.trouble in _NOT_BEGUN:
        return None
    is_of_trial = known.all_known and pod.began * 1000 >= trial.started_ms
    crashes = pod.restarts - known.pods.get(pod.uid, 0 if is_of_trial else pod.restarts)
    if crashes > 0 and pod.ended is not None and pod.ended.reason in _NOBODY_SAW:
        crashes -= 1
    if known.as_of is None:
        since = pod.began if is_of_trial else now
    else:
        since = max(known.as_of, pod.began)
    return Lived(max(0.0, now - since) / 60, max(0, crashes))


def _are_counts(values: Iterable[object]) -> bool:
    return all(type(each) is int and 0 <= each < 2**53 for each in values)


def _is_lived(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(each) in (int, float) and 0 <= each < 2**53 for each in value)
    )
