"""When a rollout has to be looked at again although nothing has changed."""

from collections.abc import Iterator

from model_rollouts.api.phase import Phase
from model_rollouts.rollout.policies import needs, suspension
from model_rollouts.rollout.state import pod_causes, replicas, second_chances
from model_rollouts.rollout.state.state import GROWING_SECONDS, RolloutState, seconds

ASK_AGAIN = 30.0
"""Seconds until what was refused at admission is asked again: the cause lies outside."""


def next_wakeup(state: RolloutState, status_due: float | None, *, refused: bool) -> float | None:
    """The earliest time (Unix seconds) at which a clock runs out; None when none runs."""
    waits = [left for left in _left(state, refused) if left > 0]
    times = [state.now + left for left in waits]
    if status_due is not None:
        times.append(status_due)
    return min(times, default=None)


def _left(state: RolloutState, refused: bool) -> Iterator[float]:
    strategy, clocks = state.spec.strategy, state.clocks
    if refused:
        yield ASK_AGAIN
    for at, _ in state.memory.grown.values():
        # Then its ready pods are believed again.
        yield at + GROWING_SECONDS - state.now
    for at in pod_causes.told_at(state.observed.pods or ()):
        yield at - state.now
    again_at = needs.buckets_again_at(state)
    if again_at is not None:
        yield again_at - state.now
    if (again_at := second_chances.again_at(state)) is not None:
        yield again_at - state.now
    if (again_at := needs.inputs_again_at(state)) is not None:
        yield again_at - state.now
    until = suspension.ends_at(state)
    if until is not None:
        yield until - state.now
    yield from replicas.waits(state.memory.replicas, state.roles, state.now)
    if not clocks.running:
        return
    if state.phase is Phase.STARTING:
        yield seconds(strategy.progress_deadline) - clocks.phase
    if state.phase.is_judged:
        yield seconds(strategy.deadline) - clocks.phase
    if state.phase.mirrors and strategy.shadow is not None:
        yield seconds(strategy.shadow.min_duration) - clocks.phase
        yield state.pace.stage_seconds - clocks.step
    if state.phase.shares_traffic:
        yield seconds(strategy.canary.min_step_duration) - clocks.step
    if state.phase is Phase.FULL and state.watching:
        yield seconds(strategy.watch.duration) - clocks.phase
