"""What a model server tries that wants to look better than it is; it prints what it got, as JSON.

It runs in the model's container of a pod, as the user of the model server.
"""

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path

LIVE, SHADOW, METRICS = 17080, 17081, 17090
SOURCES = ("127.0.0.1", "127.0.0.6", "127.200.0.1")
FORBIDDEN = ("/reset_counters", "/quitquitquit", "/drain_listeners", "/stats", "/config_dump")
SECONDS = 5


def ask(source: str, to: str, port: int, method: str = "GET", path: str = "/") -> int | None:
    """The status of the answer, None without one."""
    client = HTTPConnection(to, port, SECONDS, (source, 0))
    try:
        client.request(method, path)
        return client.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        client.close()


def padded(own: str) -> list[str]:
    """From where to where a request to the own proxy got an answer."""
    return [
        f"{source} to {to}:{port}"
        for source in (*SOURCES, own)
        for to in ("127.0.0.1", "127.0.0.2", own)
        for port in (LIVE, SHADOW)
        if ask(source, to, port) is not None
    ]


def table(name: str) -> list[list[str]]:
    """The lines of a table of the kernel's about the pod's network, without its head."""
    return [line.split() for line in Path("/proc/net", name).read_text().splitlines()[1:]]


def listening() -> list[int]:
    """Every TCP port on which something listens in the pod."""
    lines = [each for name in ("tcp", "tcp6") for each in table(name)]
    return sorted({int(each[1].rpartition(":")[2], 16) for each in lines if each[3] == "0A"})


def taken(own: str) -> list[str]:
    """Where a server of its own can listen beside the proxy."""
    found = []
    for address in (own, "0.0.0.0", "127.0.0.1"):  # noqa: S104 - that is what is tried
        for port in (LIVE, SHADOW, METRICS):
            with socket.socket() as server:
                for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                    server.setsockopt(socket.SOL_SOCKET, option, 1)
                try:
                    server.bind((address, port))
                    server.listen()
                except OSError:
                    continue
                found.append(f"{address}:{port}")
    return found


def sockets() -> list[str]:
    """Unix sockets of others that this process could open."""
    return [each[7] for each in table("unix") if len(each) > 7 and connects(each[7])]


def connects(name: str) -> bool:
    """Whether a Unix socket answers under `name`, where `@` begins one that is not a file."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect("\0" + name[1:] if name.startswith("@") else name)
        except OSError:
            return False
    return True


def programs() -> list[str]:
    """The programs of all processes that can be seen."""
    found = (path.read_text().partition("\0")[0] for path in Path("/proc").glob("[0-9]*/cmdline"))
    return sorted({Path(each).name for each in found})


if __name__ == "__main__":
    pod = socket.gethostbyname(socket.gethostname())
    print(
        json.dumps(
            {
                "padded": padded(pod),
                "admin": sorted(
                    {
                        str(ask("127.0.0.1", "127.0.0.1", METRICS, method, path))
                        for path in FORBIDDEN
                        for method in ("GET", "POST")
                    }
                ),
                "listening": listening(),
                "taken": taken(pod),
                "sockets": sockets(),
                "programs": programs(),
                "served": ask(pod, pod, METRICS, path="/stats/prometheus"),
            }
        )
    )
