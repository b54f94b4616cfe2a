"""Two network namespaces, as of a pod and of a client elsewhere, with a link between them."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

POD = "10.9.0.1"
OUTSIDE = "10.9.0.2"

_REQUEST = """
import socket, sys
source, destination, port, method, path = sys.argv[1:]
client = socket.socket()
client.settimeout(10)
answer = b""
try:
    client.bind((source, 0))
    client.connect((destination, int(port)))
    head = f"{method} {path} HTTP/1.1", "Host: m", "Connection: close", "", ""
    client.sendall("\\r\\n".join(head).encode())
    while part := client.recv(65536):
        answer += part
except (ConnectionResetError, BrokenPipeError):
    pass
print(answer.decode().partition("\\r\\n")[0] or "closed")
"""
_LISTEN = """
import socket, sys
taken = []
for address in sys.argv[1], "0.0.0.0", "127.0.0.1":
    for port in sys.argv[2:]:
        server = socket.socket()
        for option in socket.SO_REUSEADDR, socket.SO_REUSEPORT:
            server.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            server.bind((address, int(port)))
            server.listen()
            taken.append(f"{address}:{port}")
        except OSError:
            pass
print(*taken)
"""


@dataclass(frozen=True)
class Place:
    """A network namespace, for as long as the process that holds it runs."""

    holder: subprocess.Popen[str]

    def command(self, *args: str) -> list[str]:
        """The command that runs `args` in it."""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--", *args]

    def run(self, *args: str) -> str:
        """Run `args` in it and return what they print."""
        return subprocess.run(
            self.command(*args), check=True, capture_output=True, text=True
        ).stdout.strip()

    def ask(
        self, source: str, destination: str, port: int, path: str = "/", method: str = "GET"
    ) -> str:
        """The first line of an answer over HTTP, or `closed` when there is none."""
        args = (source, destination, str(port), method, path)
        return self.run(sys.executable, "-c", _REQUEST, *args)

    def can_listen(self, address: str, ports: Sequence[int]) -> list[str]:
        """Where a server of the same user can listen as well, at `address` or any other."""
        return self.run(sys.executable, "-c", _LISTEN, address, *map(str, ports)).split()


@contextlib.contextmanager
def pod_and_outside() -> Iterator[tuple[Place, Place]]:
    """Both namespaces, with the addresses POD and OUTSIDE; skips where none can be made."""
    with contextlib.ExitStack() as stack:
        pod, outside = (Place(stack.enter_context(_holder())) for _ in range(2))
        peer = str(outside.holder.pid)
        pod.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", peer)
        for place, address in ((pod, POD), (outside, OUTSIDE)):
            place.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            place.run("ip", "link", "set", "eth0", "up")
        yield pod, outside


@contextlib.contextmanager
def _holder() -> Iterator[subprocess.Popen[str]]:
    # It reads until its input is closed, so that it cannot outlive the test.
    held = "ip link set lo up && echo held && exec cat"
    process = subprocess.Popen(
        ["unshare", "--net", "--", "sh", "-c", held],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "held\n":
            reason = "needs network namespaces: root, util-linux and iproute2"
            if os.environ.get("CI"):
                pytest.fail(f"needed in CI: {reason}")
            pytest.skip(reason)
        yield process
    finally:
        process.kill()
        process.communicate()
