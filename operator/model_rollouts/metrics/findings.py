"""What the intake has to say besides counts: why an interval is to be held, or what was lost."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something was found; the names appear as reasons of conditions."""

    DUPLICATE_TARGETS = "DuplicateTargets"
    """One pod is scraped by two targets: requests may count twice. Hold."""
    SCRAPE_MISSING = "ScrapeMissing"
    """A pod is ready and no target of it was scraped within two intervals. Hold."""
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    """Prometheus did not answer, or knows no pod of the arm. Hold."""
    NO_TRAFFIC = "NoTraffic"
    """The arm was scraped and counted nothing, while another arm had traffic. Hold."""
    HISTORY_LOST = "HistoryLost"
    """Counts behind the first sample of a process are unknown: it starts from a fresh baseline."""
    RESTARTED = "Restarted"
    """The counters of a process began again from zero: an event for a restarts objective."""
    NOT_A_COUNT = "NotACount"
    """A sample was NaN, infinite, negative or not a whole number, and was passed over."""
    BAD_EXCEEDS_TOTAL = "BadExceedsTotal"
    """Bad ones ran ahead of the total; the excess waits for the next interval."""


HOLDS = frozenset(
    {
        Reason.DUPLICATE_TARGETS,
        Reason.SCRAPE_MISSING,
        Reason.METRICS_UNAVAILABLE,
        Reason.NO_TRAFFIC,
    }
)
"""Reasons that forbid a verdict on the arm's counts; the others are told and change nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing found in one interval. `arm` and `pods` are empty when it concerns everything."""

    reason: Reason
    arm: str
    pods: tuple[str, ...]
    message: str

    @property
    def holds(self) -> bool:
        """Whether the counts of the arm are not to be decided on."""
        return self.reason in HOLDS
