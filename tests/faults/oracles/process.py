"""One rollout's trouble is nobody else's, and never the end of the process."""

from collections.abc import Iterator

from tests.faults.facts import Facts
from tests.faults.oracles.violation import Violation

LONGEST_PASS_S = 10.0
"""No pass waits for Prometheus; and this long for the API server only when it does not answer."""

_EXPECTED = ("PlanError",)
"""What a pass may say of itself without having a fault."""


def the_process_lives(facts: Facts) -> Iterator[Violation]:
    """No exception leaves ticker, recorder, informer or reconciler, whatever comes in."""
    for life in facts.world.lives:
        if life.error is not None:
            yield Violation(life.ended or facts.ended, f"the process ended of {life.error}")


def passes_end_in_order(facts: Facts) -> Iterator[Violation]:
    """No pass ends in an exception that nobody has foreseen."""
    for error in facts.history.errors:
        if not any(each in error for each in _EXPECTED):
            yield Violation(facts.ended, error)


def passes_wait_for_nobody(facts: Facts) -> Iterator[Violation]:
    """A pass is over soon, unless the API server does not answer: others wait for it."""
    for at, seconds in facts.world.long_passes:
        waited = sum(
            min(each.ended, at) - max(each.begun, at - seconds)
            for each in facts.world.requests
            if each.trouble is not None and each.begun < at and each.ended > at - seconds
        )
        if seconds - waited > LONGEST_PASS_S:
            yield Violation(at, f"a pass has been running for {seconds:.0f} s")
            return
