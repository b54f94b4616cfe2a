"""How much load the pods of a candidate bear while its objectives hold, as copies show it."""

from dataclasses import replace

from model_rollouts.decision import Objective, Role, Seen
from model_rollouts.metrics.counts import IntervalCounts
from model_rollouts.rollout.memory import PeakLoad
from model_rollouts.rollout.trial.samples import SHADOW, counts, requests

WINDOW_SECONDS = 60.0
"""Load and objectives are looked at in windows of this length, one after the other."""


def counted(load: PeakLoad, objectives: tuple[Objective, ...], record: IntervalCounts) -> PeakLoad:
    """The load with one more interval; those with cold pods, or whose counts are held, are out."""
    arm = record.arms[SHADOW]
    if arm.warming or not arm.pods or SHADOW in record.held_arms:
        return load
    seconds = (record.end_ms - record.start_ms) / 1000
    seen = dict(load.seen)
    for each in _that_tell(objectives):
        found = counts(each, arm, stable=False)
        known = seen.get(each.name, Seen(0.0, 0.0))
        if found is not None:
            seen[each.name] = Seen(known.total + found.total, known.bad + found.bad_at_most)
    load = replace(
        load,
        seconds=load.seconds + seconds,
        pod_seconds=load.pod_seconds + seconds * arm.pods,
        requests=load.requests + requests(arm),
        seen=seen,
    )
    if load.seconds < WINDOW_SECONDS:
        return load
    return PeakLoad(_peak(load, objectives), load.copies)


def without_evidence(load: PeakLoad | None) -> PeakLoad | None:
    """What is known without the window that was being looked at: other copies, another load."""
    return None if load is None else PeakLoad(load.highest, load.copies)


def _peak(load: PeakLoad, objectives: tuple[Objective, ...]) -> float | None:
    """The highest load that was borne, the window that has just closed included."""
    held = all(
        seen.bad <= each.good * seen.total
        for each in _that_tell(objectives)
        if (seen := load.seen.get(each.name)) is not None
    )
    if not held or not load.requests:
        return load.highest
    return max(load.highest or 0.0, load.requests / load.pod_seconds)


def _that_tell(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    """Objectives on latency; those on errors when there is none.

    Not those on slices: the load of a pod is of all requests.
    """
    acting = [each for each in objectives if each.role is not Role.REPORT and each.slice is None]
    best = max((each.kind.traits.shows_load for each in acting), default=0)
    return tuple(each for each in acting if best and each.kind.traits.shows_load == best)
