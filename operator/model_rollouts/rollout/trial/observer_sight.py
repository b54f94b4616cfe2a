"""What the observer told of a candidate on copies, beside what its proxies counted.

Only what the observer lacks is read from here: whether answers agree is evidence as any other. The
counts begin anew with an operator, which costs time and decides nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from model_rollouts.decision import Objective, Role
from model_rollouts.metrics.counts import IntervalCounts
from model_rollouts.rollout.memory import ObserverSight, Trial
from model_rollouts.rollout.trial.samples import SHADOW, STABLE, kept_records, requests

SILENT_MS = 60_000
"""What is not told for so long is not only late."""

MINUTE_MS = 60_000

LEAST_PAIRED = 0.8
"""Of the pairs that mirrored requests should give: bodies that are cut, answers that stable did not
give and what is under way make some fewer."""

ITSELF = 0.1
"""Of the mirrored requests, those that go to another pod of stable too. Gateways decide by one
number for both mirrors, so that these are among those that the candidate gets: measured with Envoy.
"""

YOUNG_MS = 15_000
"""An answer is told when it ended, in batches, and its pair is scraped after it was counted: of the
last copies the pairs are not there yet. While a share grows tenfold these would be most of all."""

FEW = 10
"""Pairs that should have come before it is told that none did."""

MOST_LOST = 0.01
"""The share of records that may be lost: a version could be worse in just these."""


def compared(objectives: Iterable[Objective]) -> tuple[Objective, ...]:
    """The objectives that wait for the observer: they act, and are counted by it."""
    return tuple(
        each
        for each in objectives
        if each.kind.traits.is_of_copies and each.role is not Role.REPORT
    )


def counted(
    sight: ObserverSight | None, trial: Trial, record: IntervalCounts
) -> ObserverSight | None:
    """The sight after one interval on copies; None where nothing that acts is compared."""
    objectives = compared(trial.judge.rules.objectives)
    if not objectives:
        return None
    arm, now = record.arms[SHADOW], sight or ObserverSight(record.start_ms, record.start_ms)
    copies, seen = requests(arm), arm.observers > 0
    pairs = {each.name: arm.tallies[each.name].total for each in objectives}
    came = all(pairs.values())
    if came and record.start_ms - now.paired_ms >= SILENT_MS:
        # What was not compared meanwhile was held against it for as long as that lasted.
        now = replace(now, copies=0, young=(), pairs={})
    # Scraped less often than the pods it has told of these by now; away, it never will.
    waited = now.unseen if record.end_ms - now.seen_ms < SILENT_MS else 0
    total, lost = _records(record)
    new = copies + waited if seen else 0
    young = (*now.young, (record.end_ms, new))
    minute, (present, before) = record.end_ms // MINUTE_MS, now.records
    if minute != now.minute:
        present, before = (0, 0), present if minute == now.minute + 1 else (0, 0)
    return replace(
        now,
        seen_ms=record.end_ms if seen else now.seen_ms,
        paired_ms=record.end_ms if came else now.paired_ms,
        until_ms=record.end_ms,
        back_ms=record.start_ms if seen and now.unseen else now.back_ms,
        copies=now.copies + new,
        young=tuple(each for each in young if each[0] > record.end_ms - YOUNG_MS),
        unseen=0 if seen else now.unseen + copies,
        unpaired=0 if came else now.unpaired + copies,
        pairs={name: now.pairs.get(name, 0) + number for name, number in pairs.items()},
        parts={each.name: ITSELF if each.is_against_itself else 1.0 for each in objectives},
        minute=minute,
        records=((present[0] + total, present[1] + lost), before),
        lost=now.lost + lost,
    )


def _records(record: IntervalCounts) -> tuple[int, int]:
    """The records of both arms that were sent in an interval, and those that were lost."""
    arms = (record.arms.get(name) for name in (SHADOW, STABLE))
    found = (kept_records(arm) for arm in arms if arm is not None)
    tallies = [tally for tally in found if tally is not None]
    return sum(each.total for each in tallies), sum(each.bad[0] for each in tallies)


def is_away(sight: ObserverSight) -> bool:
    """Whether Prometheus has had no sample of it for long, though requests were mirrored."""
    return bool(sight.unseen) and sight.until_ms - sight.seen_ms >= SILENT_MS


def is_back_lately(sight: ObserverSight) -> bool:
    """Whether it may not have told yet what it lacks of the time in which it was away."""
    return bool(sight.back_ms) and sight.until_ms - sight.back_ms < YOUNG_MS


def is_behind(sight: ObserverSight, share: float) -> bool:
    """Whether it has had no new pair for long. `share` of the copies should give one."""
    silent = sight.until_ms - sight.paired_ms >= SILENT_MS
    due = sight.unpaired * share * min(sight.parts.values(), default=1.0)
    return silent and due >= FEW and all(sight.pairs.values())


def sent(sight: ObserverSight, share: float) -> tuple[float, int]:
    """About how many records of captured requests were sent lately, and how many of them are lost.

    `share` of all requests are captured, and only records of these are numbered.
    """
    total, lost = (sum(each) for each in zip(*sight.records, strict=True))
    return (total - lost) * share + lost, lost


def loses(sight: ObserverSight, share: float) -> bool:
    """Whether it lacks more records than it may, beyond chance."""
    total, lost = sent(sight, share)
    most = MOST_LOST * total
    return lost > most + 3 * math.sqrt(most)


def answered(sight: ObserverSight) -> int:
    """The copies of which a pair would be here by now."""
    return sight.copies - sum(number for _, number in sight.young)


def lacks_pairs(sight: ObserverSight, share: float) -> str | None:
    """The objective with too few pairs, the one that lacks most first; None for none.

    `share` of the copies should give one. Three standard deviations are left for the sampling.
    """
    name = min(sight.pairs, key=lambda each: sight.pairs[each] / sight.parts.get(each, 1.0))
    pairs, due = sight.pairs[name], expected(sight, share, name)
    enough = pairs > 0 and pairs + 3 * math.sqrt(due) >= LEAST_PAIRED * due
    return None if enough else name


def expected(sight: ObserverSight, share: float, name: str) -> float:
    """The pairs that an objective should have, where `share` of the copies give one."""
    return answered(sight) * share * sight.parts.get(name, 1.0)
