"""Whether requests and copies arrive at candidate and stable as the route says.

The candidate's share is tested against the weight after every interval, for as long as a step
lasts. That is a test martingale: the likelihood of what arrived, averaged over all shares, over the
largest likelihood of a share that the weight allows. If the share is allowed, the chance that this
ever reaches 1 / a is at most a, however often one looks (Ville 1939; Robbins 1970 for the mixture;
Wasserman, Ramdas and Balakrishnan 2020 for the maximum over several shares). Gateways that split
by weighted round robin scatter less than that, so the chance is smaller with them.
"""

import math
from collections.abc import Collection
from dataclasses import replace

from model_rollouts.decision import is_whole
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts
from model_rollouts.metrics.findings import Reason
from model_rollouts.rollout.memory import SlicePart, Split
from model_rollouts.rollout.trial.samples import (
    CANDIDATE,
    SHADOW,
    STABLE,
    requests,
    requests_in_slices,
)
from model_rollouts.text import count, observed, percent

FALSE_ALARM = 1e-6
"""The chance that a right split is ever called wrong, for one write of the route."""

TOLERANCE = 1.25
"""Odds of candidate to stable may differ from those of the weights by this factor: retries and
rounded weights shift them a little, and over days a test would find any difference."""

NEXT_TO_NONE = 0.02
"""The share of mirrored requests that may be missing without a word: requests that were under way
when pods ended, and clients that left."""

AWAITED = 12.0
"""Copies that should have come before it is said that none comes: by chance none of so many does
once in 160,000 times."""

MISSED_REQUESTS = 20.0
"""Requests that should have come to a candidate before it is said that none reaches it."""

MISSED_MS = 20_000
"""For how long none has come by then: pods may be scraped more seldom than is counted."""

_UNSPOILED = frozenset(
    {
        Reason.NO_TRAFFIC,
        Reason.BAD_EXCEEDS_TOTAL,
        Reason.PODS_NOT_COUNTED,
    }
)
"""What may be found in an interval whose totals are still those of both arms."""


def counted(
    split: Split, record: IntervalCounts, weight: float, slices: Collection[str] = ()
) -> Split:
    """The split with one more interval, while the candidate has `weight` (0 to 1).

    `slices` are the names of those that the pods of both versions count.
    An interval is left out when it began before the route was written, when it is the first one
    after that (its counts begin at the scrapes before), or when counts of an arm are missing or
    doubled.
    """
    if not _is_whole(split, record):
        return split
    candidate = requests(record.arms[CANDIDATE])
    stable = requests(record.arms[STABLE]) if STABLE in record.arms else 0
    lasted = record.end_ms - record.start_ms
    after = replace(
        _added(split, candidate, stable),
        missed=0 if candidate else split.missed + stable,
        missed_ms=0 if candidate else split.missed_ms + lasted,
    )
    if STABLE not in record.arms:
        return replace(after, mismatch=None)
    after = replace(
        after,
        mismatch=_mismatch(after, weight),
        slices=_parts(split, record.arms[CANDIDATE], record.arms[STABLE], slices),
    )
    return replace(after, differs=_difference(after, weight))


def is_unreached(split: Split, weight: float) -> bool:
    """Whether users' requests do not reach a candidate that has `weight` (0 to 1).

    So many should have come since it had one that by chance none of them does once in 480 million
    times, and for long enough that no late scrape explains it.
    """
    if not 0 < weight < 1:
        return False
    # The requests of stable at the edge belong to a time in which the candidate had some.
    missed = max(0, split.missed - split.stable_peak)
    return split.missed_ms >= MISSED_MS and missed * weight / (1 - weight) >= MISSED_REQUESTS


def _is_whole(split: Split, record: IntervalCounts) -> bool:
    spoiled = any(finding.reason not in _UNSPOILED for finding in record.findings)
    return is_whole(split.since_ms, record.start_ms, record.end_ms) and not spoiled


def _added(split: Split, candidate: int, stable: int) -> Split:
    return replace(
        split,
        candidate=split.candidate + candidate,
        stable=split.stable + stable,
        candidate_peak=max(split.candidate_peak, candidate),
        stable_peak=max(split.stable_peak, stable),
    )


def mirrored(split: Split, record: IntervalCounts) -> Split:
    """The split with one more interval of copies: `split.mirror` percent of stable's requests.

    Left out are the intervals that `counted` leaves out, and those with copies to cold pods.
    """
    if not split.mirror or SHADOW not in record.arms or STABLE not in record.arms:
        return split
    if record.arms[SHADOW].warming or not _is_whole(split, record):
        return split
    after = _added(split, requests(record.arms[SHADOW]), requests(record.arms[STABLE]))
    return replace(after, mismatch=_wrong_copies(after))


def _wrong_copies(split: Split) -> str | None:
    """How the copies contradict the share of the mirror, each request being copied or not.

    The same test as that of the weights, on one request after the other of stable.
    """
    share, copies = split.mirror / 100, split.candidate
    fewer_stable = max(copies, split.stable - 2 * split.stable_peak)
    fewer_copies = max(0, copies - 2 * split.candidate_peak)
    uncopied = max(0, split.stable - copies)
    none = not copies and share * fewer_stable >= AWAITED
    few = too_few(copies, fewer_stable - copies, share / TOLERANCE, tolerance=1.0)
    most = share * TOLERANCE
    many = most < 1 and too_few(uncopied, fewer_copies, 1 - most, tolerance=1.0)
    if not (none or few or many):
        return None
    return (
        f"{count(copies)} of {count(split.stable)} requests were mirrored, but the route says "
        f"{percent(share)}"
    )


def left_out(split: Split) -> float | None:
    """The share of the requests to be mirrored that never came, None while it may be next to none.

    Gateways mirror no request above a limit of theirs, such as one with a large body.
    """
    if not split.mirror or split.mismatch is not None:
        return None
    share, copies = split.mirror / 100, split.candidate
    fewer_stable = max(copies, split.stable - 2 * split.stable_peak)
    if not too_few(copies, fewer_stable - copies, share * (1 - NEXT_TO_NONE), tolerance=1.0):
        return None
    return 1 - copies / (share * split.stable)


def doublings(split: Split) -> int:
    """How often the number of mirrored requests has doubled."""
    return split.candidate.bit_length()


def _parts(
    split: Split, candidate: ArmCounts, stable: ArmCounts, names: Collection[str]
) -> dict[str, SlicePart]:
    """What came of each slice, with one more interval."""
    here, there = requests_in_slices(candidate), requests_in_slices(stable)
    found = {}
    for name in names:
        before = split.slices.get(name, SlicePart())
        mine, other = here.get(name, 0), there.get(name, 0)
        found[name] = SlicePart(
            before.candidate + mine,
            before.stable + other,
            max(before.candidate_peak, mine),
            max(before.stable_peak, other),
        )
    return found


def _difference(split: Split, weight: float) -> str | None:
    """How a slice contradicts the weights although all requests together do not.

    Both versions then have different users, however long one waits. It is the test of the weights
    on the requests of that slice alone; all slices together have its chance of a false alarm.
    """
    if not 0 < weight < 1 or split.mismatch is not None or not split.slices:
        return None
    false_alarm = FALSE_ALARM / 2 / len(split.slices)
    for name, part in split.slices.items():
        if _contradicts(part, weight, false_alarm):
            own, rest = part.candidate / max(split.candidate, 1), part.stable / max(split.stable, 1)
            return (
                f"slice {name} has {count(part.candidate)} of {count(split.candidate)} requests of "
                f"the candidate ({observed(own)}) and {count(part.stable)} of "
                f"{count(split.stable)} of stable ({observed(rest)})"
            )
    return None


def _contradicts(
    seen: Split | SlicePart, weight: float, false_alarm: float = FALSE_ALARM / 2
) -> bool:
    # Pods are scraped at different moments, so each end of the time that is looked at may have an
    # interval's requests of one arm and not of the other. What is left must contradict as well.
    fewer_candidate = max(0, seen.candidate - 2 * seen.candidate_peak)
    fewer_stable = max(0, seen.stable - 2 * seen.stable_peak)
    return too_few(seen.candidate, fewer_stable, weight, false_alarm=false_alarm) or too_few(
        seen.stable, fewer_candidate, 1 - weight, false_alarm=false_alarm
    )


def _mismatch(split: Split, weight: float) -> str | None:
    if not 0 < weight < 1 or not _contradicts(split, weight):
        return None
    total = split.candidate + split.stable
    return (
        f"{count(split.candidate)} of {count(total)} requests reached the candidate, but its "
        f"weight is {percent(weight)}"
    )


def too_few(
    here: int,
    elsewhere: int,
    weight: float,
    *,
    tolerance: float = TOLERANCE,
    false_alarm: float = FALSE_ALARM / 2,
) -> bool:
    """Whether fewer requests came `here` than `weight` (between 0 and 1) says.

    Fewer is beyond `tolerance` in odds. Looked at after every request, for ever, it says so of a
    share that is not with a chance of at most `false_alarm`.
    """
    odds = weight / (1 - weight) / tolerance
    total = here + elsewhere
    share = max(here / total if total else 0.0, odds / (1 + odds))
    likelihood = here * math.log(share) + (elsewhere * math.log1p(-share) if elsewhere else 0.0)
    averaged = math.lgamma(here + 1) + math.lgamma(elsewhere + 1) - math.lgamma(total + 2)
    return averaged - likelihood >= -math.log(false_alarm)
