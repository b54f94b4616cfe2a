"""What is told of how often pods are scraped: that is measured, and may not be as configured."""

from model_rollouts.api.conditions import ConditionType, find_condition
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.text import duration

TOLD_FROM = 1.7
"""So many times the configured interval, or so much less of it, is told."""

TOLD_UNTIL = 1.4
"""And until it is nearer than that: at the edge it would come and go."""

_ROUNDED_FROM_S = 10


def interval(state: RolloutState) -> str | None:
    """How often pods are really scraped, as sentences; None where that is as configured."""
    conditions = state.deployment.status.conditions
    before = find_condition(conditions, ConditionType.SCRAPE_INTERVAL_DIFFERS) is not None
    return differs(state.memory.scraped_every_ms, state.step_ms, before=before)


def differs(measured_ms: int | None, configured_ms: int, *, before: bool) -> str | None:
    """The same; `before` is whether it was told already.

    A number that changes with every scrape would be written every time, so seconds are rounded.
    """
    if measured_ms is None:
        return None
    ratio = measured_ms / configured_ms
    if max(ratio, 1 / ratio) < (TOLD_UNTIL if before else TOLD_FROM):
        return None
    measured, configured = duration(_rounded(measured_ms / 1000)), duration(configured_ms / 1000)
    said = f"Prometheus scrapes the pods every {measured}, and the operator is set to {configured}."
    price = (
        f"Every verdict waits for a scrape, so a bad version is found later than with {configured}."
        if ratio > 1
        else f"Counts are read every {configured} only, so verdicts come later than they could."
    )
    return (
        f"{said} {price} Set the interval in Prometheus to {configured}, or "
        f"`prometheus.scrapeInterval` of the chart to {measured}."
    )


def _rounded(seconds: float) -> float:
    return float(5 * round(seconds / 5) if seconds >= _ROUNDED_FROM_S else max(1, round(seconds)))
