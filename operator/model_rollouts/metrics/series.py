"""The identity of a series: whose counter it is, and which target it was read from.

Prometheus identifies a series by all its labels. Here a counter belongs to a *pod*, and the labels
of the target (job, instance, ...) only say how it was reached: a renamed scrape job continues the
same counter, and a pod scraped by two targets is seen as such.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from typing import NamedTuple

from model_rollouts.metrics.histogram_edges import edge_of
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.sources import Clock, Source, require_label, require_matchers

Sample = tuple[float, str]
"""A raw sample as Prometheus sends it: Unix seconds and the value as text."""


@dataclass(frozen=True, slots=True)
class LabelNames:
    """Names of the labels that the scrape configuration gives to targets.

    `replica` lists labels that tell apart Prometheus servers which scrape the same targets; they
    are ignored, so a highly available pair is not taken for a pod scraped twice. `observer` are
    labels with their values that the observer's targets have and no others; with none of them
    nothing is asked of the observer.
    """

    namespace: str = "namespace"
    pod: str = "pod"
    replica: tuple[str, ...] = ("prometheus_replica", "replica")
    observer: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        require_label("labels.namespace", self.namespace)
        require_label("labels.pod", self.pod)
        for label in self.replica:
            require_label("labels.replica", label)
        require_matchers("labels.observer", self.observer)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series, its labels read once and kept for as long as it is seen.

    `process` names the pod's exporter within its namespace, `counter` the series within the
    process; both leave out the target, which `target` names. `group` is `Template.group`.
    `names_pod`: `pod` is the name that the cluster has for it, and not one made of the target.
    """

    template: Template
    namespace: str
    revision: str
    pod: str
    target: str
    process: str
    counter: str
    group: str
    names_pod: bool = True


class Schema(NamedTuple):
    """Which counters a target shows of a process, in one order; thousands of pods have the same.

    `clock` is the place of the one that tells when the process started, None without one, and
    `is_uptime` says that it tells for how long. It is `regular` when each counter is there once,
    and at most one clock.
    """

    templates: tuple[Template, ...]
    counters: tuple[str, ...]
    groups: frozenset[str]
    clock: int | None
    is_uptime: bool
    regular: bool


@lru_cache(maxsize=4096)
def _schema(templates: tuple[Template, ...], counters: tuple[str, ...]) -> Schema:
    clocks = [place for place, each in enumerate(templates) if each.is_clock]
    return Schema(
        templates,
        counters,
        frozenset(each.group for each in templates),
        clocks[0] if clocks else None,
        any(templates[each].source.clock_means is Clock.UPTIME for each in clocks[:1]),
        len(clocks) < 2 and len(set(counters)) == len(counters),
    )


class Exposition:
    """The series of one process as one target shows them, in one order; at least one of them.

    Its `schema` is the same object for all that show the same counters in the same order, so that
    what follows from it is worked out once.
    """

    __slots__ = ("schema", "series")

    def __init__(self, series: Sequence[Series]) -> None:
        self.series = tuple(series)
        self.schema = _schema(
            tuple(each.template for each in series), tuple(each.counter for each in series)
        )

    @property
    def first(self) -> Series:
        """One of its series: all tell the same of process, target, pod and revision."""
        return self.series[0]


def process_name(source: Source, revision: str, pod: str) -> str:
    """The name of one exporter of one pod, within a namespace."""
    return f"{source.name}|{revision}|{pod}"


def read_series(template: Template, labels: Mapping[str, str], names: LabelNames) -> Series | None:
    """The identity behind the labels of one series, as `template` reads it.

    None when it is not what the template asks for: another metric, listener or bucket edge, or
    without the labels of namespace or revision.
    """
    source = template.source
    if labels.get("__name__") != template.counter.metric:
        return None
    if any(labels.get(label) != value for label, value in template.fixed.items()):
        return None
    if not template.counter.matches(labels):
        return None
    label_of_namespace = source.namespace_label or names.namespace
    if source.is_beside and any(labels.get(label) != value for label, value in names.observer):
        return None
    namespace = labels.get(label_of_namespace)
    revision = labels.get(source.revision_label)
    if not namespace or not revision:
        return None
    if template.edge is not None and edge_of(labels.get("le", "")) != template.edge:
        return None
    target: list[str] = []
    metric: list[str] = []
    apart = {"__name__", "le", label_of_namespace, source.revision_label, *names.replica}
    for label, value in sorted(labels.items()):
        if label in apart:
            continue
        (target if source.is_target_label(label) else metric).append(f"{label}={value}")
    where = ", ".join(target)
    # Without a pod label the target is the best name there is for a process.
    pod = labels.get(names.pod) or where
    edge = "" if template.edge is None else f"|{template.edge:g}"
    # A series may be read by two templates, one of which selects by other labels or values.
    counter = template.counter
    fixed = ",".join((*(one for one, _ in counter.labels), *map("~".join, counter.patterns)))
    name = f"{template.counter.metric}{{{fixed}}}|{'|'.join(metric)}{edge}"
    return Series(
        template=template,
        namespace=intern(namespace),
        revision=intern(revision),
        pod=intern(pod),
        target=intern(where),
        process=intern(process_name(source, revision, pod)),
        counter=intern(name),
        group=template.group,
        names_pod=bool(labels.get(names.pod)),
    )
