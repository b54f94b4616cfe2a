"""How stable serves: taken from memory, or begun anew with what the status tells of it."""

from dataclasses import replace

from model_rollouts.api.conditions import ConditionType, Reason, find_condition
from model_rollouts.metrics.findings import Reason as Found
from model_rollouts.metrics.requests import Request
from model_rollouts.rollout.memory import Memory, Service
from model_rollouts.rollout.state import revisions
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial import own_pods, service
from model_rollouts.rollout.trial.trial import trial_rules

_UNKNOWN = -1
"""A generation that no object has."""


def at_hand(state: RolloutState) -> Service | None:
    """What is counted of stable; None before anything serves.

    Another revision begins anew, and so do other promises: what was counted was not held to them.
    """
    stable, known = state.roles.stable, state.memory.service
    if stable is None:
        return None
    generation = state.deployment.metadata.generation
    if known is not None and known.revision != stable:
        known = None
    elif known is None:
        known = _told(state, stable)
    if known is not None and known.degraded and state.roles.previous is not None:
        # There is a way back: a miss is no condition, and begins anew once the watch is over.
        known = replace(known, degraded=False)
    running = _running(state, known)
    if known is not None and known.pods != running:
        known = replace(known, pods=running)
    if known is not None and known.generation == generation:
        return replace(known, has_news=False) if known.has_news else known
    edges = revisions.edges(state.revisions, stable, None, state.memory.buckets)
    promises = service.promises(trial_rules(state.spec, baseline=False, edges=edges))
    if known is None:
        return Service(stable, generation, promises, pods=running)
    if known.promises == promises or known.generation == _UNKNOWN:
        return replace(known, generation=generation, promises=promises, has_news=False)
    return Service(
        stable,
        generation,
        promises,
        until_ms=known.until_ms,
        recent=known.recent,
        failing=known.failing,
        pods=running,
        crowded_ms=known.crowded_ms,
    )


def doubts_pods(state: RolloutState) -> bool:
    """Whether its pods have to be known, because others may be in its samples."""
    known = state.memory.service
    return known is not None and known.revision == state.settled and service.doubts_pods(known)


def pods(state: RolloutState, memory: Memory) -> Memory:
    """The memory with the pods of what serves alone, and with none while they need not be known."""
    known, seen = memory.service, state.observed.pods
    if state.settled is None or known is None or not service.doubts_pods(known):
        return memory.knowing(pods=(), unknown_pods=(), findings=())
    told = (each for each in memory.findings if each.reason is Found.PODS_NOT_COUNTED)
    names = own_pods.seen(memory.pods, seen, (state.settled,))
    return memory.knowing(pods=names, findings=tuple(told))


def _running(state: RolloutState, known: Service | None) -> tuple[int, ...]:
    """The pods that stable has and had, `Service.pods`."""
    seen, has = state.observed, 0 if state.stable is None else state.stable.replicas
    if known is None or not known.pods:
        most, before = has, has
    else:
        _, most, before = known.pods
    cannot_be_known = seen.pods is None and not seen.awaits_pods
    if known is not None and service.doubts_pods(known) and cannot_be_known:
        return ()
    return has, max(most, has), before


def measures(state: RolloutState) -> Request | None:
    """What has to be counted of stable, once it serves and no trial counts it."""
    known, metadata = state.memory.service, state.deployment.metadata
    if known is None or known.revision != state.settled:
        return None
    names = state.memory.pods
    whose = own_pods.known(state.observed, names, (known.revision,))
    return service.counting_request(state.key, metadata.namespace, known, whose)


def _told(state: RolloutState, stable: str) -> Service:
    """What the status tells of the service, which an operator that has just begun does not know."""
    told, status = Service(stable, _UNKNOWN, ()), state.deployment.status
    if status.stable is None or status.stable.revision != stable:
        return told
    lost = find_condition(status.conditions, ConditionType.AVAILABLE)
    if lost is not None and lost.reason == Reason.NOT_ANSWERING:
        told = replace(told, failing=True)
    missed = find_condition(status.conditions, ConditionType.SERVICE_DEGRADED)
    # What a trial tells of both versions ends with the trial.
    is_own = missed is not None and missed.message.endswith(service.ADVICE_DEGRADED)
    return replace(told, degraded=True) if is_own else told
