"""The PodDisruptionBudget over all revisions: written once, and not for each promotion."""

from collections.abc import Iterator

from model_rollouts.resources import names
from model_rollouts.resources.disruption_budget import disruption_budget
from model_rollouts.resources.label_selector import selects
from model_rollouts.rollout.actions import Action, Delete
from model_rollouts.rollout.objects import drift, workloads
from model_rollouts.rollout.state.revisions import owner_of
from model_rollouts.rollout.state.state import RolloutState, seconds


def written(state: RolloutState) -> Iterator[Action]:
    """The budget where it is missing, or not as it should be; none beside one of somebody else."""
    children, metadata = state.observed.children, state.deployment.metadata
    if not children.deployments or not state.observed.keeps_budget:
        return
    present = children.budget
    if others(state):
        if present is not None:
            yield Delete("PodDisruptionBudget", names.disruption_budget(metadata.name))
        return
    if present is None and state.observed.other_budgets is None:
        # Whether somebody else has one will be known in a moment.
        return
    body = disruption_budget(
        metadata.name,
        list(_left_out(state)),
        namespace=metadata.namespace,
        owner=owner_of(state.deployment),
    )
    if drift.drifted(present, body) and not workloads.is_tried(state, body, present):
        why = "it is new" if present is None else "it is not as it should be"
        yield workloads.applied(body, why)


def others(state: RolloutState) -> tuple[str, ...]:
    """The names of budgets of others that select pods of any revision."""
    found = {name for names in _selecting(state) for name in names}
    return tuple(sorted(found))


def overlapping(state: RolloutState) -> tuple[str, ...]:
    """Those of them that select the same pods: these cannot be evicted."""
    found = {name for names in _selecting(state) if len(names) > 1 for name in names}
    return tuple(sorted(found))


def _selecting(state: RolloutState) -> Iterator[list[str]]:
    """The names of budgets of others that select pods, for each revision."""
    known = state.observed.other_budgets or ()
    for deployment in state.observed.children.deployments.values() if known else ():
        labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
        yield [each.name for each in known if selects(each.selector, labels)]


def _left_out(state: RolloutState) -> Iterator[str]:
    """A version without users whose pods do not come: no drain of stable's has to wait for them."""
    candidate = state.candidate
    limit = seconds(state.spec.strategy.progress_deadline)
    if candidate is None or candidate.is_ready or state.roles.weight > 0:
        return
    if state.is_on_the_way and (state.is_late or state.clocks.phase >= limit):
        yield candidate.revision
