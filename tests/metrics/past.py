"""A past to ask about: counters of pods over hours, as a page that Prometheus scrapes once.

Every sample states its time, so that a day of history is there in a second.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

SERIES = {
    "completed": ("downstream_rq_completed", ""),
    "rx_reset": ("downstream_rq_rx_reset", ""),
    "5xx": ("downstream_rq_xx", ',envoy_response_code_class="5"'),
}


def line(
    pod: str, name: str, value: float, at_ms: int, *, listener: str = "live", more: str = ""
) -> str:
    """One sample of revision `m-1`, in the form that Envoy has; `more` are labels of the target."""
    target = f'namespace="shop",pod="{pod}",modelrollouts_revision="m-1"{more}'
    if name == "429":
        metric, more = "cluster_upstream_rq", ',envoy_response_code="429"'
        labels = f'envoy_cluster_name="{listener}"{more}'
        return f"envoy_{metric}{{{target},{labels}}} {value:g} {at_ms}"
    metric, more = SERIES[name]
    labels = f'envoy_http_conn_manager_prefix="{listener}"{more}'
    return f"envoy_http_{metric}{{{target},{labels}}} {value:g} {at_ms}"


def page(
    pods: Mapping[str, Mapping[str, Sequence[float | None]]],
    times: Sequence[int],
    copies: Sequence[str] = ("",),
) -> bytes:
    """The counters of each pod by name at `times` (Unix milliseconds); None is no sample.

    Each of `copies` is further labels of a target that shows the same once more, each of them one
    sample later than the one before it.
    """
    lines = []
    for index, at_ms in enumerate(times):
        for pod, counters in pods.items():
            for name, values in counters.items():
                for late, more in enumerate(copies):
                    value = values[index - late] if index >= late else None
                    if value is None:
                        continue
                    lines.append(line(pod, name, value, at_ms, more=more))
                    if name != "429":
                        # What mirrored copies got is no part of what users got.
                        shadow = line(pod, name, 7 * value, at_ms, listener="shadow", more=more)
                        lines.append(shadow)
    return "\n".join([*lines, ""]).encode()


@contextlib.contextmanager
def serving(body: bytes) -> Iterator[int]:
    """The port of a server whose first answer is `body`, and every later one empty."""
    answers = [body]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.pop() if answers else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
