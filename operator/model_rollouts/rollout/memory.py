"""What one pass hands to the next. Lost, it costs evidence and time, never a role."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model_rollouts.api.status import ObjectiveStatus
from model_rollouts.decision import Dispersion, Judge, State
from model_rollouts.metrics.findings import Finding
from model_rollouts.metrics.watermark import Watermark


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds that count towards deadlines, as of `as_of` (Unix seconds).

    They stand while the rollout is paused: `running` says whether they ran since `as_of`.
    `phase` counts since the phase began, and `step` since the split of the present step was
    observed (0 before). `of` names the phase, the revision and the attempt that they are about.
    """

    of: str
    as_of: float
    phase: float = 0.0
    step: float = 0.0
    running: bool = True


@dataclass(frozen=True, slots=True)
class Trial:
    """The candidate, or a promoted revision under watch, before the judge.

    `started_ms` (Unix milliseconds, on the grid) is where counting began, `watermark` up to where
    it has come. `judge` and `state` are the evidence; a trial of other rules starts anew.
    """

    revision: str
    attempt: int
    started_ms: int
    judge: Judge
    state: State
    watermark: Watermark | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """What arrived where since the route was written last (`since_ms`, Unix milliseconds).

    `candidate_peak` and `stable_peak` are the most that one interval had. `mismatch` says in words
    how the split that is seen contradicts the weights, None while it does not. The split is
    observed once the candidate has had a request and nothing contradicts.
    """

    since_ms: int
    candidate: int = 0
    stable: int = 0
    candidate_peak: int = 0
    stable_peak: int = 0
    mismatch: str | None = None

    @property
    def observed(self) -> bool:
        """Whether users are split as the route says, as far as that can be told."""
        return self.candidate > 0 and self.mismatch is None


@dataclass(frozen=True, slots=True)
class Written:
    """The status as it was last written, when (Unix seconds), and how often since a transition."""

    status: dict[str, Any]
    at: float
    refreshes: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything of a rollout that is in no object but its status.

    The engine keeps it per ModelDeployment and starts with `Memory()` after a restart: `plan` then
    reads it back from `status.evidence`.
    """

    clocks: Clocks | None = None
    trial: Trial | None = None
    split: Split | None = None
    dispersion: Dispersion | None = None
    """Of stable's errors, measured once for each trial; None until it is known."""
    findings: tuple[Finding, ...] = ()
    """What the last intervals had to say besides counts; empty when all is well."""
    last_request_ms: int | None = None
    """The end of the last interval in which the candidate had a request."""
    scraped_ms: int | None = None
    """The end of the last interval in which a pod of what is judged was scraped."""
    unscraped_since: float | None = None
    """When the candidate's pods were seen ready without any sample of them (Unix seconds), None
    while there is one, or no pod is ready."""
    written: Written | None = None
    routed_at: float | None = None
    """When the route was written last (Unix seconds), None when not by this process."""
    grown: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """When a revision was last given more pods (Unix seconds), and how many it had."""
    verdicts: tuple[ObjectiveStatus, ...] = ()
    """How the candidate that was taken back last stood."""
    note: str | None = None
    """What was said about the last write of the route, until the status tells it."""
    superseded: str | None = None
    """The candidate that was dropped, until the status tells it."""
    repaired: Mapping[str, str] = field(default_factory=dict)
    """How an object was when it was repaired last, by `Kind/name`: a repair that changes nothing is
    not tried again."""
    sound: Mapping[str, str] = field(default_factory=dict)
    """The versions of everything that a revision is, when nothing of it had to be repaired: while
    they stay, it is not compared again."""
