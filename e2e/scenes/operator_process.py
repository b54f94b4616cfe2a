"""The operator as a process of this machine, against an API server and a Prometheus.

It is the same program that the image runs. Here it starts in a second, can be killed at any moment
and begins again with what the cluster holds, which is what the scenes are about.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from ephemeral_port_reserve import reserve
from prometheus_client.parser import text_string_to_metric_families

from e2e.cluster import images
from e2e.cluster.paths import REPOSITORY
from e2e.waiting import wait_until

SCRAPE_SECONDS = 5
"""That of the Prometheus of `make cluster`."""
REQUESTS = "model_rollouts_api_requests_total"
WRITING = ("POST", "PUT", "PATCH", "DELETE")
KILLED = -signal.SIGKILL
(_PROXY,) = (image for image in images.NODE if image.name == "envoy")


@dataclass(frozen=True)
class Move:
    """A line of the log about a write of the route; `at` in Unix seconds, just after the write."""

    at: float
    move: str


class Operator:
    """One operator, started again as often as a scene wants; `log` keeps what all of them said."""

    def __init__(
        self,
        kubeconfig: Path,
        prometheus_url: str,
        log: Path,
        *namespaces: str,
        lease: str | None = None,
    ) -> None:
        """Prepare one that serves `namespaces` and no other; all of them when none is given.

        With a `lease`, namespace and name, it stands by while another one leads.
        """
        self._kubeconfig = kubeconfig
        self._prometheus_url = prometheus_url
        self._namespaces = [f"--namespace={each}" for each in namespaces]
        self._lease = [] if lease is None else [f"--lease={lease}"]
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self, crash_at: str = "") -> None:
        """Start it, and wait until it says that it is ready.

        With `crash_at`, such as `after-route`, it kills itself there, which may be before it is
        ready.
        """
        assert not self.running, "the operator runs already"
        self._port = reserve()
        command = [
            *(sys.executable, "-m", "model_rollouts.cli.main", "run"),
            *self._namespaces,
            *self._lease,
            *("--kubeconfig", str(self._kubeconfig)),
            *("--prometheus-url", self._prometheus_url),
            *("--proxy-image", _PROXY.reference),
            *("--scrape-interval", f"{SCRAPE_SECONDS}s"),
            *("--port", str(self._port)),
            *(("--crash-at", crash_at) if crash_at else ()),
        ]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")}
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                command, stdout=sink, stderr=subprocess.STDOUT, env=environment
            )
        wait_until(lambda: self._ready() or not self.running, "the operator was not ready")
        assert self.running or crash_at, f"the operator ended:\n{self.tail()}"

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        """The exit code of the last one; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    @property
    def leads(self) -> bool:
        """Whether it is the one that may write."""
        return self.running and self.total("model_rollouts_is_leader") == {(): 1.0}

    def _ready(self) -> bool:
        try:
            return httpx.get(self._url("readyz"), trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _url(self, page: str) -> str:
        return f"http://127.0.0.1:{self._port}/{page}"

    def metrics(self) -> str:
        """What it says of itself, in Prometheus' text format."""
        answer = httpx.get(self._url("metrics"), trust_env=False)
        answer.raise_for_status()
        return answer.text

    def total(self, name: str) -> dict[tuple[str, ...], float]:
        """A metric of its own since it started, by the values of its labels, sorted by name."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.metrics())
            for sample in family.samples
            if sample.name == name
        }

    def writes(self) -> dict[str, int]:
        """Its writing requests to the API server since it started, events apart, by kind."""
        found: dict[str, int] = {}
        for (_, resource, verb), count in self.total(REQUESTS).items():
            if verb in WRITING and resource != "events":
                found[resource] = found.get(resource, 0) + int(count)
        return found

    def kill(self) -> None:
        """Kill it in the middle of whatever it does."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """Ask it to end, as a Deployment would; harmless when it has ended."""
        if self._process is None:
            return
        self._process.terminate()
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def moves(self) -> list[Move]:
        """The route writes that it logged, in order."""
        found = []
        for line in self.log.read_text().splitlines():
            content = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
            if "move" in content:
                found.append(Move(_unix(content["time"]), content["move"]))
        return found

    def tail(self) -> str:
        """The end of its log, for a complaint."""
        return self.log.read_text()[-3000:]


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
