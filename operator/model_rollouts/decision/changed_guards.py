"""Evidence after a change of guards, or of edges: that of all other objectives stays as it is.

A guard that begins anew in the middle of a rollout has an e-value of 1 again, and adds its part of
the mean to it. So each such change raises the chance of a false rollback by that part: a twentieth
of it beside one objective, the breaker and two other guards. docs/guards.md tells it.

The edges of a model server's own histogram become known once, after its first scrape. Until then
its objective counts nothing that speaks for or against a version, so nothing is tried twice. Those
of stable may become known later, as when its pods are new and had no request yet: then the
objective begins anew, once in a trial, and what is said of guards holds for it.
"""

from dataclasses import replace

from model_rollouts.decision.bracket import bracket
from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import Objective
from model_rollouts.decision.rules import Rules


def differ_in_guards_alone(before: Rules, after: Rules) -> bool:
    """Whether two rules differ, and in nothing but guards and edges that became known."""
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
        tuple(_at_no_edges(each) for each in rules.objectives if not each.kind.is_guard),
        rules.steps,
        rules.false_rollback,
        rules.false_promotion,
        rules.baseline,
    )


def _at_no_edges(objective: Objective) -> Objective:
    """The objective as if nothing were known of the buckets of the model server's own histogram."""
    timed = objective.latency
    if timed is None or timed.histogram is None:
        return objective
    unknown = bracket(timed.within, ())
    return replace(
        objective,
        latency=replace(
            timed, edges=unknown, stable=unknown, histogram=timed.histogram.unrecognised
        ),
    )
