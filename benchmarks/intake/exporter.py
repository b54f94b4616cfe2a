"""Many pods in one process: each page holds the series of a few, with the labels of a cluster.

    python -m benchmarks.intake.exporter PORT ROLLOUTS PAGES SLICES STAGES

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
OF_STAGE = (97, 90, 95)
"""The same of each counter of a stage, which the model server exports itself."""
STAGES = ("request_predict_seconds", "request_preprocess_seconds", "request_postprocess_seconds")
STAGE_EDGES = (0.25, 0.5)
"""Of those that the model server has, in seconds."""


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


def _of_stage(server: str, metric: str) -> list[str]:
    lower, upper = STAGE_EDGES
    return [
        f"{metric}_count{{{server}}} ",
        f'{metric}_bucket{{{server},le="{lower}"}} ',
        f'{metric}_bucket{{{server},le="{upper}"}} ',
    ]


def _target(rollout: int, revision: str, pod: str, number: int, container: str, port: int) -> str:
    return (
        f'namespace="{namespace(rollout)}",pod="{pod}",container="{container}",'
        f'endpoint="metrics",job="monitoring/model-rollouts",instance="10.{number >> 16}.'
        f'{number >> 8 & 255}.{number & 255}:{port}",modelrollouts_revision="{revision}"'
    )


def _of_server(rollout: int, revision: str, pod: str, number: int, stages: int) -> list[str]:
    """What the model server exports, and when its process started."""
    server = _target(rollout, revision, pod, number, "model", 8080)
    own = (each for metric in STAGES[:stages] for each in _of_stage(server, metric))
    return [*own, f"process_start_time_seconds{{{server}}} "]


def _series(rollout: int, revision: str, pod: str, number: int, slices: int) -> list[str]:
    target = _target(rollout, revision, pod, number, "proxy", 9901)
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

    def __init__(self, rollouts: range, slices: int, stages: int) -> None:
        lines: list[str] = []
        self._pods = 0
        self._growth = (*GROWTH, *OF_SLICE * slices)
        self._of_server = OF_STAGE * stages
        for rollout in rollouts:
            for revision in revisions(rollout):
                for pod in pods(revision):
                    number = rollout * 4 + self._pods % 4
                    series = _series(rollout, revision, pod, number, slices)
                    if stages:
                        series += _of_server(rollout, revision, pod, number, stages)
                    lines += [name + "%d" for name in series]
                    self._pods += 1
        self._text = "\n".join(lines) + "\n"
        self._lock = Lock()
        self._grown = 0

    def render(self, *, grow: bool, uptime: int, started: int) -> bytes:
        """The page; `grow` lets every pod count one more interval of traffic."""
        with self._lock:
            self._grown += grow
            values: tuple[int, ...] = (*(self._grown * each for each in self._growth), uptime)
            if self._of_server:
                values += (*(self._grown * each for each in self._of_server), started)
            return (self._text % (values * self._pods)).encode()

    def truth(self) -> dict[str, int]:
        """Total and bad ones over all pods, as the objectives define them."""
        completed, reset, server, *_ = (self._grown * each * self._pods for each in GROWTH)
        return {"total": completed + reset, "bad": server + reset}


class Exporter:
    """All pages and whether there is traffic."""

    def __init__(self, rollouts: int, pages: int, slices: int, stages: int) -> None:
        size = -(-rollouts // pages)
        self.pages = [
            Page(range(first, min(first + size, rollouts)), slices, stages)
            for first in range(0, rollouts, size)
        ]
        self.traffic = False
        self.started = time.time()

    def page(self, number: int) -> bytes:
        """One page, its pods up since the exporter began."""
        uptime = int(time.time() - self.started)
        return self.pages[number].render(
            grow=self.traffic, uptime=uptime, started=int(self.started)
        )

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
    serve(int(sys.argv[1]), Exporter(*map(int, sys.argv[2:6])))
