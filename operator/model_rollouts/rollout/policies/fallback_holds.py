"""A hold for want of a fallback: it is tried before anybody may need it."""

from model_rollouts.api.conditions import Reason
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state import second_chances
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.text import capitalized


def not_answering(state: RolloutState) -> Hold | None:
    """Only before the first users: from then on the version is judged, whoever stands in for it."""
    candidate = state.candidate
    before = state.phase.is_preparing or state.phase.mirrors
    if not before or candidate is None or not candidate.is_ready:
        return None
    found = second_chances.unreached(state, candidate.revision)
    if found is None:
        return None
    version = candidate.version
    if not found.is_known:
        return Hold(
            Reason.FALLBACK_NOT_ANSWERING,
            f"Prometheus does not know yet whether {found.who}, the fallback of version {version}, "
            "takes connections. The version gets its first users when it does. Check that "
            "Prometheus keeps envoy_cluster_membership_healthy.",
            f"whether {found.who}, its fallback, takes connections is not known yet",
            # As a rule the next scrape tells.
            told=state.observed.fallback is not None,
        )
    return Hold(
        Reason.FALLBACK_NOT_ANSWERING,
        f"{capitalized(found.who)}, the fallback of version {version}, takes no connections from "
        f"the version's pods. The version gets its first users when it does. Check that "
        f"{found.advice}, and that NetworkPolicies let these pods reach it; or change "
        "spec.fallback.",
        f"{found.who}, its fallback, takes no connections",
    )
