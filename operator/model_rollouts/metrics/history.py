"""Questions about the past of a service: requests and bad ones in blocks of time, in two halves.

How much errors come in bursts is measured on a day of history. Raw samples of a day would be
megabytes for every pod, so here Prometheus differences and sums, by the rules of the intake as far
as PromQL can follow them: each series against itself one block earlier, exact and without
extrapolation, then summed. `increase` would not do: over a few scrapes it scales counts up, and
what is scaled looks like bursts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.objectives import CountedObjective, Template, Term
from model_rollouts.metrics.selector import one_of, selector
from model_rollouts.metrics.series import Sample
from model_rollouts.metrics.sources import Listener

Block = tuple[float, float]
"""(total, bad) of one block of time."""


@dataclass(frozen=True, slots=True)
class History:
    """What is asked of the past: users' requests of an objective, for revisions of one service.

    `revisions` is stable's and, where known, those that served before it. `level` is the index of
    the level of bad (a latency objective has one for each threshold).
    """

    objective: CountedObjective
    namespace: str
    revisions: tuple[str, ...]
    level: int = 0
    batching: Batching = field(default_factory=Batching)

    def __post_init__(self) -> None:
        if not self.revisions:
            raise InputError("history, revisions", self.revisions, "at least one revision")
        if not 0 <= self.level < len(self.objective.bad):
            raise InputError(
                "history, level",
                self.level,
                f"0 to {len(self.objective.bad) - 1}, one of its levels",
            )

    def pods_text(self) -> str:
        """The query for the pods that serve at a time: one series for each."""
        return f"count by ({self.batching.labels.pod}) ({self._selector(self.objective.total[0])})"

    def total_text(self, block_ms: int, half: str) -> str:
        """The query for the total of the block that ends at a time; `half` as `halves` gives it."""
        return " + ".join(
            _signed(term, self._sum(term, block_ms, half)) for term in self.objective.total
        )

    def bad_text(self, block_ms: int, half: str) -> str:
        """The same for the bad ones."""
        return " + ".join(
            _signed(term, self._counted(term, block_ms, half))
            for term in self.objective.bad[self.level]
        )

    def halves(self, seen: Mapping[str, int]) -> tuple[str, str] | None:
        """Matchers for two halves of the pods, from how often each was seen; None for one pod.

        The longest seen take turns, so that both halves last. A pod that nobody saw is in the
        second, so that nothing is lost.
        """
        if len(seen) < 2:
            return None
        ordered = sorted(seen, key=lambda pod: (-seen[pod], pod))
        label = self.batching.labels.pod
        return one_of(label, ordered[::2]), one_of(label, ordered[::2], none=True)

    def _counted(self, term: Term, block_ms: int, half: str) -> str:
        # A series of errors that does not exist yet is no error.
        summed = self._sum(term, block_ms, half)
        return summed if term.counter.from_start else f"({summed} or vector(0))"

    def _sum(self, term: Term, block_ms: int, half: str) -> str:
        now, before = (
            self._selector(term, half),
            f"{self._selector(term, half)} offset {block_ms}ms",
        )
        # To half or less is a restart, which counts from zero; a smaller fall is a flap.
        parts = [f"({now} - {before} >= 0)", f"({now} <= ({before}) / 2)"]
        if not term.counter.from_start:
            known = f"{self._selector(self.objective.total[0], half)} offset {block_ms}ms"
            pod = self.batching.labels.pod
            parts.append(f"(({now} unless {before}) and on ({pod}) ({known}))")
        return f"sum({' or '.join(parts)})"

    def _selector(self, term: Term, half: str = "") -> str:
        objective, counter = self.objective, term.counter
        listener = Listener.LIVE if counter.listener_label is not None else None
        return selector(
            Template(objective.source, counter, listener, term.edge),
            {self.namespace},
            set(self.revisions),
            self.batching.labels,
            self.batching.matchers,
            (half,) if half else (),
        )


def _signed(term: Term, text: str) -> str:
    return text if term.sign > 0 else f"-1 * {text}"


def blocks(total: Iterable[Sample], bad: Iterable[Sample]) -> dict[float, Block]:
    """(total, bad) by the end of the block, from the answers to the two queries.

    A time that either of them lacks was not scraped. Bad ones from another scrape than their total
    may exceed it; they are cut.
    """
    wrong = {at: float(value) for at, value in bad}
    found = {}
    for at, value in total:
        if at in wrong:
            requests = float(value)
            found[at] = (requests, min(max(wrong[at], 0.0), requests))
    return found


def joined(first: Mapping[float, Block], second: Mapping[float, Block]) -> list[Block]:
    """The whole of two halves, in the order of time; a half without data counts nothing."""
    nothing = (0.0, 0.0)
    pairs = ((first.get(at, nothing), second.get(at, nothing)) for at in sorted({*first, *second}))
    return [(n + m, d + e) for (n, d), (m, e) in pairs]


def both(
    first: Mapping[float, Block], second: Mapping[float, Block]
) -> tuple[Sequence[Block], Sequence[Block]]:
    """The blocks in which both halves had requests, in the order of time."""
    times = [at for at in sorted(first) if at in second and first[at][0] and second[at][0]]
    return [first[at] for at in times], [second[at] for at in times]
