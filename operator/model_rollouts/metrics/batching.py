"""From what every rollout needs to one query per template, split by the size of the answer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.selector import range_selector
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import require_matchers

BYTES_PER_SERIES = 450
"""Labels of one series in an answer; measured 330 to 430 with the labels of a PodMonitor."""

BYTES_PER_SAMPLE = 26
"""One [timestamp, "value"] pair."""

REVISIONS_PER_QUERY = 2_000
"""Keeps the text of a query near 100 kB."""


@dataclass(frozen=True, slots=True)
class Query:
    """One raw range selector, evaluated at `at_ms`, for the samples in (after_ms, at_ms].

    `keys` names the rollouts that its answer is for.
    """

    text: str
    after_ms: int
    at_ms: int
    template: Template
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Need:
    """One rollout's share in a query: which revisions, in which namespace, with how many pods."""

    key: str
    namespace: str
    revisions: tuple[str, ...]
    pods: int


@dataclass(frozen=True, slots=True)
class Batching:
    """How queries are written: label names, the administrator's matchers, the size of an answer."""

    labels: LabelNames = field(default_factory=LabelNames)
    matchers: tuple[tuple[str, str], ...] = ()
    answer_bytes: int = 8 * 2**20

    def __post_init__(self) -> None:
        require_matchers("matchers", self.matchers)
        if self.answer_bytes < 2**16:
            raise InputError("answer_bytes", self.answer_bytes, f"at least {2**16:,} bytes")

    def queries(
        self,
        template: Template,
        needs: Iterable[Need],
        *,
        after_ms: int,
        until_ms: int,
        step_ms: int,
    ) -> Iterator[Query]:
        """The queries for the samples of `template` in (after_ms, until_ms].

        A Prometheus before 3.0 also returns a sample at `after_ms` exactly; the intake passes it
        over. Rollouts stay whole: one is never split over two queries of a template.
        """
        samples = -(-(until_ms - after_ms) // step_ms)
        per_pod = BYTES_PER_SERIES + BYTES_PER_SAMPLE * samples
        chunk: list[Need] = []
        size = revisions = 0
        for need in needs:
            bytes_needed = need.pods * per_pod
            if chunk and (
                size + bytes_needed > self.answer_bytes
                or revisions + len(need.revisions) > REVISIONS_PER_QUERY
            ):
                yield self._query(template, chunk, after_ms, until_ms)
                chunk, size, revisions = [], 0, 0
            chunk.append(need)
            size += bytes_needed
            revisions += len(need.revisions)
        if chunk:
            yield self._query(template, chunk, after_ms, until_ms)

    def _query(
        self, template: Template, chunk: Sequence[Need], after_ms: int, until_ms: int
    ) -> Query:
        text = range_selector(
            template,
            {need.namespace for need in chunk},
            {revision for need in chunk for revision in need.revisions},
            until_ms - after_ms,
            self.labels,
            self.matchers,
        )
        return Query(text, after_ms, until_ms, template, frozenset(need.key for need in chunk))
