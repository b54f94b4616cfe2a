"""A real Prometheus on loopback, for tests and benchmarks."""

import contextlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from ephemeral_port_reserve import reserve
from prometheus_client import CollectorRegistry, start_http_server

NOTHING: Mapping[str, Any] = MappingProxyType({})


@contextlib.contextmanager
def exposed(registry: CollectorRegistry, port: int) -> Iterator[None]:
    """Serve what a registry shows until the end of the context."""
    server, thread = start_http_server(port, "127.0.0.1", registry)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True, slots=True)
class Target:
    """Something to scrape, under the labels that a PodMonitor would give it."""

    port: int
    labels: Mapping[str, str]
    job: str = "models"
    path: str = "/metrics"
    relabel: Sequence[Mapping[str, Any]] = ()
    """Of the job; all targets of a job have the same."""


@dataclass(frozen=True, slots=True)
class PrometheusServer:
    """A running server."""

    url: str
    pid: int
    version: str


def configuration(
    targets: Sequence[Target], interval: str, *, honor_labels: bool
) -> dict[str, Any]:
    """The scrape configuration: one job for each job name, the targets static."""
    jobs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    relabel = {target.job: [dict(each) for each in target.relabel] for target in targets}
    for target in targets:
        static = {"targets": [f"127.0.0.1:{target.port}"], "labels": dict(target.labels)}
        jobs.setdefault((target.job, target.path), []).append(static)
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [
            {
                "job_name": job,
                "metrics_path": path,
                "honor_labels": honor_labels,
                "static_configs": statics,
                "relabel_configs": relabel[job],
            }
            for (job, path), statics in jobs.items()
        ],
    }


@contextlib.contextmanager
def prometheus_server(
    binary: Path,
    directory: Path,
    targets: Sequence[Target],
    interval: str,
    *,
    honor_labels: bool = False,
    backfill: bool = False,
    more: Mapping[str, Any] = NOTHING,
    options: Sequence[str] = (),
) -> Iterator[PrometheusServer]:
    """Run the Prometheus `binary` to scrape `targets`; ended by its pid afterwards.

    With `backfill` it takes samples of the past two days from pages that state their times. `more`
    are further sections of its configuration, `options` those of its command line.
    """
    port = reserve()
    config = directory / "prometheus.yml"
    settings = configuration(targets, interval, honor_labels=honor_labels)
    for section, values in more.items():
        settings[section] = values | settings[section] if section in settings else values
    if backfill:
        settings["storage"] = {"tsdb": {"out_of_order_time_window": "48h"}}
    config.write_text(yaml.safe_dump(settings))
    log = directory / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(binary),
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
                *options,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_ready(url, process, log)
        version = subprocess.run(
            [str(binary), "--version"], check=True, capture_output=True, text=True
        )
        yield PrometheusServer(url, process.pid, version.stdout.split()[2])
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"Prometheus ended at once: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise RuntimeError(f"Prometheus was not ready within 30 s: {log.read_text()[-2000:]}")
