"""What is told of PodDisruptionBudgets that others have over the pods."""

from typing import NamedTuple

from model_rollouts.api.conditions import Reason
from model_rollouts.rollout.objects import budget
from model_rollouts.rollout.state.state import RolloutState

MOST_NAMED = 3
"""Budgets that one message names."""


class BudgetOmitted(NamedTuple):
    """Why the operator keeps no budget, as a reason and in sentences."""

    reason: Reason
    message: str


def omitted(state: RolloutState) -> BudgetOmitted | None:
    """Why there is no budget of ours; None where there is one, or may be."""
    found, same = budget.others(state), budget.overlapping(state)
    if not found:
        return None
    if same:
        return BudgetOmitted(
            Reason.BUDGETS_OVERLAP,
            f"{_named(same)} select the same pods. Kubernetes evicts no pod that two of them "
            "select, so a drain of its node does not end. Keep one of them, or none.",
        )
    return BudgetOmitted(
        Reason.OTHER_BUDGET,
        f"{_named(found)} decides which pods a drain may end. The operator keeps none of its own, "
        "because Kubernetes evicts no pod that two of them select. Delete it, and the operator "
        "allows one pod of all versions at a time.",
    )


def _named(found: tuple[str, ...]) -> str:
    kind = "PodDisruptionBudget" if len(found) == 1 else "PodDisruptionBudgets"
    shown, more = found[:MOST_NAMED], len(found) - MOST_NAMED
    if more > 0:
        return f"{kind} {', '.join(shown)} and {more} more"
    return f"{kind} {' and '.join(filter(None, (', '.join(shown[:-1]), shown[-1])))}"
