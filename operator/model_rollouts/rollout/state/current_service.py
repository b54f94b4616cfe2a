"""How stable serves: taken from memory, or begun anew with what the status tells of it."""

from dataclasses import replace

from model_rollouts.api.conditions import ConditionType, Reason, find_condition
from model_rollouts.metrics.requests import Request
from model_rollouts.rollout.memory import Service
from model_rollouts.rollout.state import revisions
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial import service
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
    if known is not None and state.roles.previous is not None:
        # There is a way back: a miss is no condition, and begins anew once the watch is over.
        known = replace(known, degraded=False)
    if known is not None and known.generation == generation:
        return replace(known, has_news=False) if known.has_news else known
    edges = revisions.edges(state.revisions, stable, None)
    promises = service.promises(trial_rules(state.spec, baseline=False, edges=edges))
    if known is None:
        return Service(stable, generation, promises)
    if known.promises == promises or known.generation == _UNKNOWN:
        return replace(known, generation=generation, promises=promises, has_news=False)
    return Service(
        stable,
        generation,
        promises,
        until_ms=known.until_ms,
        recent=known.recent,
        failing=known.failing,
    )


def measures(state: RolloutState) -> Request | None:
    """What has to be counted of stable, once it serves and no trial counts it."""
    known, metadata = state.memory.service, state.deployment.metadata
    if known is None or known.revision != state.settled:
        return None
    return service.counting_request(state.key, metadata.namespace, known)


def _told(state: RolloutState, stable: str) -> Service:
    """What the status tells of the service, which an operator that has just begun does not know."""
    told, status = Service(stable, _UNKNOWN, ()), state.deployment.status
    if status.stable is None or status.stable.revision != stable:
        return told
    lost = find_condition(status.conditions, ConditionType.AVAILABLE)
    if lost is not None and lost.reason == Reason.NOT_ANSWERING:
        told = replace(told, failing=True)
    missed = find_condition(status.conditions, ConditionType.SERVICE_DEGRADED)
    return told if missed is None else replace(told, degraded=True)
