"""A pod around `tests.metrics.exporter`: started, crashed, and asked for the truth."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ephemeral_port_reserve import reserve

from model_rollouts.metrics.sources import Listener

PATIENCE_S = 60.0

Truth = dict[str, Counter[str]]


class ExporterPod:
    """A pod whose proxy can be started, crashed and asked for the truth."""

    def __init__(self, name: str, revision: str, directory: Path) -> None:
        self.name = name
        self.revision = revision
        self.port = reserve()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._truths: list[Path] = []

    def start(self) -> None:
        truth = self._directory / f"{self.name}-{len(self._truths)}.jsonl"
        truth.touch()
        self._truths.append(truth)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.metrics.exporter",
                str(self.port),
                self.revision,
                str(truth),
            ]
        )
        wait_until(self._listens, f"{self.name} listens")

    def crash(self) -> None:
        """End the process without warning: what was not scraped is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def count(self, counts: dict[str, int], listener: Listener = Listener.LIVE) -> None:
        """Count requests, as the proxy would."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/count", json.dumps({listener: counts}).encode()
        )
        with urllib.request.urlopen(request, timeout=5):
            pass

    def scrapes(self) -> int:
        """Scrapes of all processes that this pod had."""
        return sum(1 for each in self._events() if each["event"] == "served")

    def served(self) -> Truth:
        """What Prometheus could have seen: the last served counters of each process, summed."""
        truth: Truth = {"live": Counter(), "shadow": Counter()}
        for path in self._truths:
            served = [each for each in _events(path) if each["event"] == "served"]
            for listener, counts in served[-1]["counters"].items() if served else ():
                truth[listener].update(counts)
        return truth

    def _events(self) -> Iterator[dict[str, Any]]:
        for path in self._truths:
            yield from _events(path)

    def _listens(self) -> bool:
        try:
            self.count({})
        except (urllib.error.URLError, ConnectionError):
            return False
        return True


def _events(path: Path) -> list[dict[str, Any]]:
    # The last line may be torn when the process was ended while it wrote.
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail with `what` when it does not come."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain: {what}"
        time.sleep(0.02)


def wait_for_scrapes(pods: list[ExporterPod], more: int = 2) -> None:
    """Wait until each pod was scraped `more` times from now on."""
    wanted = {pod: pod.scrapes() + more for pod in pods}
    wait_until(
        lambda: all(pod.scrapes() >= count for pod, count in wanted.items()),
        f"scrapes of {', '.join(pod.name for pod in pods)}",
    )
