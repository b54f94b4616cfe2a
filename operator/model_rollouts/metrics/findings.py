"""What the intake has to say besides counts: why an interval is to be held, or what was lost."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something was found; the names appear as reasons of conditions."""

    DUPLICATE_TARGETS = "DuplicateTargets"
    """One process is scraped by two targets: requests count once, and one target is to go."""
    UNLIKE_TARGETS = "UnlikeTargets"
    """One pod is scraped by two targets that may be two processes: requests may count twice. Hold.
    """
    SCRAPE_MISSING = "ScrapeMissing"
    """A pod is ready and was not scraped, though others were: nothing is promoted."""
    PODS_NOT_COUNTED = "PodsNotCounted"
    """Prometheus has samples of pods that the cluster does not have: they are not counted."""
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    """Prometheus did not answer, or knows no pod of the arm. Hold."""
    SERIES_MISSING = "SeriesMissing"
    """Scrapes of a pod lack a series that an objective needs: it has no counts, and nothing is
    promoted."""
    NO_TRAFFIC = "NoTraffic"
    """The arm was scraped and counted nothing, while another arm had traffic. Hold."""
    HISTORY_LOST = "HistoryLost"
    """Counts behind the first sample of a process are unknown: it starts from a fresh baseline."""
    COUNTERS_RESET = "CountersReset"
    """The counters of a process began again from zero: of a proxy that is no crash of a model."""
    NOT_A_COUNT = "NotACount"
    """A sample was NaN, infinite, negative or not a whole number, and was passed over."""
    BAD_EXCEEDS_TOTAL = "BadExceedsTotal"
    """Bad ones ran ahead of the total; the excess waits for the next interval."""


HOLDS = frozenset(
    {
        Reason.UNLIKE_TARGETS,
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
