"""Counts of a tick become evidence: the trial of a candidate, or of a promoted version."""

from model_rollouts.api.deployment import Spec
from model_rollouts.decision import Dispersion, Rules
from model_rollouts.metrics.measured import Request
from model_rollouts.metrics.records import Counted, Unavailable
from model_rollouts.rollout.memory import Memory, Trial


def rules(spec: Spec, *, baseline: bool) -> Rules:
    """What a trial under `spec` is judged by; `baseline`: whether stable has users beside it."""
    raise NotImplementedError


def begin(
    revision: str, attempt: int, judged_by: Rules, dispersion: Dispersion | None, started_ms: int
) -> Trial:
    """A trial without evidence."""
    raise NotImplementedError


def request(key: str, namespace: str, trial: Trial, stable: str | None) -> Request:
    """What the ticker has to count for a trial; `stable` None when nobody serves beside it."""
    raise NotImplementedError


def take(memory: Memory, counted: Counted | Unavailable, weight: float) -> Memory:
    """The memory after a tick of what `request` asked for, with the candidate's weight then.

    Evidence, watermark, split, findings and the time of the last request move on.
    """
    raise NotImplementedError
