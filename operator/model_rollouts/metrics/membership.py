"""Which scrapes of a rollout count: those of its own pods, and which of its pods have none.

Without a label that names the pod, or where nobody knows the pods, all scrapes count and none is
missed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.pods import KnownPods, Owner, Pod
from model_rollouts.metrics.series import Sample, Series, process_name
from model_rollouts.metrics.slots import ArmSums
from model_rollouts.metrics.sources import Source

FIRST_SCRAPES = 3
"""Times between two scrapes in which a pod that has just become ready may not be scraped yet."""

MISSED_SCRAPES = 2
"""The same of a pod that was scraped before."""

MOST_NAMED = 5
"""Pods of a finding that are named in its message."""


class Membership:
    """Whose the scrapes of one rollout are, from one reading to the next."""

    def __init__(self) -> None:
        self._pods: KnownPods | None = None
        self._owners: dict[str, Owner] = {}
        self._foreign: dict[tuple[str, str], set[int]] = {}
        """The pods that are not counted, by revision and name: when they were scraped."""
        self._nameless: set[str] = set()
        """The revisions with scrapes of which no label names the pod."""
        self._waited: frozenset[str] = frozenset()
        self._names: set[str] = set()
        self.waiting: dict[str, int] = {}
        """The processes whose scrapes wait, each with the time of the first that did."""

    def begins(self, pods: KnownPods | None) -> None:
        """A reading begins, with what is known of the pods by now."""
        self._pods = pods
        self._owners.clear()
        self._nameless.clear()
        self._names.clear()
        self._waited = frozenset(self.waiting)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of the pods whose scrapes wait."""
        return tuple(sorted(self._names))

    def leaves_out(self, series: Series, samples: Iterable[Sample]) -> bool:
        """Whether a series is of a pod that is not ours: none of the samples counts."""
        if self._owner(series) is not Owner.FOREIGN:
            return False
        scraped = self._foreign.setdefault((series.revision, series.pod), set())
        scraped.update(round(seconds * 1000) for seconds, _ in samples)
        return True

    def awaits(self, series: Series, at: int) -> bool:
        """Whether a scrape has to wait until somebody knows whose it is."""
        if self._owner(series) is not Owner.UNKNOWN:
            return False
        self.waiting.setdefault(series.process, at)
        self._names.add(series.pod)
        return True

    def has_waited(self, process: str) -> bool:
        """Whether scrapes of a process waited in the reading before."""
        return process in self._waited

    def is_counted(self, process: str) -> bool:
        """Whether what this reading has of a process counts, as far as that is known."""
        return self._owners.get(process, Owner.OURS) is Owner.OURS

    def is_foreign(self, process: str) -> bool:
        """Whether what this reading had of a process was not counted."""
        return self._owners.get(process) is Owner.FOREIGN

    def forget(self, horizon: int) -> None:
        """Forget the pods that were scraped last at `horizon` or before, or wait since then."""
        self.waiting = {name: first for name, first in self.waiting.items() if first > horizon}
        found = (
            (place, {at for at in scraped if at > horizon})
            for place, scraped in self._foreign.items()
        )
        self._foreign = {place: scraped for place, scraped in found if scraped}

    def not_counted(self, arm: ArmSums, since_ms: int, until_ms: int) -> Iterator[Finding]:
        """The pods of an arm that are not ours, and were scraped in (`since_ms`, `until_ms`]."""
        names = sorted(
            name
            for (revision, name), scraped in self._foreign.items()
            if revision == arm.revision and any(since_ms < at <= until_ms for at in scraped)
        )
        if names:
            message = f"Prometheus has samples of {named(names)}, which this cluster does not have"
            yield Finding(Reason.PODS_NOT_COUNTED, arm.name, tuple(names), message)

    def missing(
        self,
        arm: ArmSums,
        sources: Iterable[Source],
        last: Mapping[str, int],
        end_ms: int,
        every_ms: int,
    ) -> Iterator[Finding]:
        """The ready pods of an arm that are not scraped, though others are.

        `last` is when each process was scraped last, `end_ms` now, and `every_ms` the usual time
        between two scrapes.
        """
        if self._pods is None or arm.revision in self._nameless:
            return
        ready = [
            pod
            for pod in self._pods.there
            if pod.revision == arm.revision and pod.ready_ms is not None
        ]
        of = [
            (pod, [process_name(each, pod.revision, pod.name) for each in sources]) for pod in ready
        ]

        def is_missed(pod: Pod, process: str) -> bool:
            scrapes = MISSED_SCRAPES if process in last else FIRST_SCRAPES
            return max(pod.ready_ms or 0, last.get(process, 0)) <= end_ms - scrapes * every_ms

        missed = sorted(
            pod.name
            for pod, processes in of
            if any(is_missed(pod, process) for process in processes)
        )
        if missed:
            message = (
                f"Prometheus does not scrape {len(missed)} of {len(ready)} ready pods of "
                f"{arm.name}: {named(missed)}"
            )
            yield Finding(Reason.SCRAPE_MISSING, arm.name, tuple(missed), message)

    def _owner(self, series: Series) -> Owner:
        owner = self._owners.get(series.process)
        if owner is None:
            owner = self._owners[series.process] = self._found(series)
            if owner is not Owner.UNKNOWN:
                self.waiting.pop(series.process, None)
        return owner

    def _found(self, series: Series) -> Owner:
        if series.template.source.is_beside:
            return Owner.OURS
        if not series.names_pod:
            self._nameless.add(series.revision)
            return Owner.OURS
        if self._pods is None:
            return Owner.OURS
        return self._pods.owner(series.revision, series.pod)


def named(pods: Sequence[str]) -> str:
    """Some of the names as words, and how many more there are."""
    more = len(pods) - MOST_NAMED
    return ", ".join(pods[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
