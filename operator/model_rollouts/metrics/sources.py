"""Where counters come from: which label carries the revision, which labels name the target.

Sources and counters are data. A new proxy version or another exporter is a new constant here, not
new code in the intake.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from model_rollouts.metrics.errors import InputError, require_name

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def require_metric(field: str, name: str) -> None:
    """Raise InputError unless `name` can be the name of a metric."""
    if not isinstance(name, str) or not _METRIC.fullmatch(name):
        raise InputError(field, name, "a metric name without labels, such as my_answers_total")


def require_label(field: str, name: str) -> None:
    """Raise InputError unless `name` can be the name of a label."""
    if not isinstance(name, str) or not _LABEL.fullmatch(name):
        raise InputError(field, name, "a label name, such as namespace")


def require_matchers(field: str, matchers: Sequence[tuple[str, str]]) -> None:
    """Raise InputError unless every pair is a label name and a value."""
    for label, value in matchers:
        require_label(field, label)
        if not isinstance(value, str):
            raise InputError(f"{field}.{label}", value, "text")


def escaped(value: str) -> str:
    """A regular expression, for RE2 and for Python, that only `value` matches."""
    return _SPECIAL.sub(lambda special: "\\" + special.group(), value)


class Listener(StrEnum):
    """The proxy's two ways in, counted apart."""

    LIVE = "live"
    """Users."""
    SHADOW = "shadow"
    """Copies of requests, answers dropped."""


class Clock(StrEnum):
    """What a source's clock metric means; either tells a restart from a counter that flaps."""

    UPTIME = "uptime"
    """Seconds since the process started, possibly as of its last flush."""
    START_TIME = "start time"
    """Unix seconds at which the process started."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One metric with fixed labels.

    `listener_label` is the label whose value is the listener; None when the metric cannot tell
    users from copies. `from_start` says that the series exists from the first scrape of its
    process on: appearing later it was hidden, not zero, so what it already shows is not counted.
    `patterns` are labels, each with a regular expression for its values: all series that match are
    summed.
    """

    metric: str
    labels: tuple[tuple[str, str], ...] = ()
    listener_label: str | None = None
    from_start: bool = False
    patterns: tuple[tuple[str, str], ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_metric("counter.metric", self.metric)
        for label, _ in self.labels:
            require_label("counter.labels", label)
        if self.listener_label is not None:
            require_label("counter.listener_label", self.listener_label)
        for label, _ in self.patterns:
            require_label("counter.patterns", label)
        # What is asked for is looked up by it for each rollout in each reading.
        parts = (self.metric, self.labels, self.listener_label, self.from_start, self.patterns)
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels of a series are as `patterns` have them."""
        return all(
            re.fullmatch(values, labels.get(label, "")) is not None
            for label, values in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of exporter.

    All metrics of one pod and one source come from one process, so a restart seen in one counter
    is a restart of all. `metric_label_prefixes` tells the metric's own labels from those of the
    target; where that is empty, `target_labels` lists the target's. `namespace_label` is the
    metric's own label for the namespace that it tells of, None where the target is in it.
    """

    name: str
    revision_label: str
    clock: Counter | None
    clock_means: Clock
    metric_label_prefixes: tuple[str, ...] = ()
    target_labels: frozenset[str] = frozenset()
    namespace_label: str | None = None

    def __post_init__(self) -> None:
        require_name("source.name", self.name)
        require_label("source.revision_label", self.revision_label)

    def __hash__(self) -> int:
        # There are three of them, and equal ones have the same name.
        return hash(self.name)

    @property
    def is_beside(self) -> bool:
        """Whether it tells of revisions to which its own pods do not belong."""
        return self.namespace_label is not None

    def is_target_label(self, label: str) -> bool:
        """Whether a label says who was scraped, not what was counted."""
        if self.metric_label_prefixes:
            return label != "le" and not label.startswith(self.metric_label_prefixes)
        return label in self.target_labels


PROXY = Source(
    name="proxy",
    revision_label="modelrollouts_revision",
    clock=Counter("envoy_server_uptime"),
    clock_means=Clock.UPTIME,
    metric_label_prefixes=("envoy_",),
)
"""Envoy beside the model, its metrics tagged with the revision by `stats_tags.fixed_value`."""

MODEL_SERVER = Source(
    name="model-server",
    revision_label="modelrollouts_revision",
    clock=Counter("process_start_time_seconds"),
    clock_means=Clock.START_TIME,
    target_labels=frozenset(
        {
            "cluster",
            "container",
            "endpoint",
            "instance",
            "job",
            "node",
            "pod",
            "prometheus",
            "prometheus_replica",
            "replica",
            "service",
        }
    ),
)
"""The model server's own exporter; the scrape configuration copies the revision from the pod."""

OBSERVER = Source(
    name="observer",
    revision_label="modelrollouts_revision",
    clock=Counter("model_rollouts_observer_start_time_seconds"),
    clock_means=Clock.START_TIME,
    metric_label_prefixes=(
        *("model", "comparison", "slice", "arm", "outcome", "why", "reason", "stage"),
    ),
    namespace_label="model_namespace",
)
"""The observer, which compares answers of all revisions. Its pods are told by labels of its targets
(`LabelNames.observer`), so that no other pod can speak for it. A process of it is one pod's counts
of one revision, and its clock is when it began to count that."""


def source_of(metric: str) -> Source:
    """Who exports a histogram that is not the proxy's: the model server, or the observer of it."""
    return OBSERVER if metric.startswith("model_rollouts_observer_") else MODEL_SERVER
