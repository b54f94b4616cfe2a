"""Whether values of requests are spread over bins otherwise than they were: tests at any time.

Each test multiplies e-values of successive looks (see `evalue`), so it may be asked after each of
them: while the null hypothesis holds, its e-value ever exceeds 1 / alpha with probability alpha at
most. The null is "within the tolerance", because no two days are quite the same.

What independence means here: one request is one trial. Rows of one request together weigh 1, and
equal rows of one look are one, or what one client repeats becomes a shift.
"""

import base64
import hashlib
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

from model_rollouts.decision.codec import EvidenceRefusedError
from model_rollouts.decision.evalue import target_coefficients
from model_rollouts.decision.look_limit import bounded_exp, log_sum
from model_rollouts.decision.nearest import nearest, nearest_pair, shares

SHIFTED = 20.0
"""The e-value from which on something has moved: wrong in 5 % of all cases at most."""

TOLERANCE = 0.05
"""The total variation that is no shift, unless another one is chosen."""
SHARE_TOLERANCE = 0.005
"""The same of a single share that should be near 0, such as that of missing values."""

_PRIOR = 0.5
"""What each bin has before the first request: Jeffreys' prior, as Krichevsky and Trofimov's."""
_MULTIPLES = (2.0, 4.0, 10.0, 40.0)
"""Of the limit of a share: the bets."""


class ShiftEvidence(NamedTuple):
    """What is known: the logarithm of the e-value, the highest so far, and the counts of bins.

    `baseline` are the counts of the version that is compared with, empty where that is a reference.
    """

    log: float
    highest: float
    counts: tuple[float, ...]
    baseline: tuple[float, ...] = ()

    @property
    def has_shifted(self) -> bool:
        """Whether it was ever shown that the values moved by more than the tolerance."""
        return self.highest >= math.log(SHIFTED)


@dataclass(frozen=True, slots=True)
class AgainstReference:
    """Step by step: against "values are spread as in a reference, within the tolerance".

    reference: shares of at least two bins, which sum to 1; tolerance: total variation, above 0 and
    below 1. In each look the predictor q is the counts before, each with 1/2 more, as shares, and p
    is what lies within the tolerance nearest to q; the e-value is prod((q / p) ** count). Since p
    is a projection onto a convex set, E[q / p] <= 1 for every distribution within the tolerance,
    also when it changes from request to request (`nearest`).
    """

    reference: tuple[float, ...]
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        _check_tolerance(self.tolerance)
        if len(self.reference) < 2 or min(self.reference) < 0:
            raise ValueError(f"reference: found {self.reference}, need shares of two bins or more")
        if not math.isclose(math.fsum(self.reference), 1, abs_tol=1e-9):
            raise ValueError(f"reference: its shares sum to {math.fsum(self.reference)}, need 1")

    def start(self) -> ShiftEvidence:
        """Before the first request."""
        return ShiftEvidence(0.0, 0.0, (0.0,) * len(self.reference))

    def update(self, evidence: ShiftEvidence, counts: Sequence[float]) -> ShiftEvidence:
        """After a look with `counts` in the bins, which may be fractions of requests."""
        _check_counts(counts, len(self.reference))
        predicted = shares([each + _PRIOR for each in evidence.counts])
        null = nearest(predicted, self.reference, self.tolerance)
        log = evidence.log + _log_ratio(counts, predicted, null)
        return ShiftEvidence(log, max(evidence.highest, log), _added(evidence.counts, counts))


@dataclass(frozen=True, slots=True)
class AgainstBaseline:
    """Step by step: against "values of two versions are spread alike at the same time".

    The daily cycle, which both have, is no shift. As `AgainstReference`, with a predictor for each
    version, and the pair of distributions within the tolerance of each other that is nearest to
    both. Valid for any split of the requests, which may change, and while both distributions
    change: by the condition of the optimum n E[q / p] + m E[q' / p'] <= n + m, and by the
    inequality of arithmetic and geometric means the product over n and m requests is at most 1.
    """

    bins: int
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        _check_tolerance(self.tolerance)
        if self.bins < 2:
            raise ValueError(f"bins: found {self.bins}, need two or more")

    def start(self) -> ShiftEvidence:
        """Before the first request."""
        nothing = (0.0,) * self.bins
        return ShiftEvidence(0.0, 0.0, nothing, nothing)

    def update(
        self, evidence: ShiftEvidence, counts: Sequence[float], baseline: Sequence[float]
    ) -> ShiftEvidence:
        """After a look with `counts` of the version and `baseline` of the other one."""
        _check_counts(counts, self.bins)
        _check_counts(baseline, self.bins)
        n, m = math.fsum(counts), math.fsum(baseline)
        log = evidence.log
        # Requests of one version alone say nothing of a difference: its distribution is free.
        if n and m:
            predicted = shares([each + _PRIOR for each in evidence.counts])
            other = shares([each + _PRIOR for each in evidence.baseline])
            p, r = nearest_pair(
                [n * each for each in predicted], [m * each for each in other], self.tolerance
            )
            log += _log_ratio(counts, predicted, p) + _log_ratio(baseline, other, r)
        return ShiftEvidence(
            log,
            max(evidence.highest, log),
            _added(evidence.counts, counts),
            _added(evidence.baseline, baseline),
        )


@dataclass(frozen=True, slots=True)
class ShareAbove:
    """Step by step: against "a share, such as that of missing values, is at most its limit".

    A mixture of likelihood ratios at multiples of the limit (Robbins 1970), which finds such a
    share sooner than its bin among the others does. Evidence has two counts: those of that kind,
    and the others.
    """

    limit: float = SHARE_TOLERANCE

    def __post_init__(self) -> None:
        if not 0 < self.limit < 0.5:
            raise ValueError(f"limit: found {self.limit}, need more than 0 and less than 0.5")

    def start(self) -> ShiftEvidence:
        """Before the first request."""
        return ShiftEvidence(0.0, 0.0, (0.0, 0.0))

    def update(self, evidence: ShiftEvidence, counts: Sequence[float]) -> ShiftEvidence:
        """After a look with `counts` of that kind, and of the others."""
        _check_counts(counts, 2)
        found, others = known = _added(evidence.counts, counts)
        bets = [multiple * self.limit for multiple in _MULTIPLES if multiple * self.limit < 1]
        logs = []
        for bet in bets:
            u, v = target_coefficients(self.limit, bet, events=False, dispersion=1.0)
            logs.append(found * u + (found + others) * v)
        log = log_sum(logs) - math.log(len(bets))
        return ShiftEvidence(log, max(evidence.highest, log), known)


ShiftTest = AgainstReference | AgainstBaseline | ShareAbove


def of_two_samples(
    first: Sequence[float], second: Sequence[float], tolerance: float = TOLERANCE
) -> float:
    """The log e-value against "both samples are of distributions within `tolerance`".

    For two whole samples whose order is not known, such as files: universal inference (Wasserman,
    Ramdas, Balakrishnan, PNAS 2020). The marginal likelihood of the counts under Dirichlet priors
    of 1/2, over the largest likelihood of a pair within the tolerance. Valid at one look; a
    step-wise test needs about half the requests.
    """
    _check_tolerance(tolerance)
    for counts in (first, second):
        _check_counts(counts, len(first))
    if not (math.fsum(first) and math.fsum(second)):
        return 0.0
    p, r = nearest_pair(first, second, tolerance)
    most = _log_likelihood(first, p) + _log_likelihood(second, r)
    return _log_marginal(first) + _log_marginal(second) - most


def log_mean(logs: Sequence[float]) -> float:
    """The logarithm of the mean of e-values: an e-value itself, whatever they have in common."""
    return log_sum(logs) - math.log(len(logs))


def moved_ones(logs: Sequence[float]) -> list[int]:
    """Which of several have moved, by their log e-values: none is named wrongly, but in 5 %."""
    limit = math.log(SHIFTED * max(len(logs), 1))
    return [index for index, log in enumerate(logs) if log >= limit]


def evalue(log: float) -> float:
    """An e-value by its logarithm, without overflow."""
    return bounded_exp(log)


VERSION = 1
_HEADER = struct.Struct("<B8sBH")
"""Version, fingerprint of the test, arms, bins."""
_CHECKSUM = struct.Struct("<I")


def encode_shift(test: ShiftTest, evidence: ShiftEvidence) -> str:
    """The evidence as ASCII text, bound to its test; 20 bins of one arm in under 250 characters."""
    bins = len(evidence.counts)
    arms = 2 if evidence.baseline else 1
    numbers = (evidence.log, evidence.highest, *evidence.counts, *evidence.baseline)
    head = _HEADER.pack(VERSION, _fingerprint(test), arms, bins)
    body = head + struct.pack(f"<{len(numbers)}d", *numbers)
    return base64.b85encode(body + _CHECKSUM.pack(zlib.crc32(body))).decode("ascii")


def resume_shift(text: str, test: ShiftTest) -> ShiftEvidence:
    """The evidence that `encode_shift` was given with an equal test.

    Raises EvidenceRefusedError when the text is damaged, of another version, or of another test:
    other bins, another reference or another tolerance.
    """
    try:
        raw = base64.b85decode(text)
        body = raw[: -_CHECKSUM.size]
        (checksum,) = _CHECKSUM.unpack(raw[-_CHECKSUM.size :])
        version, fingerprint, arms, bins = _HEADER.unpack_from(body)
    except (ValueError, struct.error):
        raise EvidenceRefusedError("the stored evidence is damaged") from None
    if zlib.crc32(body) != checksum:
        raise EvidenceRefusedError("the stored evidence is damaged")
    if version != VERSION:
        raise EvidenceRefusedError(f"the stored evidence has version {version}, not {VERSION}")
    if fingerprint != _fingerprint(test):
        raise EvidenceRefusedError("the stored evidence is of another reference or tolerance")
    log, highest, *counts = struct.unpack_from(f"<{2 + arms * bins}d", body, _HEADER.size)
    return ShiftEvidence(log, highest, tuple(counts[:bins]), tuple(counts[bins:]))


def _fingerprint(test: ShiftTest) -> bytes:
    return hashlib.sha256(repr(test).encode()).digest()[:8]


def _log_ratio(counts: Sequence[float], predicted: Sequence[float], null: Sequence[float]) -> float:
    each = zip(counts, predicted, null, strict=True)
    return math.fsum([count * math.log(q / p) for count, q, p in each if count])


def _log_likelihood(counts: Sequence[float], of: Sequence[float]) -> float:
    each = zip(counts, of, strict=True)
    return math.fsum([count * math.log(share) for count, share in each if count])


def _log_marginal(counts: Sequence[float]) -> float:
    prior = _PRIOR * len(counts)
    each = [math.lgamma(count + _PRIOR) - math.lgamma(_PRIOR) for count in counts]
    return math.lgamma(prior) - math.lgamma(math.fsum(counts) + prior) + math.fsum(each)


def _added(before: Sequence[float], counts: Sequence[float]) -> tuple[float, ...]:
    return tuple(starmap(lambda a, b: a + b, zip(before, counts, strict=True)))


def _check_tolerance(tolerance: float) -> None:
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance: found {tolerance}, need more than 0 and less than 1")


def _check_counts(counts: Sequence[float], bins: int) -> None:
    if len(counts) != bins:
        raise ValueError(f"counts: found {len(counts)} bins, need {bins}")
    if not all(0 <= each < math.inf for each in counts):
        raise ValueError(f"counts: found {tuple(counts)}, need numbers that are not negative")
