"""Questions about the past of a service: requests and bad ones in blocks of time, in two halves.

What several servers or jobs have of one counter is one counter: of its copies the highest counts.

How much errors come in bursts is measured on a day of history. Raw samples of a day would be
megabytes for every pod, so here Prometheus differences and sums, by the rules of the intake as far
as PromQL can follow them: each series against itself one block earlier, exact and without
extrapolation, then summed. `increase` would not do: over a few scrapes it scales counts up, and
what is scaled looks like bursts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.objectives import CountedObjective, Template, Term
from model_rollouts.metrics.selector import is_named, selector
from model_rollouts.metrics.series import LabelNames, Sample
from model_rollouts.metrics.sources import Listener, Source

Block = tuple[float, float]
"""(total, bad) of one block of time."""

MOST_NAMED = 19
"""Pods that a query names, each many times: VictoriaMetrics takes no query above 16 KiB."""

TARGET = "instance"
"""The label with the address that was scraped: the best name of a pod that no label names."""


def some_pods(batching: Batching, pods: Collection[str] | None) -> tuple[str, ...]:
    """The matchers for pods by name, where some are enough; none where nobody knows the names."""
    named = sorted(pods or ())[:MOST_NAMED]
    return (is_named(batching.labels.pod, named),) if named else ()


@dataclass(frozen=True, slots=True)
class History:
    """What is asked of the past: users' requests of an objective, for revisions of one service.

    `revisions` is stable's and, where known, those that served before it. `level` is the index of
    the level of bad (a latency objective has one for each threshold). `pods` are the names of those
    that count, None for all of these revisions.
    """

    objective: CountedObjective
    namespace: str
    revisions: tuple[str, ...]
    level: int = 0
    batching: Batching = field(default_factory=Batching)
    pods: frozenset[str] | None = None

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

    def scraped_text(self, since_ms: int) -> str:
        """The query for the pods that were scraped since a time: one series for each."""
        selected = self._selector(self.objective.total[0])
        return f"count by ({self.batching.labels.pod}) (timestamp({selected}) >= {since_ms / 1000})"

    def total_text(self, block_ms: int, half: str) -> str:
        """The query for the total of the block that ends at a time; `half` as `halves` gives it."""
        first, *others = self.objective.total
        return " + ".join(
            [
                # Without it there is no total: the pods were not scraped.
                _signed(first, self._sum(first, block_ms, half)),
                *(_signed(term, self._counted(term, block_ms, half)) for term in others),
            ]
        )

    def bad_text(self, block_ms: int, half: str) -> str:
        """The same for the bad ones."""
        return " + ".join(
            _signed(term, self._counted(term, block_ms, half))
            for term in self.objective.bad[self.level]
        )

    def halves(self, seen: Mapping[str, int]) -> tuple[str, str] | None:
        """Matchers for two halves of the pods, from how often each was seen; None for one pod.

        The longest seen take turns, so that both halves last. The second is all that is not in the
        first: also a pod that nobody saw, and what would not fit into a query.
        """
        if len(seen) < 2:
            return None
        ordered = sorted(seen, key=lambda pod: (-seen[pod], pod))
        label, first = self.batching.labels.pod, ordered[::2][:MOST_NAMED]
        return is_named(label, first), is_named(label, first, none=True)

    def _counted(self, term: Term, block_ms: int, half: str) -> str:
        # A series of errors that does not exist yet is no error.
        summed = self._sum(term, block_ms, half)
        return summed if term.counter.from_start else f"({summed} or vector(0))"

    def _sum(self, term: Term, block_ms: int, half: str) -> str:
        now, before = self._once(term, half), self._once(term, half, block_ms)
        # To half or less is a restart, which counts from zero; a smaller fall is a flap.
        parts = [f"({now} - {before} >= 0)", f"({now} <= ({before}) / 2)"]
        if not term.counter.from_start:
            known = self._once(self.objective.total[0], half, block_ms)
            pod = self.batching.labels.pod
            parts.append(f"(({now} unless {before}) and on ({pod}) ({known}))")
        return f"sum({' or '.join(parts)})"

    def _once(self, term: Term, half: str, before_ms: int = 0) -> str:
        """A counter of each pod once, whoever scraped it; `before_ms` earlier."""
        labels, offset = self.batching.labels, f" offset {before_ms}ms" if before_ms else ""
        alone = one_copy(self.objective.source, labels)
        return f"max {alone} ({self._selector(term, half)}{offset})"

    def _selector(self, term: Term, half: str = "") -> str:
        objective, counter = self.objective, term.counter
        listener = Listener.LIVE if counter.listener_label is not None else None
        pods = () if self.pods is None else (is_named(self.batching.labels.pod, self.pods),)
        return selector(
            Template(objective.source, counter, listener, term.edge),
            {self.namespace},
            set(self.revisions),
            self.batching.labels,
            self.batching.matchers,
            (*pods, half) if half else pods,
        )


def one_copy(source: Source, names: LabelNames, *more: str) -> str:
    """How series are grouped so that copies of one counter come together.

    `more` are labels of the metric that stay apart besides.
    """
    if source.metric_label_prefixes:
        # A selector fixes all labels of the metric, but for these.
        return f"by ({', '.join((names.pod, TARGET, *more))})"
    told_apart = (source.target_labels | set(names.replica)) - {names.pod, TARGET}
    return f"without ({', '.join(sorted(told_apart))})"


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
