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
    for each in facts.world.long_passes:
        begun = each.at - each.seconds
        waited = sum(
            min(asked.ended, each.at) - max(asked.begun, begun)
            for asked in facts.world.requests
            if asked.trouble is not None and asked.begun < each.at and asked.ended > begun
        )
        # The answer to a question that is open may come after the end, or to nobody.
        open_s = max((each.at - max(asked, begun) for asked in each.unanswered), default=0.0)
        if each.seconds - waited - open_s > LONGEST_PASS_S:
            yield Violation(each.at, f"a pass has been running for {each.seconds:.0f} s")
            return


def spared_passes_had_nothing_to_do(facts: Facts) -> Iterator[Violation]:
    """A pass that new counts did not ask for would have written nothing that anybody waits for."""
    for at, what in facts.world.spared:
        yield Violation(at, f"no pass was made, and it had something to do: {what}")
