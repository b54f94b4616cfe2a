"""The processes of one rollout: how often they are scraped, and which scrapes are to come."""

from collections.abc import Mapping
from statistics import median_low

from model_rollouts.metrics.interval import Interval
from model_rollouts.metrics.membership import Membership
from model_rollouts.metrics.process import NEVER, Process
from model_rollouts.metrics.scrapes import Seen
from model_rollouts.metrics.watermark import process_key

OVERDUE = 1.5
"""A scrape that did not come for so many intervals is not awaited any more."""

LONGEST_BEHIND = 64
"""Processes whose place a watermark tells at most."""


class Processes:
    """The exporters that were scraped, by name; `members` says which of them count."""

    def __init__(self, members: Membership) -> None:
        self._members = members
        self.known: dict[str, Process] = {}
        self._usual: tuple[int, int | None] | None = None
        """What `scraped_every` found for a horizon, while no scrape came since."""

    def of(self, seen: Seen) -> Process:
        """The process of a scrape."""
        self._usual = None
        process = self.known.get(seen.process)
        if process is None:
            first = seen.first
            is_beside = first.template.source.is_beside
            process = self.known[seen.process] = Process(first.revision, first.pod, is_beside)
        return process

    def scraped_every(self, horizon: int) -> int | None:
        """The usual time between two scrapes of all that count, None while it is not known."""
        if self._usual is None or self._usual[0] != horizon:
            found = [
                process.scraped_every(horizon)
                for name, process in self.known.items()
                if not process.is_beside and self._members.is_counted(name)
            ]
            times = [each for each in found if each is not None]
            self._usual = horizon, median_low(times) if times else None
        return self._usual[1]

    def awaits(
        self, revision: str, interval: Interval, end_ms: int, horizon: int, usual_ms: int
    ) -> bool:
        """Whether a pod of a revision is still to be scraped in an interval up to `end_ms`.

        Nobody waits for the observer: what it tells is taken when it comes.
        Those of which nothing was seen since `horizon` are gone. Scrapes are `usual_ms` apart where
        nothing else is known.
        """
        alive = [
            (name, process)
            for name, process in self.known.items()
            if process.counted_to > horizon
            and process.revision == revision
            and not process.is_beside
            and self._members.is_counted(name)
        ]
        if not alive:
            # What was never scraped is missed once the others have been.
            return end_ms - interval.start_ms < usual_ms
        return any(
            process.counted_to + OVERDUE * (process.scraped_every(horizon) or usual_ms) > end_ms
            for name, process in alive
            if not interval.has(name)
        )

    def counted_to(self) -> dict[str, int]:
        """When each process was scraped last, as far as that is counted."""
        return {name: process.counted_to for name, process in self.known.items()}

    def absent(self, revision: str, interval: Interval) -> dict[str, list[str]]:
        """The groups of series that pods scraped in an interval do not have, and the pods."""
        found: dict[str, list[str]] = {}
        for name in interval.scraped_after(NEVER):
            process = self.known.get(name)
            if process is not None and process.absent and process.revision == revision:
                for group in process.absent:
                    found.setdefault(group, []).append(process.pod)
        return found

    def behind(
        self, waiting: Mapping[str, int], end_ms: int, horizon: int, step_ms: int
    ) -> tuple[tuple[str, int], ...]:
        """The processes of which a scrape before `end_ms` waits or may still come, and how far.

        `waiting` are those that wait, each with what was counted before. Scrapes are `step_ms`
        apart where nothing else is known.
        """
        found = dict(waiting)
        for name, process in self.known.items():
            every = process.scraped_every(horizon) or step_ms
            is_late = name in found or process.counted_to <= end_ms - every
            if is_late and process.counted_to > horizon:
                found[name] = process.counted_to
        behind = [(process_key(name), end_ms - at) for name, at in found.items()]
        return tuple(sorted(behind, key=lambda each: (each[1], each[0]))[:LONGEST_BEHIND])

    def forget(self, horizon: int) -> None:
        """Forget what was scraped last at `horizon` or before, and what is of others."""
        self._usual = None
        self.known = {
            name: process
            for name, process in self.known.items()
            if not (process.forget(horizon) or self._members.is_foreign(name))
        }
