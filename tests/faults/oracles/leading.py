"""Of several operators one writes, and there soon is one."""

import itertools
from collections.abc import Iterator

from model_rollouts.engine.leadership import LEASE_S, RENEW_S, RETRY_S
from tests.faults import spans
from tests.faults.facts import Facts
from tests.faults.notes import Life
from tests.faults.oracles.violation import Violation
from tests.faults.spans import Span, Spans

SLACK_S = 1.0
"""What requests take, and looking who leads."""

TAKEN_OVER_S = LEASE_S + RETRY_S + SLACK_S

HEALED_S = RENEW_S + RETRY_S
"""How long an operator that was cut off waits for an answer to a request of that time."""


def one_writes_at_a_time(facts: Facts) -> Iterator[Violation]:
    """What one operator wrote is over before another one that leads by the same Lease begins."""
    if facts.scenario.operators == 1:
        return
    times: dict[int, list[float]] = {}
    for each in facts.world.requests:
        done = each.status == 200 or (each.trouble is not None and each.trouble.done)
        if each.asked.verb.writes and done:
            times.setdefault(each.life, []).append(each.ended)
    in_order = sorted((min(of), max(of), life) for life, of in times.items())
    for (_, ended, one), (begun, _, other) in itertools.pairwise(in_order):
        if ended > begun:
            yield Violation(
                begun, f"life {other} writes, and life {one} still does at {ended:.2f} s"
            )


def there_soon_is_a_leader(facts: Facts) -> Iterator[Violation]:
    """When no operator leads, one does within 17 s that is warm and reaches the API server."""
    if facts.scenario.operators == 1:
        return
    without = spans.without((Span(0.0, facts.ended),), facts.led)
    # Where somebody takes the Lease away, all wait as if one had just led.
    taken = [each.at for each in facts.world.inputs if each.what.endswith("the Lease")]
    without = spans.without(without, spans.joined(Span(at, at + TAKEN_OVER_S) for at in taken))
    for life in facts.world.lives:
        for span in spans.both(without, _able(facts, life)):
            if span.seconds > TAKEN_OVER_S:
                yield Violation(
                    span.begun + TAKEN_OVER_S,
                    f"life {life.number} could lead for {span.seconds:.1f} s, and nobody leads",
                )


def _able(facts: Facts, life: Life) -> Spans:
    """When an operator knew everything and reached the API server."""
    ended = facts.ended if life.ended is None else life.ended
    cut = tuple(
        Span(each.begun, (facts.ended if each.ended is None else each.ended) + HEALED_S)
        for each in facts.world.faults
        if each.fault.cuts and each.operator in (None, life.operator)
    )
    warm = spans.both(spans.where(life.is_warm, ended), (Span(life.begun, ended),))
    return spans.without(warm, spans.joined(cut))
