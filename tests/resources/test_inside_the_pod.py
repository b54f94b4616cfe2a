"""What a model server can do to the proxy beside it: the real Envoy in a network of its own.

A pod is a network namespace here, as it is in a cluster: the model server shares its addresses with
the proxy, and users come from another one.
"""

import contextlib
import itertools
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from model_rollouts.resources import names
from model_rollouts.resources.proxy import ProxyPorts, bootstrap
from tests.resources.envoy import PATIENCE_S, REVISION, binary
from tests.resources.network import OUTSIDE, POD, Place, pod_and_outside

pytestmark = pytest.mark.timeout(90)

MODEL_PORT = 8080
FOR_REQUESTS = (names.LIVE_PORT, names.SHADOW_PORT)
LOOPBACK = ("127.0.0.1", "127.0.0.6", "127.200.0.1")
SERVED, MISSING = "HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"


@dataclass
class Pod:
    """The proxy in its pod, and a client outside."""

    inside: Place
    outside: Place
    socket: Path
    config: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the proxy, as it starts in a pod, and wait until it is ready."""
        proxy = (str(binary()), "--disable-hot-restart", "--log-level", "error")
        args = ("--concurrency", "2", "--config-yaml", json.dumps(self.config))
        self.process = subprocess.Popen(self.inside.command(*proxy, *args))
        self._wait(lambda: self.scrape() == SERVED)

    def end(self) -> None:
        """End the proxy without giving it time for anything."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def scrape(self) -> str:
        return self._asked(names.METRICS_PORT, names.METRICS_PATH)

    def counted(self) -> dict[str, float]:
        """Requests that were begun, by listener, as the admin interface has them now."""
        with contextlib.closing(HTTPConnection("admin")) as client:
            client.sock = socket.socket(socket.AF_UNIX)
            client.sock.connect(str(self.socket))
            client.request("GET", "/stats")
            told = client.getresponse().read().decode()
        lines = dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)
        return {
            name: float(lines[f"http.{name}.downstream_rq_total"]) for name in ("live", "shadow")
        }

    def _asked(self, port: int, path: str) -> str:
        assert self.process is not None
        assert self.process.poll() is None, "Envoy ended by itself"
        try:
            return self.outside.ask(OUTSIDE, POD, port, path)
        except subprocess.CalledProcessError:
            return "refused"

    def _wait(self, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "the proxy is not ready"


def pod_with(in_mesh: bool) -> Iterator[Pod]:
    with pod_and_outside() as (inside, outside), tempfile.TemporaryDirectory() as folder:
        admin = Path(folder, "envoy.sock")
        ports = ProxyPorts(admin=str(admin))
        config = bootstrap(REVISION, MODEL_PORT, [99], ports, in_mesh=in_mesh)
        args = ("-m", "http.server", str(MODEL_PORT), "--bind", "127.0.0.1", "--directory", folder)
        model = subprocess.Popen(
            inside.command(sys.executable, *args), stderr=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        found = Pod(inside, outside, admin, config)
        try:
            found.start()
            found._wait(lambda: found._asked(names.LIVE_PORT, "/") == SERVED)
            yield found
        finally:
            if found.process is not None:
                found.end()
            model.kill()
            model.communicate()


@pytest.fixture
def pod() -> Iterator[Pod]:
    yield from pod_with(in_mesh=False)


@pytest.fixture
def pod_in_mesh() -> Iterator[Pod]:
    yield from pod_with(in_mesh=True)


def test_only_clients_outside_of_the_pod_are_served_and_counted(pod: Pod) -> None:
    before = pod.counted()

    for source, to in itertools.product((*LOOPBACK, POD), ("127.0.0.1", "127.0.0.2", POD)):
        for port in FOR_REQUESTS:
            assert pod.inside.ask(source, to, port) == "closed", (source, to, port)

    assert pod.counted() == before
    for port in FOR_REQUESTS:
        assert pod.outside.ask(OUTSIDE, POD, port) == SERVED
    assert pod.counted() == {name: number + 1 for name, number in before.items()}


def test_where_a_mesh_delivers_users_from_inside_they_are_served(pod_in_mesh: Pod) -> None:
    for source, to in (("127.0.0.6", POD), ("127.0.0.1", "127.0.0.1"), (POD, POD)):
        for port in FOR_REQUESTS:
            assert pod_in_mesh.inside.ask(source, to, port) == SERVED, (source, to, port)


def test_nothing_in_the_pod_resets_or_ends_the_proxy(pod: Pod) -> None:
    before = pod.counted()
    listening = pod.inside.run("cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines()
    ports = {
        int(line.split()[1].rpartition(":")[2], 16)
        for line in listening
        if len(line.split()) > 3 and line.split()[3] == "0A"
    }

    # No port but those that are meant to be there, so no other way to the admin interface.
    assert ports == {MODEL_PORT, names.METRICS_PORT, *FOR_REQUESTS}
    for path in ("/reset_counters", "/quitquitquit", "/drain_listeners", "/stats"):
        for method in ("GET", "POST"):
            found = pod.inside.ask("127.0.0.1", "127.0.0.1", names.METRICS_PORT, path, method)
            assert found == MISSING, (method, path)
    assert pod.scrape() == SERVED
    assert pod.counted() == before


def test_nobody_else_can_listen_on_the_proxys_ports(pod: Pod) -> None:
    """With the port shared, the kernel would give another server some of the scrapes."""
    assert pod.inside.can_listen(POD, [*FOR_REQUESTS, names.METRICS_PORT]) == []


def test_a_proxy_that_crashed_finds_its_socket_where_it_left_it(pod: Pod) -> None:
    pod.end()
    assert pod.socket.is_socket()

    pod.start()

    assert pod.scrape() == SERVED
