"""One interval while it is being filled: increments by slot, and what was noticed on the way."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from model_rollouts.metrics.counts import ArmCounts
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.process import Scrape
from model_rollouts.metrics.series import Series
from model_rollouts.metrics.slots import ArmSums
from model_rollouts.metrics.sources import Listener


class Interval:
    """(start_ms, end_ms], the sum of what the scrapes in it added."""

    def __init__(self, start_ms: int, end_ms: int, slots: int) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.increments = [0] * slots
        self._scraped: dict[str, int] = {}
        self._pods: dict[str, set[str]] = defaultdict(set)
        self._restarts: dict[str, list[str]] = {}
        self._warming: set[str] = set()
        self._noticed: set[tuple[Reason, str, str, str]] = set()
        self._carried: list[Finding] = []

    def take(self, at: int, series: Series, scrape: Scrape, ignored: frozenset[int] | None) -> None:
        """Add one scrape; increments of `ignored` slots are left out."""
        revision, pod = series.revision, series.pod
        self._scraped[series.process] = at
        self._pods[revision].add(pod)
        increments = self.increments
        if ignored is None:
            for slot, added in scrape.added:
                increments[slot] += added
        else:
            self._warming.add(revision)
            for slot, added in scrape.added:
                if slot not in ignored:
                    increments[slot] += added
        if scrape.restarted:
            self._restarts.setdefault(revision, []).append(pod)
        if scrape.lost:
            self._noticed.add(
                (Reason.HISTORY_LOST, revision, pod, "has unknown counts before its first sample")
            )
        if scrape.duplicate_of:
            targets = "; ".join(sorted({series.target, *scrape.duplicate_of}))
            self._noticed.add(
                (
                    Reason.DUPLICATE_TARGETS,
                    revision,
                    pod,
                    "is scraped by more than one target, so requests may count twice; keep one of: "
                    f"{targets}",
                )
            )

    def refuse(self, series: Series, text: str) -> None:
        """Note a sample that is no count."""
        metric = series.template.counter.metric
        message = f"reports {text} for {metric}, which is not a count; the sample is skipped"
        self._noticed.add((Reason.NOT_A_COUNT, series.revision, series.pod, message))

    def carried(self, arm: str, objective: str, excess: int) -> None:
        """Note that bad ones wait for their total, or (negative) were counted too often."""
        message = f"{objective}: {excess:,} bad requests wait for their total in the next interval"
        self._carried.append(Finding(Reason.BAD_EXCEEDS_TOTAL, arm, (), message))

    def pods_of(self, revision: str) -> int:
        """How many pods of `revision` were scraped."""
        return len(self._pods.get(revision, ()))

    def restarts_of(self, revision: str) -> int:
        """How many processes of `revision` began again."""
        return len(self._restarts.get(revision, ()))

    def scraped_after(self, since_ms: int) -> frozenset[str]:
        """The processes with a scrape after `since_ms`."""
        return frozenset(name for name, at in self._scraped.items() if at > since_ms)

    def is_warming(self, arm: ArmSums) -> bool:
        """Whether the arm gets mirrored requests, and those of a pod were left out of them."""
        return arm.listener is Listener.SHADOW and arm.revision in self._warming

    def findings(self, arms: Sequence[ArmSums], counts: Mapping[str, ArmCounts]) -> list[Finding]:
        """What is to be said of each arm, in no order."""
        found = list(self._carried)
        busy = {
            name
            for name, arm in counts.items()
            if any(tally.total for tally in arm.tallies.values())
        }
        for arm in arms:
            revision = arm.revision
            for reason, owner, pod, message in self._noticed:
                if owner == revision:
                    found.append(Finding(reason, arm.name, (pod,), f"pod {pod} {message}"))
            restarted = tuple(sorted(set(self._restarts.get(revision, ()))))
            if restarted:
                message = f"counters of {', '.join(restarted)} started again from zero"
                found.append(Finding(Reason.RESTARTED, arm.name, restarted, message))
            if not counts[arm.name].pods:
                message = f"Prometheus scraped no pod of revision {revision}"
                found.append(Finding(Reason.METRICS_UNAVAILABLE, arm.name, (), message))
            elif busy and arm.name not in busy and not self.is_warming(arm):
                message = f"{arm.name} got no requests, while {' and '.join(sorted(busy))} did"
                found.append(Finding(Reason.NO_TRAFFIC, arm.name, (), message))
        return found
