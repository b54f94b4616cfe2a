"""Rules that conditions must obey whatever happens, for tests of everything that writes a status.

They are FAIL0001 to FAIL0007 of Flux (fluxcd/pkg, runtime/conditions/check): GitOps tools rely on
them. They hold for a status as the operator writes it; between a change of the spec and the next
write, the observed generation lags and Ready still tells about the generation before.
"""

from model_rollouts.api.conditions import Condition, ConditionStatus, ConditionType, find_condition

_NEGATIVE = (ConditionType.RECONCILING, ConditionType.STALLED)


def broken_rules(
    conditions: tuple[Condition, ...], *, generation: int, observed_generation: int
) -> list[str]:
    """The rules that the conditions break, in words; empty when they are sound."""
    ready = find_condition(conditions, ConditionType.READY)
    if ready is None:
        return ["Ready is absent"]
    status = ready.status
    present = [type for type in _NEGATIVE if find_condition(conditions, type)]
    true = [c.type for c in conditions if c.type in _NEGATIVE and c.status == ConditionStatus.TRUE]
    lags = observed_generation < generation
    rules = {
        f"Ready is {status} beside {', '.join(true)}": true and status != ConditionStatus.FALSE,
        "Reconciling and Stalled are both there": len(present) > 1,
        f"generation {observed_generation} was observed, {generation} is the newest": (
            observed_generation > generation
        ),
        f"Ready is True for generation {observed_generation}, {generation} is the newest": (
            lags and status == ConditionStatus.TRUE
        ),
    }
    return [rule for rule, broken in rules.items() if broken]
