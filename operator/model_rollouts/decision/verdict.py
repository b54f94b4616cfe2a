"""What the engine answers: a decision, why, and what is awaited."""

from dataclasses import dataclass
from enum import StrEnum

from model_rollouts.decision.objective import Compare, Role


class Decision(StrEnum):
    """The three verdicts."""

    PASS = "Pass"  # noqa: S105 - a verdict, not a password
    """Every Gate passed: go on."""
    FAIL = "Fail"
    """The candidate is not good: roll it back. Final for this revision."""
    INCONCLUSIVE = "Inconclusive"
    """Neither is certain yet: keep the weight."""


class Reason(StrEnum):
    """Conditions beside the decision. None of them decides."""

    SERVICE_DEGRADED = "ServiceDegraded"
    """The candidate misses the target, and so does stable: never a reason to roll back."""
    NO_TRAFFIC = "NoTraffic"
    """Stable has requests and the candidate has none."""
    NO_BASELINE = "NoBaseline"
    """The candidate has requests and stable has none."""
    LOW_LOAD = "LowLoad"
    """Latency was seen mostly under less load per pod than stable carries."""
    NO_BUCKET_BOUNDARY = "NoBucketBoundary"
    DISPERSION_UNKNOWN = "DispersionUnknown"
    BURSTY_ERRORS = "BurstyErrors"


@dataclass(frozen=True, slots=True)
class Condition:
    """A reason with the objective that shows it (None: the whole rollout) and a sentence."""

    reason: Reason
    objective: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Counts of one version: `bad` of `total` requests (restarts: pod-minutes)."""

    total: float
    bad: float


@dataclass(frozen=True, slots=True)
class ObjectiveVerdict:
    """One objective's evidence, in words and in numbers.

    `passed` is for the weight that the verdict is about, `failed` for all. `is_asked`: the weight
    waits for it to pass.
    `fail_evidence` and `pass_evidence` are e-values; the objective passes at `pass_needed` and
    the rollout fails when the mean of the acting objectives' `fail_evidence` reaches
    `Verdict.fail_needed`. `proof_below` is the rate that the pass evidence is about.
    `more_requests` is the forecast of further candidate requests until it passes if the rates stay
    as seen, 0 when it passes, None when it never would. `unit` is what these are, in the plural,
    and `limit` says `proof_below` in words.
    """

    name: str
    role: Role
    compare: Compare
    is_asked: bool
    passed: bool
    failed: bool
    candidate: Seen
    stable: Seen
    good: float
    proof_below: float
    fail_evidence: float
    fail_evidence_target: float
    fail_evidence_stable: float
    pass_evidence: float
    pass_needed: float
    more_requests: float | None
    unit: str
    limit: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about going `toward` a weight (1 is promotion), explained.

    `why` is the reason alone, as a part of a sentence: it begins as its first word is written and
    has no full stop. `words` are whole sentences: the reason, and what else is to be known of it.
    """

    decision: Decision
    toward: float
    fail_evidence: float
    fail_needed: float
    objectives: tuple[ObjectiveVerdict, ...]
    conditions: tuple[Condition, ...]
    why: str
    words: str
