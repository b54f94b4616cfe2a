"""Two services, each with a stable and a candidate that real exporters stand for.

One candidate is as good as stable, the other fails too many of its requests.
"""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.metrics.exporter_pod import ExporterPod
from tests.prometheus_server import Target

STABLE, CANDIDATE = "model-1", "model-2"
EVERY_S = 0.25
REQUESTS = 16
"""Of one pod in EVERY_S."""


class Service:
    """The pods of one model in a namespace; its candidate fails the share `bad` of requests."""

    def __init__(self, namespace: str, bad: float, directory: Path) -> None:
        self.namespace = namespace
        self.stable = ExporterPod(f"{namespace}-1", STABLE, directory)
        self.candidate = ExporterPod(f"{namespace}-2", CANDIDATE, directory)
        self.pods = [self.stable, self.candidate]
        self._shares = {self.stable: 0.002, self.candidate: bad}

    def targets(self) -> list[Target]:
        """What is scraped, under the labels that a PodMonitor gives."""
        labels = {"namespace": self.namespace, "container": "proxy"}
        return [Target(pod.port, labels | {"pod": pod.name}) for pod in self.pods]

    def serve(self, dice: random.Random) -> None:
        """The requests of a moment at both pods."""
        for pod, bad in self._shares.items():
            failed = sum(dice.random() < bad for _ in range(REQUESTS))
            served = dict.fromkeys(("completed", "timed", "within"), REQUESTS)
            pod.count(served | {"5xx": failed})

    def truth(self) -> dict[str, tuple[int, int]]:
        """(requests, failed ones) of each arm, as far as they were ever shown to a scrape."""
        shown: dict[str, Counter[str]] = {
            "stable": self.stable.served()["live"],
            "candidate": self.candidate.served()["live"],
        }
        return {name: (each["completed"], each["5xx"]) for name, each in shown.items()}


@contextlib.contextmanager
def under_way(services: list[Service]) -> Iterator[None]:
    """Requests until the end of the context."""
    dice, ended = random.Random(7), threading.Event()

    def serve() -> None:
        while not ended.wait(EVERY_S):
            for service in services:
                service.serve(dice)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
