"""Many pods in one process: each page holds the series of a few, with the labels of a cluster.

    python -m benchmarks.intake.exporter PORT ROLLOUTS PAGES SLICES

POST /traffic lets every pod answer requests with each scrape; DELETE /traffic stops it and answers
with the truth, the sums of all counters.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

PODS_PER_ARM = 2
NAMESPACES = 40
GROWTH = (97, 1, 2, 3, 97, 90, 94)
"""What one scrape interval adds to each counter of a pod."""
OF_SLICE = (10, 1, 1, 9, 8, 9)
"""The same of each counter of a slice."""
SLICE_EDGES_MS = (400, 500)


def revisions(rollout: int) -> tuple[str, str]:
    """The names of stable and candidate."""
    return f"arrival-delay-{rollout:05d}-4f2c9a17b0", f"arrival-delay-{rollout:05d}-9be01d33c8"


def namespace(rollout: int) -> str:
    """Where a rollout lives."""
    return f"team-{rollout % NAMESPACES:02d}"


def pods(revision: str) -> list[str]:
    """The pods of a revision."""
    return [f"{revision}-7c9d8f6b5-x{n}k2p" for n in range(PODS_PER_ARM)]


_BY_STATUS = "envoy_cluster_upstream_rq"


def slice_names(slices: int) -> list[str]:
    """The names of so many slices."""
    return [f"slice-{number}" for number in range(slices)]


def _of_slice(live: str, name: str) -> list[str]:
    own = f'{live},envoy_slice="{name}"'
    lower, upper = SLICE_EDGES_MS
    return [
        f"envoy_slice_total{{{own}}} ",
        f"envoy_slice_failed{{{own}}} ",
        f"envoy_slice_given_up{{{own}}} ",
        f"envoy_slice_time_count{{{own}}} ",
        f'envoy_slice_time_bucket{{{own},le="{lower - 1}"}} ',
        f'envoy_slice_time_bucket{{{own},le="{upper - 1}"}} ',
    ]


def _series(rollout: int, revision: str, pod: str, number: int, slices: int) -> list[str]:
    target = (
        f'namespace="{namespace(rollout)}",pod="{pod}",container="proxy",endpoint="metrics",'
        f'job="monitoring/model-rollouts",instance="10.{number >> 16}.{number >> 8 & 255}.'
        f'{number & 255}:9901",modelrollouts_revision="{revision}"'
    )
    live = f'{target},envoy_http_conn_manager_prefix="live"'
    rq = "envoy_http_downstream_rq_"
    return [
        f"{rq}completed{{{live}}} ",
        f"{rq}rx_reset{{{live}}} ",
        f'{rq}xx{{{live},envoy_response_code_class="5"}} ',
        f'{_BY_STATUS}{{{target},envoy_cluster_name="live",envoy_response_code="404"}} ',
        f"{rq}time_count{{{live}}} ",
        f'{rq}time_bucket{{{live},le="299"}} ',
        f'{rq}time_bucket{{{live},le="379"}} ',
        *(each for name in slice_names(slices) for each in _of_slice(live, name)),
        f"envoy_server_uptime{{{target}}} ",
    ]


class Page:
    """The pods of one scrape target."""

    def __init__(self, rollouts: range, slices: int) -> None:
        lines: list[str] = []
        self._pods = 0
        self._growth = (*GROWTH, *OF_SLICE * slices)
        for rollout in rollouts:
            for revision in revisions(rollout):
                for pod in pods(revision):
                    lines += [
                        name + "%d"
                        for name in _series(
                            rollout, revision, pod, rollout * 4 + self._pods % 4, slices
                        )
                    ]
                    self._pods += 1
        self._text = "\n".join(lines) + "\n"
        self._lock = Lock()
        self._grown = 0

    def render(self, *, grow: bool, uptime: int) -> bytes:
        """The page; `grow` lets every pod count one more interval of traffic."""
        with self._lock:
            self._grown += grow
            values = (*(self._grown * each for each in self._growth), uptime)
            return (self._text % (values * self._pods)).encode()

    def truth(self) -> dict[str, int]:
        """Total and bad ones over all pods, as the objectives define them."""
        completed, reset, server, *_ = (self._grown * each * self._pods for each in GROWTH)
        return {"total": completed + reset, "bad": server + reset}


class Exporter:
    """All pages and whether there is traffic."""

    def __init__(self, rollouts: int, pages: int, slices: int) -> None:
        size = -(-rollouts // pages)
        self.pages = [
            Page(range(first, min(first + size, rollouts)), slices)
            for first in range(0, rollouts, size)
        ]
        self.traffic = False
        self.started = time.time()

    def page(self, number: int) -> bytes:
        """One page, its pods up since the exporter began."""
        uptime = int(time.time() - self.started)
        return self.pages[number].render(grow=self.traffic, uptime=uptime)

    def truth(self) -> dict[str, int]:
        """The sums over all pages."""
        truths = [page.truth() for page in self.pages]
        return {name: sum(each[name] for each in truths) for name in ("total", "bad")}


class Server(ThreadingHTTPServer):
    """Takes many connections at once, and their end as it comes."""

    request_queue_size = 1024

    def handle_error(self, request: object, client_address: object) -> None:
        """Prometheus closes its connections when the benchmark ends it; that is no error."""


def serve(port: int, exporter: Exporter) -> None:
    """Serve until the process is ended."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(exporter.page(int(self.path.rpartition("/")[2])))

        def do_POST(self) -> None:
            exporter.traffic = True
            self._answer(b"")

        def do_DELETE(self) -> None:
            exporter.traffic = False
            self._answer(json.dumps(exporter.truth()).encode())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Exporter(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
