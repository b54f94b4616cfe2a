"""From what every rollout needs to few queries, split by the size of the answer.

A query selects everything that a source has of its rollouts. What is compared with each other is so
answered by one evaluation, of one server.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.selector import snapshot_selector
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import PROXY, Source, require_matchers

BYTES_PER_SERIES = 450
"""Labels of one series in an answer; measured 330 to 430 with the labels of a PodMonitor."""

BYTES_PER_SAMPLE = 26
"""One [timestamp, "value"] pair."""

REVISIONS_PER_QUERY = 2_000
"""Keeps the text of a query near 100 kB."""

SHARED_FROM = 2**16
"""Bytes of an answer from which on rollouts with other series get a query of their own, once more
than half of the answer would be for nobody."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one rollout needs of one source: which series, of which revisions, with how many pods.

    `templates` are of one source.
    """

    key: str
    namespace: str
    revisions: tuple[str, ...]
    pods: int
    templates: frozenset[Template]


@dataclass(frozen=True, slots=True)
class Query:
    """One raw range selector, evaluated at `at_ms`, for the samples in (after_ms, at_ms].

    Its answer has the series of all `templates`, which are of one source, for the rollouts `keys`,
    as far as `needs` say that these need them.
    """

    text: str
    after_ms: int
    at_ms: int
    templates: frozenset[Template]
    keys: frozenset[str]
    needs: tuple[Need, ...] = field(repr=False)

    @property
    def namespace(self) -> str:
        """One of the namespaces that it asks about; all of them may be asked about together."""
        return self.needs[0].namespace

    @property
    def source(self) -> Source:
        """Where its series come from."""
        return next(iter(self.templates)).source


class _Chunk:
    """The rollouts of one query, as it is filled."""

    def __init__(self) -> None:
        self.needs: list[Need] = []
        self.templates: frozenset[Template] = frozenset()
        self.pods = self.revisions = 0
        self.wanted = 0
        """Series that somebody needs."""

    def series_with(self, need: Need) -> int:
        """How many series the answer has once `need` is part of it."""
        same = need.templates is self.templates
        templates = self.templates if same else self.templates | need.templates
        return (self.pods + need.pods) * len(templates)

    def add(self, need: Need) -> None:
        """Take one more rollout into the query."""
        if not need.templates <= self.templates:
            self.templates = self.templates | need.templates if self.needs else need.templates
        self.pods += need.pods
        self.revisions += len(need.revisions)
        self.wanted += need.pods * len(need.templates)
        self.needs.append(need)


@dataclass(frozen=True, slots=True)
class Batching:
    """How queries are written: label names, the administrator's matchers, the size of an answer.

    Namespaces for which `apart` gives different texts are never in one query: they are of different
    tenants.
    """

    labels: LabelNames = field(default_factory=LabelNames)
    matchers: tuple[tuple[str, str], ...] = ()
    answer_bytes: int = 4 * 2**20
    apart: Callable[[str], str] = field(default=lambda namespace: "", repr=False, compare=False)

    def __post_init__(self) -> None:
        require_matchers("matchers", self.matchers)
        ours = {"__name__", "le", self.labels.namespace, PROXY.revision_label}
        for label, _ in self.matchers:
            if label in ours:
                raise InputError("matchers", label, "another label: the operator selects by this")
        if self.answer_bytes < 2**16:
            raise InputError("answer_bytes", self.answer_bytes, f"at least {2**16:,} bytes")

    def queries(
        self, needs: Iterable[Need], *, after_ms: int, until_ms: int, step_ms: int
    ) -> Iterator[Query]:
        """The queries for the samples of all `needs` in (after_ms, until_ms].

        A Prometheus before 3.0 also returns a sample at `after_ms` exactly; the intake passes it
        over. Rollouts stay whole: of a source, one is never split over two queries.
        """
        samples = -(-(until_ms - after_ms) // step_ms)
        per_series = BYTES_PER_SERIES + BYTES_PER_SAMPLE * samples
        alike: dict[tuple[Source, str], dict[frozenset[Template], list[Need]]] = {}
        for need in needs:
            whose = next(iter(need.templates)).source, self.apart(need.namespace)
            alike.setdefault(whose, {}).setdefault(need.templates, []).append(need)
        for groups in alike.values():
            chunk = _Chunk()
            for need in (need for group in groups.values() for need in group):
                if chunk.needs and self._is_full(chunk, need, per_series):
                    yield self.query(chunk.needs, after_ms, until_ms)
                    chunk = _Chunk()
                chunk.add(need)
            yield self.query(chunk.needs, after_ms, until_ms)

    def _is_full(self, chunk: _Chunk, need: Need, per_series: int) -> bool:
        series = chunk.series_with(need)
        wanted = chunk.wanted + need.pods * len(need.templates)
        return (
            series * per_series > self.answer_bytes
            or chunk.revisions + len(need.revisions) > REVISIONS_PER_QUERY
            or (chunk.wanted * per_series >= SHARED_FROM and series > 2 * wanted)
        )

    def query(self, needs: Sequence[Need], after_ms: int, until_ms: int) -> Query:
        """The one query for `needs`, which are of one source and one tenant."""
        templates = needs[0].templates.union(*(need.templates for need in needs))
        text = snapshot_selector(
            templates,
            {need.namespace for need in needs},
            {revision for need in needs for revision in need.revisions},
            until_ms - after_ms,
            self.labels,
            self.matchers,
        )
        keys = frozenset(need.key for need in needs)
        return Query(text, after_ms, until_ms, templates, keys, tuple(needs))

    def parted(self, query: Query, keys: Collection[str]) -> tuple[Query, Query] | None:
        """What a query asks for the rollouts `keys`, and for others; None if either is nothing."""
        inside = [need for need in query.needs if need.key in keys]
        if not inside or len(inside) == len(query.needs):
            return None
        others = [need for need in query.needs if need.key not in keys]
        return (
            self.query(inside, query.after_ms, query.at_ms),
            self.query(others, query.after_ms, query.at_ms),
        )

    def halves(self, query: Query) -> tuple[Query, Query] | None:
        """Two queries for the same, each for about half of the rollouts; None when there is one.

        Namespaces stay whole as long as there are two of them.
        """
        needs = sorted(query.needs, key=lambda need: (need.namespace, need.key))
        steps = list(enumerate(pairwise(needs), 1))
        cuts = [at for at, (one, other) in steps if one.namespace != other.namespace]
        cuts = cuts or [at for at, (one, other) in steps if one.key != other.key]
        if not cuts:
            return None
        middle = min(cuts, key=lambda at: abs(2 * at - len(needs)))
        return self.parted(query, {need.key for need in needs[:middle]})
