"""What is counted for an objective: sums of counters, for the total and for each level of bad.

Every objective is "bad of total". A latency objective has one level for each threshold: the
number of answers slower than that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from sys import intern

from model_rollouts.metrics.errors import InputError, require_name
from model_rollouts.metrics.histogram_edges import rounded
from model_rollouts.metrics.sources import (
    MODEL_SERVER,
    OBSERVER,
    PROXY,
    Counter,
    Listener,
    Source,
    escaped,
    require_metric,
    source_of,
)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Template:
    """A counter, a listener and a bucket edge: what a series is read for, whoever asks.

    `edge` is in the metric's own unit. `is_clock` marks the metric that tells when a process
    started; it is read as a time and never summed.
    """

    source: Source
    counter: Counter
    listener: Listener | None = None
    edge: float | None = None
    is_clock: bool = False
    group: str = field(init=False, repr=False, compare=False)
    """The template without its edge: all buckets of a histogram are there, or none."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        labels = ",".join(f'{label}="{value}"' for label, value in self.fixed.items())
        object.__setattr__(self, "group", intern(f"{self.counter.metric}{{{labels}}}"))
        # Templates key the dictionaries of the hot path, so their hash is computed once.
        parts = (self.source, self.counter, self.listener, self.edge, self.is_clock)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash

    @property
    def fixed(self) -> dict[str, str]:
        """The labels, but for the bucket edge, that its series have besides those of the target."""
        counter = self.counter
        found = dict(counter.labels)
        if self.listener is not None and counter.listener_label is not None:
            found[counter.listener_label] = self.listener.value
        return found


@lru_cache(maxsize=1024)
def template_of(
    source: Source,
    counter: Counter,
    listener: Listener | None = None,
    edge: float | None = None,
    *,
    is_clock: bool = False,
) -> Template:
    """The template, always the same one: thousands of rollouts are read for the same."""
    return Template(source, counter, listener, edge, is_clock)


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
    of_warm_pods: bool = False
    """Whether requests to pods that were not asked for long yet are left out, of users too."""
    of_copies: bool = False
    """Whether it is counted only where copies are judged."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_name("objective.name", self.name)
        if not self.total or not self.bad or not all(self.bad):
            raise InputError(f"objective '{self.name}'", "no counter", "at least one counter")
        # Layouts are looked up by it, for each rollout in each reading of the slow pace.
        parts = (self.name, self.source, self.total, self.bad, self.of_warm_pods, self.of_copies)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash

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
"""Requests whose client went away; they leave no status and no latency sample. Sessions of
websockets are among them when they end, whoever ends them."""
SESSIONS = Counter("envoy_cluster_sessions_upstream_cx_destroy", listener_label=_CLUSTER)
"""Sessions of websockets that ended: each was counted as answered when it began, or refused."""
SERVER_ERRORS = _http("xx", ("envoy_response_code_class", "5"))
THROTTLED = Counter(
    "envoy_cluster_upstream_rq", (("envoy_response_code", "429"),), listener_label=_CLUSTER
)
"""Answers 429. Listeners count classes only, so each listener has a cluster of its own name."""
CLIENT_ERRORS = Counter(
    "envoy_cluster_upstream_rq",
    listener_label=_CLUSTER,
    patterns=(("envoy_response_code", "4(?:[013-9][0-9]|2[0-8])"),),
)
"""Answers 4xx of the model, but for 429. What the proxy refuses itself, such as a request that it
cannot read, no model has seen: it is in the listener's classes, and not here."""
GRPC_STATUS = "envoy_grpc_status"


def _grpc(*statuses: int) -> Counter:
    pattern = (GRPC_STATUS, "|".join(map(str, statuses)))
    return Counter("envoy_cluster_grpc", listener_label=_CLUSTER, patterns=(pattern,))


GRPC_ERRORS = _grpc(2, 4, 8, 12, 13, 14, 15)
"""Answers of gRPC that tell of a failure of the server: Unknown, DeadlineExceeded,
ResourceExhausted, Unimplemented, Internal, Unavailable, DataLoss. Their HTTP status is 200. They
are those that OpenTelemetry's conventions for RPC call errors of a server, and ResourceExhausted,
which is 429 in HTTP. What the proxy answers itself while the model takes no connection is among
them, as Unavailable."""
GRPC_CLIENT_ERRORS = _grpc(3, 5, 6, 7, 9, 10, 11, 16)
"""Answers of gRPC that blame the request: InvalidArgument, NotFound, AlreadyExists,
PermissionDenied, FailedPrecondition, Aborted, OutOfRange, Unauthenticated. Cancelled is neither."""
_GIVEN_UP = (Term(GIVEN_UP), Term(SESSIONS, sign=-1))
TIMED = _http("time_count")
WITHIN = _http("time_bucket")
_SHORTEST = 0.002
SLICE = "envoy_slice"


def _sliced(metric: str, slice: str) -> Counter:
    """What the proxy counts of a slice alone; each series appears with its first request."""
    return Counter(f"{SLICE}_{metric}", ((SLICE, slice),), _HTTP)


SLICED = tuple(Counter(f"{SLICE}_{metric}", listener_label=_HTTP) for metric in ("total", "failed"))
"""What the proxy counts of the errors of all slices, for a recording."""


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


def errors(name: str, slice: str | None = None) -> CountedObjective:
    """Server errors, throttled requests and requests given up on, of all requests, or of a slice.

    An answer of gRPC is a server error by its own status: that of HTTP is 200 then.
    """
    if slice is not None:
        failed = Term(_sliced("failed", slice))
        return CountedObjective(name, PROXY, (Term(_sliced("total", slice)),), ((failed,),))
    return CountedObjective(
        name,
        PROXY,
        (Term(COMPLETED), *_GIVEN_UP),
        ((Term(SERVER_ERRORS), Term(THROTTLED), Term(GRPC_ERRORS), *_GIVEN_UP),),
    )


def client_errors(name: str) -> CountedObjective:
    """Answers of the model that blame the request, of all requests: it may refuse what was valid.

    They are 4xx but for 429, and those of gRPC that say the same.
    """
    return CountedObjective(
        name,
        PROXY,
        (Term(COMPLETED), *_GIVEN_UP),
        ((Term(CLIENT_ERRORS), Term(GRPC_CLIENT_ERRORS)),),
    )


def latency(name: str, thresholds: Sequence[float], slice: str | None = None) -> CountedObjective:
    """Requests slower than each of `thresholds` (seconds), in their order, of all or of a slice.

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
    slower: tuple[Term, ...] = (Term(TIMED), *_GIVEN_UP)
    within = WITHIN
    if slice is not None:
        slower = (Term(_sliced("time_count", slice)), Term(_sliced("given_up", slice)))
        within = _sliced("time_bucket", slice)
    return CountedObjective(
        name,
        PROXY,
        slower,
        tuple(
            (*slower, Term(within, sign=-1, edge=proxy_edge(threshold))) for threshold in thresholds
        ),
        of_warm_pods=True,
    )


Matchers = tuple[tuple[str, tuple[str, ...]], ...]
"""Labels, each with the values of which a series has one."""


def selected(metric: str, matchers: Matchers = ()) -> Counter:
    """The counter of all series of a metric of the model server's own that `matchers` select.

    What the observer counts for it, it counts for users and mirrored requests apart.
    """
    return Counter(
        metric,
        listener_label="arm" if source_of(metric).is_beside else None,
        labels=tuple((label, values[0]) for label, values in matchers if len(values) == 1),
        patterns=tuple(
            (label, "|".join(map(escaped, values))) for label, values in matchers if len(values) > 1
        ),
    )


def own_counters(
    name: str,
    *,
    bad: str,
    total: str,
    bad_matchers: Matchers = (),
    total_matchers: Matchers = (),
    total_is_good: bool = False,
    source: Source = MODEL_SERVER,
) -> CountedObjective:
    """Two counters of the model server's own, by metric name and labels.

    `total_is_good`: the second has the good events alone, and both together are all events. They
    cannot tell users from copies, so they count only while a revision serves one of the two.
    Raises InputError when a name is not that of a metric.
    """
    require_metric(f"objective '{name}', counters.bad.metric", bad)
    second = "good" if total_is_good else "total"
    require_metric(f"objective '{name}', counters.{second}.metric", total)
    wrong = Term(selected(bad, bad_matchers))
    others = Term(selected(total, total_matchers))
    return CountedObjective(
        name, source, (others, wrong) if total_is_good else (others,), ((wrong,),)
    )


def own_latency(
    name: str,
    metric: str,
    thresholds: Sequence[float],
    *,
    unit: float = 1.0,
    matchers: Matchers = (),
    source: Source | None = None,
) -> CountedObjective:
    """Times above each of `thresholds` (seconds), in their order, of a histogram of the model's.

    `metric` is its name without `_bucket`, and `unit` what its edges count, in seconds. Each of
    `thresholds` must be one of its edges. What clients gave up on is in it only if the model
    server counts it. A model server's own cannot tell users from copies, as `own_counters`; the
    observer's can, and knows no pods that are not warm.
    Raises InputError when the name is not that of a metric, or there is no threshold.
    """
    require_metric(f"objective '{name}', latency.histogram.metric", metric)
    if not thresholds:
        raise InputError(
            f"objective '{name}', thresholds", list(thresholds), "at least one bucket edge"
        )
    source = source or source_of(metric)
    timed = Term(selected(f"{metric}_count", matchers))
    within = selected(f"{metric}_bucket", matchers)
    return CountedObjective(
        name,
        source,
        (timed,),
        tuple(
            (timed, Term(within, sign=-1, edge=rounded(threshold / unit)))
            for threshold in thresholds
        ),
        of_warm_pods=not source.is_beside,
    )


_RECORDS = Counter("model_rollouts_observer_records_total", listener_label="arm")
_LOST = Counter("model_rollouts_observer_lost_records_total", listener_label="arm")


def pairs(name: str, comparison: str) -> CountedObjective:
    """Answers to copies that differ from those of stable, of all pairs of answers.

    `comparison` is the digest of what is compared; the slices are summed.
    """
    compared = (("comparison", comparison),)
    total = Term(Counter("model_rollouts_observer_pairs_total", compared))
    bad = Term(Counter("model_rollouts_observer_disagreements_total", compared))
    return CountedObjective(name, OBSERVER, (total,), ((bad,),), of_copies=True)


def records(name: str) -> CountedObjective:
    """Records that never came to the observer, of all that were sent to it."""
    lost = Term(_LOST)
    return CountedObjective(name, OBSERVER, (Term(_RECORDS), lost), ((lost,),), of_copies=True)
