"""Evidence after a change of guards: that of all other objectives stays as it is.

A guard that begins anew in the middle of a rollout has an e-value of 1 again, and adds its part of
the mean to it. So each such change raises the chance of a false rollback by that part: a twentieth
of it beside one objective, the breaker and two other guards. docs/guards.md tells it.
"""

from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import Objective
from model_rollouts.decision.rules import Rules


def differ_in_guards_alone(before: Rules, after: Rules) -> bool:
    """Whether two rules differ, and in nothing but guards."""
    return before != after and _without_guards(before) == _without_guards(after)


def with_guards_of(after: Judge, before: Judge, state: State) -> State | None:
    """`state`, gathered by `before`, as `after` takes it; their rules differ in guards alone.

    Guards that are new or have another definition begin without evidence. None for a version that
    has failed: which of its objectives did it cannot be told from the evidence later on.
    """
    if state.failed_at is not None:
        return None
    pairs = zip(before.rules.objectives, state.evidence, strict=True)
    kept: dict[Objective, Evidence] = dict(pairs)
    return state._replace(
        evidence=tuple(
            kept.get(process.objective) or process.start() for process in after.processes
        )
    )


def _without_guards(rules: Rules) -> tuple[object, ...]:
    return (
        tuple(each for each in rules.objectives if not each.kind.is_guard),
        rules.steps,
        rules.false_rollback,
        rules.false_promotion,
        rules.baseline,
    )
