"""Metrics of the process; no label has a part of an address."""

from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector


class Counters:
    """What is counted, by target."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        name = "model_rollouts_notifications"
        self.sent = Counter(
            f"{name}_sent", "Messages that targets took.", ("target",), registry=self.registry
        )
        self.failed = Counter(
            f"{name}_failed",
            "Tries that failed: refused, or without an answer.",
            ("target", "why"),
            registry=self.registry,
        )
        self.dropped = Counter(
            f"{name}_dropped",
            "Facts that were given up, because the target took no message for too long.",
            ("target",),
            registry=self.registry,
        )
        self.waiting = Gauge(
            f"{name}_waiting", "Facts that wait for a target.", ("target",), registry=self.registry
        )
        self.oldest = Gauge(
            f"{name}_oldest_seconds",
            "For how long the oldest of them has waited.",
            ("target",),
            registry=self.registry,
        )
        self.watching = Gauge(
            f"{name}_watching",
            "Whether ModelDeployments are watched (1) or the API server does not let it (0).",
            registry=self.registry,
        )
