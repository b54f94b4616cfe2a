"""The stores of samples that people put beside or behind Prometheus, each as it is by default.

Each is a context that scrapes targets, by itself or through real Prometheus servers, and gives the
address at which samples are asked for.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ephemeral_port_reserve import reserve

from e2e.cluster import tools
from tests.prometheus_server import Target, configuration, prometheus_server
from tests.stores.processes import running

SHIPPED_EVERY_S = 8
"""Remote write sends a batch that is not full after so long; a full one has 2,000 samples."""

SHARDS = 4
"""Queues of remote write, each with moments of its own: series of one scrape come in parts."""


@dataclass(frozen=True)
class Setting:
    """What is scraped how often, where files may lie, and the Prometheus that people have."""

    prometheus: Path
    directory: Path
    targets: Sequence[Target]
    every: str

    def folder(self, name: str) -> Path:
        """A folder of its own for one process."""
        folder = self.directory / name
        folder.mkdir()
        return folder


def _remote_write(url: str) -> dict[str, Any]:
    queue = {
        "batch_send_deadline": f"{SHIPPED_EVERY_S}s",
        "min_shards": SHARDS,
        "max_shards": SHARDS,
    }
    return {"remote_write": [{"url": url, "queue_config": queue}]}


@contextlib.contextmanager
def _victoria_metrics(setting: Setting, *options: str) -> Iterator[str]:
    port, folder = reserve(), setting.folder("victoria-metrics")
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        tools.binary("victoria-metrics"),
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-loggerLevel=WARN",
        *options,
    ]
    with running("victoria-metrics", command, folder, f"{url}/-/ready"):
        yield url


@contextlib.contextmanager
def victoria_metrics_scrapes(setting: Setting) -> Iterator[str]:
    """VictoriaMetrics scrapes by itself; no Prometheus is there."""
    config = setting.directory / "scrape.yml"
    config.write_text(
        yaml.safe_dump(configuration(setting.targets, setting.every, honor_labels=False))
    )
    with _victoria_metrics(setting, f"-promscrape.config={config}") as url:
        yield url


@contextlib.contextmanager
def victoria_metrics_behind_remote_write(setting: Setting) -> Iterator[str]:
    """One Prometheus writes to VictoriaMetrics, up to 8 s late."""
    with _victoria_metrics(setting) as url:
        more = _remote_write(f"{url}/api/v1/write")
        with prometheus_server(
            setting.prometheus,
            setting.folder("prometheus"),
            setting.targets,
            setting.every,
            more=more,
        ):
            yield url


@contextlib.contextmanager
def _two_write(setting: Setting, url: str, *, named: bool) -> Iterator[None]:
    """Two Prometheus write to a VictoriaMetrics, under the same labels or each with its name."""
    with contextlib.ExitStack() as stack:
        for name in ("a", "b"):
            more = _remote_write(f"{url}/api/v1/write")
            if named:
                more["global"] = {"external_labels": {"prometheus_replica": name}}
            stack.enter_context(
                prometheus_server(
                    setting.prometheus,
                    setting.folder(f"prometheus-{name}"),
                    setting.targets,
                    setting.every,
                    more=more,
                )
            )
        yield


@contextlib.contextmanager
def victoria_metrics_behind_two(setting: Setting) -> Iterator[str]:
    """Two Prometheus write to VictoriaMetrics, each series under the label of its replica."""
    with _victoria_metrics(setting) as url, _two_write(setting, url, named=True):
        yield url


@contextlib.contextmanager
def victoria_metrics_deduplicates_two(setting: Setting) -> Iterator[str]:
    """Two Prometheus write the same series, of which VictoriaMetrics keeps a sample an interval."""
    with (
        _victoria_metrics(setting, f"-dedup.minScrapeInterval={setting.every}") as url,
        _two_write(setting, url, named=False),
    ):
        yield url
