"""When a rollout has to be looked at again although nothing has changed."""

from collections.abc import Iterator

from model_rollouts.api.status import Phase
from model_rollouts.rollout.state.state import Found, seconds

ASK_AGAIN = 30.0
"""Seconds until what was refused at admission is asked again: the cause lies outside."""


def next_at(found: Found, status_due: float | None, *, refused: bool) -> float | None:
    """The earliest time (Unix seconds) at which a clock runs out; None when none runs."""
    waits = [left for left in _left(found, refused) if left > 0]
    times = [found.now + left for left in waits]
    if status_due is not None:
        times.append(status_due)
    return min(times, default=None)


def _left(found: Found, refused: bool) -> Iterator[float]:
    strategy, clocks = found.spec.strategy, found.clocks
    if refused:
        yield ASK_AGAIN
    if found.spec.paused:
        return
    if found.phase is Phase.STARTING:
        yield seconds(strategy.progress_deadline) - clocks.phase
    if found.phase in (Phase.SHADOW, Phase.CANARY):
        yield seconds(strategy.deadline) - clocks.phase
    if found.phase is Phase.SHADOW and strategy.shadow is not None:
        yield seconds(strategy.shadow.min_duration) - clocks.phase
        yield found.pace.stage_seconds - clocks.step
    if found.phase is Phase.CANARY:
        yield seconds(strategy.canary.min_step_duration) - clocks.step
    if found.phase is Phase.FULL and found.watching:
        yield seconds(strategy.watch.duration) - clocks.phase
