"""Which bucket edges a histogram of the model server's own has: asked, and never presumed.

The proxy's edges are known, because the operator wrote them. Those of a model server depend on its
release and its settings, so they are read from the labels of what was scraped.
"""

import math
from collections.abc import Collection, Iterable, Mapping

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.histogram_edges import edge_of, rounded
from model_rollouts.metrics.history import some_pods
from model_rollouts.metrics.objectives import Matchers, selected, template_of
from model_rollouts.metrics.selector import selector
from model_rollouts.metrics.series import Sample
from model_rollouts.metrics.sources import MODEL_SERVER, source_of

MOST_EDGES = 64
"""Edges of a histogram that are kept: they travel in the status."""


def buckets_text(
    metric: str,
    matchers: Matchers,
    namespace: str,
    revisions: Collection[str],
    batching: Batching,
    pods: Collection[str] | None = None,
) -> str:
    """The query for the buckets of a histogram: one series for each edge of each revision.

    `metric` is its name without `_bucket`. Its value is how many series have the edge. `pods` are
    the names of those that count, None where nobody knows them; of many some are enough, because
    all pods of a revision run the same.
    """
    source = source_of(metric)
    template = template_of(source, selected(f"{metric}_bucket", matchers))
    # What the observer counts, its own pods tell.
    ours = () if source.is_beside else some_pods(batching, pods)
    text = selector(template, {namespace}, revisions, batching.labels, batching.matchers, ours)
    return f"count by ({source.revision_label}, le) ({text})"


def read_buckets(
    answer: Iterable[tuple[Mapping[str, str], list[Sample]]], unit: float
) -> dict[str, tuple[float, ...]]:
    """The answer to `buckets_text`: by revision the edges in seconds, ascending.

    `unit` is what an edge counts, in seconds. An edge that not all series of a revision have would
    count requests of the others as slow, so it is left out; and so is a revision without any.
    """
    counted: dict[str, dict[float, float]] = {}
    for labels, samples in answer:
        edge, revision = edge_of(labels.get("le", "")), labels.get(MODEL_SERVER.revision_label)
        if edge is not None and edge > 0 and revision and samples:
            series = counted.setdefault(revision, {})
            # Two spellings of one edge are one edge.
            series[edge] = series.get(edge, 0.0) + float(samples[-1][1])
    found = {
        revision: tuple(
            rounded(edge * unit)
            for edge, times in sorted(series.items())
            if edge < math.inf and times == series.get(math.inf)
        )
        for revision, series in counted.items()
    }
    return {revision: edges for revision, edges in found.items() if edges}


def nearest(edges: Collection[float], times: Collection[float]) -> tuple[float, ...]:
    """At most `MOST_EDGES` of `edges`, those that are nearest to one of `times`, ascending."""

    def distance(edge: float) -> float:
        return min(abs(math.log(edge / time)) for time in times)

    return tuple(sorted(sorted(edges, key=distance)[:MOST_EDGES]))
