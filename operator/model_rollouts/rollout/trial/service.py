"""How the version that serves does for users, for as long as it serves.

A trial ends with the watch; users do not stop asking then. What they get is held against two
things: whether most of it fails right now (is the service up?), and whether the promises are kept
over hours (docs/conditions.md, `NotAnswering` and `TargetMissed`). Both can end as they began:
nothing here is final, because nothing is rolled back by it.
"""

from collections.abc import Iterable
from dataclasses import replace
from zlib import crc32

from model_rollouts.decision import (
    BLOCK,
    Burn,
    BurnBlock,
    Objective,
    Role,
    Rules,
    burn_is_over,
    fast_burn,
    lasting_burn,
    may_burn,
    promise,
)
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts
from model_rollouts.metrics.findings import Reason
from model_rollouts.metrics.pods import KnownPods
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.rollout.memory import Recent, Service
from model_rollouts.rollout.trial import error_budget
from model_rollouts.rollout.trial.samples import STABLE, counted_by, counts, failures, requests
from model_rollouts.text import clock, count, duration, observed

WINDOW_MS = 60_000
"""Right now is the last minute."""

LONGEST_MS = 600_000
"""It is as long as that when fewer than `FEWEST` requests came."""

CROWDED_MS = 600_000
"""How long pods of a service are known after others were in its samples: they may come again."""

FEWEST = 20
"""Requests from which on it can be said that most of them fail."""

FAILING_SHARE = 0.5
"""What the breaker calls bad."""

ADVICE_DEGRADED = "Look for a cause outside the model, or apply another version."
"""Ends what is told of a service that misses its objectives: a trial tells it in other words."""


def promises(judged_by: Rules) -> tuple[Objective, ...]:
    """The objectives that are looked at for as long as a version serves.

    The breaker is not needed where an objective counts the same failed requests.
    """
    acting = [
        each
        for each in judged_by.objectives
        if each.role is not Role.REPORT and not each.is_rate and not each.kind.traits.is_of_copies
    ]
    covered = any(each.kind.traits.is_under_breaker and each.slice is None for each in acting)
    return tuple(each for each in acting if not (covered and each.kind.traits.is_breaker))


def counting_request(
    key: str, namespace: str, service: Service, pods: KnownPods | None = None
) -> Request:
    """What the ticker has to count of a version that serves alone, at the slow pace.

    `pods` are those whose samples count, None where nobody knows.
    """
    rollout = MeasuredRollout(
        key=key,
        namespace=namespace,
        arms=(Arm(STABLE, service.revision),),
        objectives=counted_by(service.promises),
        # It is counted since ever, as far as a reading reaches; the rest spreads the readings.
        started_ms=crc32(key.encode()),
        sparing=True,
        pods=pods,
    )
    return Request(rollout, Watermark(service.until_ms) if service.until_ms else None)


def doubts_pods(service: Service) -> bool:
    """Whether it has to be known which pods are its own: others may be in its samples.

    Nothing is kept of the pods of a service that is well, as far as its samples tell.
    """
    return _is_crowded(service) or service.failing or service.degraded


def counted_alone(service: Service, record: IntervalCounts, *, knows_pods: bool) -> Service:
    """The service with one more interval of the slow pace, in which no trial counts it.

    Where more pods were scraped than it has, some are of others, such as another cluster that
    writes to the same store. Nothing of such an interval counts until it is known which.
    """
    arm, had = record.arms.get(STABLE), service.pods
    if arm is None or record.start_ms < service.until_ms:
        return service
    if not knows_pods and had and arm.pods > max(had):
        now = replace(service, until_ms=record.end_ms, crowded_ms=record.end_ms)
    elif _has_others(record) and not _is_crowded(service):
        # They were never more than its own, which were not scraped: what was counted was theirs.
        anew = replace(service, recent=(), spent=(), began_ms=None, failing=False, degraded=False)
        now = counted(anew, record, STABLE, service.promises)
    else:
        now = counted(service, record, STABLE, service.promises)
    told = (service.failing, service.degraded, doubts_pods(service))
    is_news = now.has_news or (now.failing, now.degraded, doubts_pods(now)) != told
    return replace(now, pods=(had[0], *had[:2]) if had else (), has_news=is_news)


def counted(
    service: Service, record: IntervalCounts, name: str, read_by: Iterable[Objective]
) -> Service:
    """The service with one more interval of the arm `name`, in which stable serves users.

    `read_by` are the objectives by which the interval was counted. One that was counted already is
    passed over, and so is one in which no pod was scraped: it says nothing. Where requests may
    count twice, only the share of failed ones is known, and no budget is spent.
    """
    arm = record.arms.get(name)
    if arm is None or record.start_ms < service.until_ms:
        return service
    if _has_others(record):
        service = replace(service, crowded_ms=record.end_ms)
    if not arm.pods:
        return replace(service, until_ms=record.end_ms)
    began_ms = record.start_ms if service.began_ms is None else service.began_ms
    spent = service.spent or (b"",) * len(service.promises)
    if name not in record.held_arms:
        elapsed = (record.end_ms - began_ms) / 1000
        spent = tuple(_spent(service.promises, spent, elapsed, arm, read_by))
    now = replace(
        service,
        began_ms=began_ms,
        until_ms=record.end_ms,
        spent=spent,
        recent=_recent(service.recent, record, arm),
    )
    told = _is_failing(now), _is_degraded(now)
    if told == (service.failing, service.degraded):
        return now
    return replace(now, failing=told[0], degraded=told[1], has_news=True)


def _is_crowded(service: Service) -> bool:
    """Whether pods of others were in its samples lately."""
    last_ms = service.crowded_ms
    return last_ms is not None and service.until_ms < last_ms + CROWDED_MS


def _has_others(record: IntervalCounts) -> bool:
    return any(each.reason is Reason.PODS_NOT_COUNTED for each in record.findings)


def failing(service: Service) -> str:
    """How many of the recent requests fail, as a sentence."""
    total, bad = _sums(service.recent)
    if not total:
        return "Stable failed most requests when they were counted last."
    seconds = max(service.until_ms - service.recent[0].start_ms, WINDOW_MS) / 1000
    share = f"{count(bad)} of {count(total)} ({observed(bad / total)})"
    return f"Stable fails most requests: {share} in the {_time(service, seconds)}."


def degraded(service: Service) -> str:
    """Which promise is missed and by how much, as a sentence."""
    for objective, packed in zip(service.promises, service.spent, strict=False):
        burn = _burn(objective, error_budget.blocks(packed))
        if burn is not None:
            seconds = min(burn.pair.long, error_budget.elapsed(service))
            return (
                f"{objective.name} failed {count(burn.bad)} of {count(burn.total)} requests "
                f"({observed(burn.bad / burn.total)}) in the {_time(service, seconds)}; "
                f"{promise(objective)}."
            )
    return "An objective was missed in the last hours."


def _spent(
    promises: tuple[Objective, ...],
    before: tuple[bytes, ...],
    end: float,
    arm: ArmCounts,
    read_by: Iterable[Objective],
) -> Iterable[bytes]:
    of = {each.name: each for each in read_by}
    for promised, packed in zip(promises, before, strict=True):
        objective = of.get(promised.name)
        found = None if objective is None else counts(objective, arm, stable=True)
        yield packed if found is None else error_budget.spent(packed, end, found)


def _recent(
    before: tuple[Recent, ...], record: IntervalCounts, arm: ArmCounts
) -> tuple[Recent, ...]:
    """The requests of the last minute, and of the time before as far as they are too few."""
    total = requests(arm)
    newest = (Recent(record.start_ms, record.end_ms, total, failures(arm)),) if total else ()
    kept: list[Recent] = []
    seen = 0
    for each in reversed((*before, *newest)):
        age_ms = record.end_ms - each.end_ms
        if age_ms >= WINDOW_MS and (seen >= FEWEST or age_ms >= LONGEST_MS):
            break
        kept.append(each)
        seen += each.total
    return tuple(reversed(kept))


def _is_failing(now: Service) -> bool:
    """Whether most requests fail.

    That begins with enough requests. It ends when most of them do not fail, or when none comes.
    """
    total, bad = _sums(now.recent)
    if not now.failing and total < FEWEST:
        return False
    return total > 0 and bad >= FAILING_SHARE * total


def _is_degraded(now: Service) -> bool:
    """Whether a promise is missed, by a fast burn of its budget or by what lasts.

    That is over once all of them are kept: the wider limit in which it begins keeps it from
    beginning again at once.
    """
    pairs = [*zip(now.promises, now.spent, strict=True)]
    if not now.degraded:
        return any(
            may_burn(error_budget.recent_blocks(packed), each.good, each.bad)
            and _burn(each, error_budget.blocks(packed)) is not None
            for each, packed in pairs
        )
    return error_budget.elapsed(now) < BLOCK or not all(
        burn_is_over(error_budget.recent_blocks(packed), each.good) for each, packed in pairs
    )


def _burn(objective: Objective, of: tuple[BurnBlock, ...]) -> Burn | None:
    """By which burn a promise is missed; None when it is kept."""
    return fast_burn(of, objective.good) or lasting_burn(of, objective.bad)


def _sums(recent: tuple[Recent, ...]) -> tuple[int, int]:
    return sum(each.total for each in recent), sum(each.bad for each in recent)


def _time(service: Service, seconds: float) -> str:
    return f"{duration(seconds)} to {clock(service.until_ms / 1000)}"
