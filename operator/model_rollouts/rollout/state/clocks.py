"""The clocks of deadlines: they count what passes, and stand while a rollout is paused."""

from dataclasses import replace

from model_rollouts.rollout.memory import Clocks, Memory


def tick(memory: Memory, of: str, now: float, *, sequence: int, paused: bool) -> Clocks:
    """The clocks at `now` (Unix seconds) from those of the last pass; new ones when `of` is new.

    `of` names the phase, the revision and the attempt that they are about, `sequence` the last
    write of the route: whoever made it, a step begins with it.
    """
    before = memory.clocks
    if before is None or before.of != of:
        return Clocks(of=of, as_of=now, running=not paused, sequence=sequence)
    passed = max(0.0, now - before.as_of) if before.running else 0.0
    step = before.step if before.sequence == sequence else 0.0
    observed = memory.split is not None and memory.split.observed
    return replace(
        before,
        as_of=now,
        phase=before.phase + passed,
        step=step + passed if observed else step,
        running=not paused,
        sequence=sequence,
    )
