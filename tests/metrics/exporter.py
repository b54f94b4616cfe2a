"""A real exporter in a process of its own: one pod's proxy, driven over HTTP by a test.

    python -m tests.metrics.exporter PORT REVISION TRUTH

POST /count {"live": {"completed": 5, "5xx": 1}} adds to the counters and answers when the change
is written down. Each scrape writes down what was served, so the truth is on disk whatever ends the
process. /metrics is in the form that Envoy has.
"""

import json
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

FROM_START = ("completed", "rx_reset", "5xx", "4xx", "timed", "within")
"""Counters that are exported at zero; a code such as "429" appears with its first request."""


class Pod:
    """The counters of one proxy."""

    def __init__(self, revision: str, truth: Path) -> None:
        self.lock = Lock()
        self._revision = revision
        self._truth = truth
        self._born = time.time()
        self._counters = {
            listener: Counter(dict.fromkeys(FROM_START, 0)) for listener in ("live", "shadow")
        }

    def add(self, change: dict[str, dict[str, int]]) -> None:
        """Add to counters and write the change down."""
        with self.lock:
            for listener, counts in change.items():
                self._counters[listener].update(counts)
            self._write("counted")

    def page(self) -> str:
        """The metrics as they are now, written down as served."""
        with self.lock:
            self._write("served")
            tag = f'modelrollouts_revision="{self._revision}"'
            lines = [f"envoy_server_uptime{{{tag}}} {int(time.time() - self._born)}"]
            for listener, counts in self._counters.items():
                lines += [_line(name, value, listener, tag) for name, value in counts.items()]
            return "\n".join(lines) + "\n"

    def _write(self, event: str) -> None:
        record = {"event": event, "at": time.time(), "counters": self._counters}
        with self._truth.open("a") as file:
            file.write(json.dumps(record) + "\n")


def _line(name: str, value: int, listener: str, tag: str) -> str:
    labels = f'{tag},envoy_http_conn_manager_prefix="{listener}"'
    if name.isdigit():
        labels = f'{tag},envoy_cluster_name="{listener}",envoy_response_code="{name}"'
        return f"envoy_cluster_upstream_rq{{{labels}}} {value}"
    if name.endswith("xx"):
        return (
            f'envoy_http_downstream_rq_xx{{{labels},envoy_response_code_class="{name[0]}"}} {value}'
        )
    if name == "within":
        return f'envoy_http_downstream_rq_time_bucket{{{labels},le="299"}} {value}'
    metric = "time_count" if name == "timed" else name
    return f"envoy_http_downstream_rq_{metric}{{{labels}}} {value}"


def serve(port: int, pod: Pod) -> None:
    """Serve until the process is ended."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(pod.page())

        def do_POST(self) -> None:
            pod.add(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer("")

        def _answer(self, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Pod(sys.argv[2], Path(sys.argv[3])))
