"""How large requests are: bodies by size, of users and of mirrored requests.

Nothing is judged by it, so it is asked for only when something has to be explained, and not counted
in each tick.
"""

from collections.abc import Collection, Iterable, Mapping

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.histogram_edges import edge_of
from model_rollouts.metrics.history import one_copy, some_pods
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.selector import range_selector
from model_rollouts.metrics.series import Sample
from model_rollouts.metrics.sources import PROXY, Counter, Listener

Sizes = tuple[tuple[float, float], ...]
"""(bytes, requests smaller than that), ascending; the last is infinity, with all requests."""

_UP_TO = Counter("envoy_cluster_upstream_rq_body_size_bucket", listener_label="envoy_cluster_name")


def sizes_text(
    namespace: str,
    revision: str,
    listener: Listener,
    range_ms: int,
    batching: Batching,
    pods: Collection[str] | None = None,
) -> str:
    """The query for the requests of up to each size in the last `range_ms` milliseconds.

    `pods` are the names of those that count, None where nobody knows them; of many some are enough,
    for what is asked for are shares. `increase` may scale the counts up, all of them alike.
    """
    labels = batching.labels
    ours = some_pods(batching, [pod for pod in pods or () if pod.startswith(f"{revision}-")])
    ranged = range_selector(
        Template(PROXY, _UP_TO, listener),
        {namespace},
        {revision},
        range_ms,
        labels,
        batching.matchers,
        ours,
    )
    return f"sum by (le) (max {one_copy(PROXY, labels, 'le')} (increase({ranged})))"


def read_sizes(answer: Iterable[tuple[Mapping[str, str], list[Sample]]]) -> Sizes:
    """The answer to `sizes_text`; empty when the pods count no sizes."""
    found: dict[float, float] = {}
    for labels, samples in answer:
        edge = edge_of(labels.get("le", ""))
        if edge is not None and samples:
            # The proxy counts what is no larger than an edge, in whole bytes.
            found[edge + 1] = float(samples[-1][1])
    return tuple(sorted(found.items()))
