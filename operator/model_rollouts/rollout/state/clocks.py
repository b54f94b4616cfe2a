"""The clocks of deadlines: they count judged time, and nothing that others are waited for.

A pass says whether they run until the next one. While no operator runs there is no pass, and an
operator that has just begun finds them stopped: what was counted is kept, the gap is not counted.
"""

from dataclasses import replace

from model_rollouts.rollout.memory import Clocks, Memory


def tick(
    memory: Memory, of: str, now: float, *, sequence: int, fresh_until: float | None = None
) -> Clocks:
    """The clocks at `now` (Unix seconds) from those of the last pass; new ones when `of` is new.

    `of` names the phase, the revision and the attempt that they are about, `sequence` the last
    write of the route: whoever made it, a step begins with it. Time after `fresh_until` (Unix
    seconds) was not judged; None where nothing is.
    """
    before = memory.clocks
    if before is None or before.of != of:
        return Clocks(of=of, as_of=now, running=False, sequence=sequence)
    until = now if fresh_until is None else min(now, fresh_until)
    passed = max(0.0, until - before.as_of) if before.running else 0.0
    step = before.step if before.sequence == sequence else 0.0
    observed = memory.split is not None and memory.split.observed
    return replace(
        before,
        as_of=now,
        phase=before.phase + passed,
        step=step + passed if observed else step,
        sequence=sequence,
    )


def found(clocks: Clocks | None, written_at: float | None) -> Clocks | None:
    """The clocks as an operator finds them that has just begun: stopped since they were stored.

    They ran at least until the route was written last (Unix seconds), for an operator was there.
    """
    if clocks is None:
        return None
    until = max(clocks.as_of, written_at or 0.0) if clocks.running else clocks.as_of
    return replace(clocks, as_of=until, phase=clocks.phase + until - clocks.as_of, running=False)
