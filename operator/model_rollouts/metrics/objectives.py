"""What is counted for an objective: sums of counters, for the total and for each level of bad.

Every objective is "bad of total". A latency objective has one level for each threshold: the
number of answers slower than that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from model_rollouts.metrics.errors import InputError, require_name
from model_rollouts.metrics.histogram_edges import rounded
from model_rollouts.metrics.sources import (
    MODEL_SERVER,
    PROXY,
    Counter,
    Listener,
    Source,
    require_metric,
)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Template:
    """What one query selects, whatever rollouts ask: a counter, a listener and a bucket edge.

    `edge` is in the metric's own unit. `is_clock` marks the metric that tells when a process
    started; it is read as a time and never summed.
    """

    source: Source
    counter: Counter
    listener: Listener | None = None
    edge: float | None = None
    is_clock: bool = False
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Templates key the dictionaries of the hot path, so their hash is computed once.
        parts = (self.source, self.counter, self.listener, self.edge, self.is_clock)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Term:
    """One counter in a sum, added or taken away."""

    counter: Counter
    sign: int = 1
    edge: float | None = None


@dataclass(frozen=True, slots=True)
class CountedObjective:
    """The sums behind one objective: its total, and one sum for each level of bad."""

    name: str
    source: Source
    total: tuple[Term, ...]
    bad: tuple[tuple[Term, ...], ...]

    def __post_init__(self) -> None:
        require_name("objective.name", self.name)
        if not self.total or not self.bad or not all(self.bad):
            raise InputError(f"objective '{self.name}'", "no counter", "at least one counter")

    @property
    def tells_listeners_apart(self) -> bool:
        """Whether users and copies have separate counters."""
        terms = [*self.total, *(term for level in self.bad for term in level)]
        return all(term.counter.listener_label is not None for term in terms)


_HTTP = "envoy_http_conn_manager_prefix"
_CLUSTER = "envoy_cluster_name"


def _http(metric: str, *labels: tuple[str, str]) -> Counter:
    return Counter(f"envoy_http_downstream_rq_{metric}", labels, _HTTP, from_start=True)


COMPLETED = _http("completed")
"""Answers given."""
GIVEN_UP = _http("rx_reset")
"""Requests whose client went away; they leave no status and no latency sample."""
SERVER_ERRORS = _http("xx", ("envoy_response_code_class", "5"))
CLIENT_ERRORS = _http("xx", ("envoy_response_code_class", "4"))
THROTTLED = Counter(
    "envoy_cluster_upstream_rq", (("envoy_response_code", "429"),), listener_label=_CLUSTER
)
"""Answers 429. Listeners count classes only, so each listener has a cluster of its own name."""
TIMED = _http("time_count")
WITHIN = _http("time_bucket")
_SHORTEST = 0.002


def proxy_edge(threshold: float) -> float:
    """The bucket edge, in the proxy's milliseconds, that counts answers within `threshold` seconds.

    The proxy records whole milliseconds in bins of two significant digits and counts the bin in
    which an edge lies as a whole. It is therefore told to end a bucket at the last millisecond
    below the threshold: `le="299"` is exactly "within 300 ms".
    """
    return rounded(threshold * 1000) - 1


def proxy_threshold(edge: float) -> float:
    """The threshold in seconds that the proxy's bucket edge in milliseconds counts."""
    return round((edge + 1) / 1000, 9)


def errors(name: str) -> CountedObjective:
    """Server errors, throttled requests and requests given up on, of all requests."""
    return CountedObjective(
        name,
        PROXY,
        (Term(COMPLETED), Term(GIVEN_UP)),
        ((Term(SERVER_ERRORS), Term(THROTTLED), Term(GIVEN_UP)),),
    )


def client_errors(name: str) -> CountedObjective:
    """Answers 4xx other than 429, of all requests: a new version may refuse what was valid."""
    return CountedObjective(
        name,
        PROXY,
        (Term(COMPLETED), Term(GIVEN_UP)),
        ((Term(CLIENT_ERRORS), Term(THROTTLED, sign=-1)),),
    )


def latency(name: str, thresholds: Sequence[float]) -> CountedObjective:
    """Requests slower than each of `thresholds` (seconds), in their order, of all requests.

    Count and buckets come from the same histogram. A request given up on is slower than any edge.
    Raises InputError when a threshold is not a finite time of 2 ms or more, or occurs twice.
    """
    field = f"objective '{name}', thresholds"
    if not thresholds:
        raise InputError(field, list(thresholds), "at least one time in seconds, such as 0.3")
    for threshold in thresholds:
        if not _SHORTEST <= threshold < math.inf:
            raise InputError(field, threshold, "a finite time in seconds of 0.002 or more")
    if len(set(thresholds)) < len(thresholds):
        raise InputError(field, list(thresholds), "each threshold only once")
    slower = (Term(TIMED), Term(GIVEN_UP))
    return CountedObjective(
        name,
        PROXY,
        slower,
        tuple(
            (*slower, Term(WITHIN, sign=-1, edge=proxy_edge(threshold))) for threshold in thresholds
        ),
    )


def own_counters(
    name: str, *, bad: str, total: str, source: Source = MODEL_SERVER
) -> CountedObjective:
    """Two counters of the model server's own, by metric name.

    They cannot tell users from copies, so they count only while a revision serves one of the two.
    Raises InputError when a name is not that of a metric.
    """
    require_metric(f"objective '{name}', counters.bad.metric", bad)
    require_metric(f"objective '{name}', counters.total.metric", total)
    return CountedObjective(name, source, (Term(Counter(total)),), ((Term(Counter(bad)),),))
