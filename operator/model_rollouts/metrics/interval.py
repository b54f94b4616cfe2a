"""One interval while it is being filled: increments by slot, and what was noticed on the way."""

import operator
from collections import defaultdict
from collections.abc import Mapping, Sequence

from model_rollouts.metrics.counts import ArmCounts
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.process import Scrape
from model_rollouts.metrics.series import Series
from model_rollouts.metrics.slots import ArmSums
from model_rollouts.metrics.sources import Listener


class Interval:
    """What begins at `start_ms`, the sum of what the scrapes in it added; its end is open."""

    def __init__(self, start_ms: int, slots: int) -> None:
        self.start_ms = start_ms
        self.increments = [0] * slots
        self._cold = [0] * slots
        self._scraped: dict[str, int] = {}
        self._pods: dict[str, set[str]] = defaultdict(set)
        self._observers: dict[str, set[str]] = {}
        self._resets: dict[str, list[str]] = {}
        self._has_cold = False
        self._of_warm: list[int] | None = None
        """What `counted` found of warm pods, while no scrape came since."""
        self._warming: set[str] = set()
        self._noticed: set[tuple[Reason, str, str, str]] = set()
        self._carried: list[Finding] = []

    def take(self, at: int, series: Series, scrape: Scrape, *, cold: bool) -> None:
        """Add one scrape; `cold`: of a pod that was not asked for long yet."""
        revision, pod = series.revision, series.pod
        self._scraped[series.process] = at
        if is_beside := series.template.source.is_beside:
            self._observers.setdefault(revision, set()).add(pod)
        else:
            self._pods[revision].add(pod)
        increments, self._of_warm = self.increments, None
        for slot, added in scrape.added:
            increments[slot] += added
        if cold:
            self._has_cold = True
            if not is_beside:
                self._warming.add(revision)
            for slot, added in scrape.added:
                self._cold[slot] += added
        if scrape.restarted and not is_beside:
            self._resets.setdefault(revision, []).append(pod)
        if scrape.lost:
            self._noticed.add(
                (Reason.HISTORY_LOST, revision, pod, "has unknown counts before its first sample")
            )
        if scrape.duplicate_of:
            targets = "; ".join(sorted({series.target, *scrape.duplicate_of}))
            if scrape.is_alike:
                reason, so = Reason.DUPLICATE_TARGETS, "its requests count once"
            else:
                reason, so = Reason.UNLIKE_TARGETS, "requests may count twice"
            message = f"is scraped by more than one target, and {so}; keep one of: {targets}"
            self._noticed.add((reason, revision, pod, message))

    def counted(self, *, warm: bool) -> Sequence[int]:
        """The increments by slot; `warm`: without those of cold pods."""
        if not (warm and self._has_cold):
            return self.increments
        if self._of_warm is None:
            self._of_warm = list(map(operator.sub, self.increments, self._cold))
        return self._of_warm

    def has(self, process: str) -> bool:
        """Whether a process was scraped."""
        return process in self._scraped

    def refuse(self, series: Series) -> None:
        """Note a sample that is no count."""
        metric = series.template.counter.metric
        message = f"reports for {metric} what is not a count; the sample is skipped"
        self._noticed.add((Reason.NOT_A_COUNT, series.revision, series.pod, message))

    def carried(self, arm: str, objective: str, excess: int) -> None:
        """Note that bad ones wait for their total, or (negative) were counted too often."""
        message = f"{objective}: {excess:,} bad requests wait for their total in the next interval"
        self._carried.append(Finding(Reason.BAD_EXCEEDS_TOTAL, arm, (), message))

    def pods_of(self, revision: str) -> int:
        """How many pods of `revision` were scraped."""
        return len(self._pods.get(revision, ()))

    def observers_of(self, revision: str) -> int:
        """How many pods that are not its own told of `revision`."""
        return len(self._observers.get(revision, ()))

    def resets_of(self, revision: str) -> int:
        """How many processes of `revision` began again."""
        return len(self._resets.get(revision, ()))

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
            arm.name
            for arm in arms
            if any(
                counts[arm.name].tallies[each.name].total
                for each in arm.objectives
                if not each.is_beside
            )
        }
        for arm in arms:
            revision = arm.revision
            for reason, owner, pod, message in self._noticed:
                if owner == revision:
                    found.append(Finding(reason, arm.name, (pod,), f"pod {pod} {message}"))
            restarted = tuple(sorted(set(self._resets.get(revision, ()))))
            if restarted:
                message = f"counters of {', '.join(restarted)} started again from zero"
                found.append(Finding(Reason.COUNTERS_RESET, arm.name, restarted, message))
            if not counts[arm.name].pods:
                message = f"Prometheus scraped no pod of revision {revision}"
                found.append(Finding(Reason.METRICS_UNAVAILABLE, arm.name, (), message))
            elif busy and arm.name not in busy and not self.is_warming(arm):
                message = f"{arm.name} got no requests, while {' and '.join(sorted(busy))} did"
                found.append(Finding(Reason.NO_TRAFFIC, arm.name, (), message))
        return found
