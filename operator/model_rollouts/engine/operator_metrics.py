"""The operator's own metrics; docs/metrics.md says what each of them means."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

PASS_EDGES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Shown(NamedTuple):
    """What is shown of one ModelDeployment."""

    namespace: str
    name: str
    phase: str
    serves_spec: bool
    available: bool
    failing: bool = False
    degraded: bool = False
    falls_back: bool = False


class OperatorMetrics:
    """Every metric of the operator, in a registry of its own."""

    def __init__(self, release: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info(
            "model_rollouts_build",
            "Release of the operator; the value is always 1.",
            registry=registry,
        ).info({"release": release})
        self.passes = Histogram(
            "model_rollouts_pass_duration_seconds",
            "Duration of a pass over one ModelDeployment, in seconds.",
            ["outcome"],
            buckets=PASS_EDGES_S,
            registry=registry,
        )
        self.requests = Counter(
            "model_rollouts_api_requests",
            "Requests sent to the API server.",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.source_restarts = Counter(
            "model_rollouts_source_restarts",
            "Number of times that the watch ended and was started again.",
            registry=registry,
        )
        self.ticks = Counter(
            "model_rollouts_ticks",
            "Number of times that samples were read from Prometheus.",
            ["outcome"],
            registry=registry,
        )
        self.queries = Histogram(
            "model_rollouts_query_duration_seconds",
            "Duration of a query to Prometheus, in seconds.",
            ["outcome"],
            buckets=PASS_EDGES_S,
            registry=registry,
        )
        self.transitions = Counter(
            "model_rollouts_transitions",
            "Transitions of rollouts and writes of routes, by reason.",
            ["reason"],
            registry=registry,
        )
        self.internal_errors = Counter(
            "model_rollouts_internal_errors",
            "Unexpected errors of the operator itself, by part.",
            ["part"],
            registry=registry,
        )
        self.unreadable = Gauge(
            "model_rollouts_unreadable",
            "1 while the API server refuses this to the operator, which does without it, else 0.",
            ["resource"],
            registry=registry,
        )
        for resource in ("pods", "events", "poddisruptionbudgets"):
            self.unreadable.labels(resource).set(0)
        self.leader_changes = Counter(
            "model_rollouts_leader_changes",
            "Number of times that this process saw another one lead than before.",
            registry=registry,
        )
        self.clock_difference = Gauge(
            "model_rollouts_clock_difference_seconds",
            "How far the clock of who leads is ahead of this machine's, 0 while that is not much.",
            registry=registry,
        )
        self.clock_off = Gauge(
            "model_rollouts_clock_off_seconds",
            "How far this machine's clock is ahead of the API server's and Prometheus', "
            "0 while that is not much.",
            registry=registry,
        )
        self.events_dropped = Counter(
            "model_rollouts_events_dropped",
            "Events that could not be written.",
            registry=registry,
        )

    def follow(
        self,
        *,
        shown: Callable[[], Iterable[Shown]],
        depth: Callable[[], float],
        event_age: Callable[[], float],
        unseen: Callable[[], Iterable[str]],
        leads: Callable[[], bool],
    ) -> None:
        """Have these asked when the metrics are: what belongs to a ModelDeployment goes with it.

        `unseen` are the lists and watches that the API server does not do.
        """
        self.registry.register(_PerModel(shown))
        self.registry.register(_Unseen(unseen))
        Gauge(
            "model_rollouts_is_leader",
            "1 while this process may write, 0 for a standby.",
            registry=self.registry,
        ).set_function(leads)
        Gauge(
            "model_rollouts_queue_depth",
            "ModelDeployments that are due and waiting for a worker.",
            registry=self.registry,
        ).set_function(depth)
        Gauge(
            "model_rollouts_last_event_age_seconds",
            "Time since the watch last delivered an object, in seconds.",
            registry=self.registry,
        ).set_function(event_age)

    def broke(self, part: str) -> None:
        """Count an error that nobody foresaw."""
        self.internal_errors.labels(part).inc()

    def answered(self, verb: str, resource: str, code: str) -> None:
        """Count an answer of the API server."""
        self.requests.labels(verb, resource, code).inc()


class _PerModel(Collector):
    def __init__(self, shown: Callable[[], Iterable[Shown]]) -> None:
        self._shown = shown

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks for no values."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One series for each ModelDeployment and metric."""
        labels = ["namespace", "name"]
        not_serving = GaugeMetricFamily(
            "modeldeployment_spec_not_serving",
            "1 while some users do not get what the spec asks for, else 0.",
            labels=labels,
        )
        available = GaugeMetricFamily(
            "modeldeployment_available",
            "1 while users get answers from any version, else 0.",
            labels=labels,
        )
        failing = GaugeMetricFamily(
            "modeldeployment_not_answering",
            "1 while most requests of users fail, else 0.",
            labels=labels,
        )
        degraded = GaugeMetricFamily(
            "modeldeployment_service_degraded",
            "1 while the service misses its objectives, else 0.",
            labels=labels,
        )
        falls_back = GaugeMetricFamily(
            "modeldeployment_fallback_active",
            "1 while users get answers of the fallback in place of the model, else 0.",
            labels=labels,
        )
        phase = GaugeMetricFamily(
            "modeldeployment_phase",
            "1 for the current phase of the ModelDeployment.",
            labels=[*labels, "phase"],
        )
        for each in self._shown():
            place = [each.namespace, each.name]
            not_serving.add_metric(place, 0.0 if each.serves_spec else 1.0)
            available.add_metric(place, float(each.available))
            failing.add_metric(place, float(each.failing))
            degraded.add_metric(place, float(each.degraded))
            falls_back.add_metric(place, float(each.falls_back))
            if each.phase:
                phase.add_metric([*place, each.phase], 1.0)
        yield not_serving
        yield available
        yield failing
        yield degraded
        yield falls_back
        yield phase


class _Unseen(Collector):
    def __init__(self, unseen: Callable[[], Iterable[str]]) -> None:
        self._unseen = unseen

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks for no values."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One series for each list or watch that fails now."""
        unseen = GaugeMetricFamily(
            "model_rollouts_changes_unseen",
            "1 for each list or watch of objects that the API server does not do now.",
            labels=["request"],
        )
        for each in self._unseen():
            unseen.add_metric([each], 1.0)
        yield unseen
