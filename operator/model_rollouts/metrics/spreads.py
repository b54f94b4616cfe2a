"""How times are spread over the buckets of a histogram, for people: nothing is judged by it.

It is asked for beside the passes and counted in no tick. What is shown is what the buckets prove,
so there is no `rate` and no `increase`, which scale each bucket by itself: a pod counts from the
sample before the time that is asked about, or from its start. One whose counters began anew within
it is left out.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.histogram_edges import edge_of, rounded
from model_rollouts.metrics.history import one_copy, some_pods
from model_rollouts.metrics.objectives import (
    TIMED,
    WITHIN,
    Matchers,
    Template,
    proxy_threshold,
    selected,
    template_of,
)
from model_rollouts.metrics.selector import range_selector, selector
from model_rollouts.metrics.series import Sample
from model_rollouts.metrics.sources import PROXY, Counter, Listener, source_of

TIMES = Counter(
    "envoy_http_downstream_rq_time_sum", listener_label="envoy_http_conn_manager_prefix"
)
"""Milliseconds that all answers of the proxy took."""

LOOKBACK_MS = 300_000
"""How old the sample may be that Prometheus takes for a moment, unless it is told otherwise."""

Within = tuple[tuple[float, float], ...]
"""(seconds, requests within that time), ascending; the last is infinity, with all requests."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A counter, and the one of its process by which it is seen whether that began anew."""

    counter: Template
    count: Template
    unit: float = 1.0
    """What an edge counts, in seconds."""


def of_proxy(counter: Counter, listener: Listener) -> Asked:
    """A counter of the proxy."""
    return Asked(template_of(PROXY, counter, listener), template_of(PROXY, TIMED, listener), 1e-3)


def buckets_of_proxy(listener: Listener) -> Asked:
    """The buckets of requests that came by `listener`."""
    return of_proxy(WITHIN, listener)


def of_server(
    metric: str, part: str, matchers: Matchers, unit: float, listener: Listener | None = None
) -> Asked:
    """`part` (`bucket`, `sum` or `count`) of a histogram of the model server's own.

    `listener` is of what the observer counts for it: a model server cannot tell.
    """
    source = source_of(metric)
    only = listener if source.is_beside else None
    return Asked(
        template_of(source, selected(f"{metric}_{part}", matchers), only),
        template_of(source, selected(f"{metric}_count", matchers), only),
        unit,
    )


def grown_text(
    asked: Asked,
    namespace: str,
    revisions: Collection[str],
    range_ms: int,
    batching: Batching,
    pods: Collection[str] | None = None,
) -> str:
    """The query for how much a counter has grown in the last `range_ms`, by revision and edge.

    `pods` are the names of those that count, None where nobody knows them; of many some are enough.
    """
    labels = batching.labels
    ours = () if asked.counter.source.is_beside else some_pods(batching, pods)
    among = ({namespace}, revisions)
    now = selector(asked.counter, *among, labels, batching.matchers, ours)
    looked_ms = range_ms + LOOKBACK_MS
    counts = range_selector(asked.count, *among, looked_ms, labels, batching.matchers, ours)
    source = asked.counter.source
    copies = one_copy(source, labels, source.revision_label, "le")
    return (
        f"sum by ({source.revision_label}, le) (max {copies} ("
        f"({now} - {now} offset {range_ms}ms or {now}) "
        f"unless ignoring (le) (resets({counts}) > 0)))"
    )


def read_grown(
    answer: Iterable[tuple[Mapping[str, str], list[Sample]]], asked: Asked
) -> dict[str, Within]:
    """The answer to `grown_text` by revision: of a counter without edges, one pair at infinity."""
    source, found = asked.counter.source, dict[str, dict[float, float]]()
    for labels, samples in answer:
        revision = labels.get(source.revision_label)
        edge = edge_of(labels["le"]) if "le" in labels else math.inf
        if revision and edge is not None and edge > 0 and samples:
            counts = found.setdefault(revision, {})
            time = _seconds(edge, asked)
            counts[time] = counts.get(time, 0.0) + float(samples[-1][1])
    return {
        revision: tuple(sorted(counts.items()))
        for revision, counts in found.items()
        if math.inf in counts
    }


def _seconds(edge: float, asked: Asked) -> float:
    if math.isinf(edge):
        return edge
    return proxy_threshold(edge) if asked.counter.source is PROXY else rounded(edge * asked.unit)


def bracket_of(within: Within, share: float) -> tuple[float, float]:
    """Between which two times (seconds) `share` of the requests were answered, e.g. 0.99 for p99.

    That many took no longer than the second, and fewer no longer than the first. 0 and infinity
    stand for no edge on that side. `within` has at least one request.
    """
    needed = share * within[-1][1] * (1 - 1e-9)
    lower = 0.0
    for time, requests in within:
        if requests >= needed:
            return lower, time
        lower = time
    return lower, math.inf
