"""The observer's metrics. docs/observer.md describes each of them; a test holds both equal."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from model_rollouts.api.runtimes import SERVER_TIMING

MODEL = ("model_namespace", "model", "modelrollouts_revision")
"""Labels of all that belongs to a revision: for pairs the candidate's, else the speaker's."""

_DECADE = (10, 15, 20, 25, 30, 40, 50, 75)
STAGE_EDGES_S = tuple(
    each / 1000
    for each in (1, 2, 3, 5, 8, *(one * scale for scale in (1, 10, 100, 1_000) for one in _DECADE))
)
"""The times that are promised of stages, mostly: each edge is a series of each stage and arm."""

Revision = tuple[str, str, str]
"""The values of these labels: namespace, model and revision."""


class Counters:
    """All metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"model_rollouts_observer_{name}", text, labels, registry=registry)

        self.pairs = counter(
            "pairs", "Requests that both versions answered.", *MODEL, "comparison", "slice"
        )
        self.disagreements = counter(
            "disagreements", "Pairs that disagree.", *MODEL, "comparison", "slice"
        )
        self.unpaired = counter("unpaired", "Mirrored requests without a vote.", *MODEL, "reason")
        self.records = counter("records", "Records that came.", *MODEL, "arm", "outcome")
        self.stored = counter("stored_records", "Records that were committed.", *MODEL, "arm")
        self.lost = counter("lost_records", "Records that never came.", *MODEL, "arm")
        self.dropped = counter("dropped", "Records that were not stored.", *MODEL, "why")
        self.stages = Histogram(
            SERVER_TIMING,
            "How long a stage took, by the header Server-Timing.",
            (*MODEL, "stage", "arm"),
            buckets=STAGE_EDGES_S,
            registry=registry,
        )
        self.bad_timings = counter(
            "bad_timings", "Headers Server-Timing that cannot be read.", *MODEL, "arm"
        )
        self.start_time = Gauge(
            "model_rollouts_observer_start_time_seconds",
            "When this process began to count the revision, in Unix time.",
            MODEL,
            registry=registry,
        )
        self.input_distance = Gauge(
            "model_rollouts_observer_input_distance",
            "Share of requests that are elsewhere than in the reference, 0 to 1.",
            (*MODEL[:2], "input"),
            registry=registry,
        )
        self.input_moved = Gauge(
            "model_rollouts_observer_input_moved",
            "Whether an input moved since the reference by more than is allowed, beyond chance.",
            (*MODEL[:2], "input"),
            registry=registry,
        )
        self.refused = counter("refused_streams", "Streams that were refused.", "why")
        self.commits = counter("commits", "Commits to the table.", "result")
        self.waiting = Gauge(
            "model_rollouts_observer_waiting_bytes",
            "About how much memory rows take that wait for their commit.",
            registry=registry,
        )
        self.pending = Gauge(
            "model_rollouts_observer_pending_requests",
            "Requests of which one arm is known, or both were until lately.",
            registry=registry,
        )
        self.streams = Gauge(
            "model_rollouts_observer_streams", "Streams that are open.", registry=registry
        )

    def begin(self, revision: Revision, now: float) -> None:
        """The revision is counted from now on: before any of its counts."""
        self.start_time.labels(*revision).set(now)

    def forget_inputs(self, namespace: str, model: str) -> None:
        """Nothing is known of the inputs of a model: their series go."""
        labels = dict(zip(MODEL, (namespace, model), strict=False))
        for each in (self.input_distance, self.input_moved):
            each.remove_by_labels(labels)

    def forget(self, revision: Revision) -> None:
        """The revision is counted no longer: its series go."""
        labels = dict(zip(MODEL, revision, strict=True))
        of_revisions = (
            *(self.pairs, self.disagreements, self.unpaired, self.records, self.stored),
            *(self.lost, self.dropped, self.start_time, self.stages, self.bad_timings),
        )
        for each in of_revisions:
            each.remove_by_labels(labels)
