"""A day that stable has behind it, written into the cluster's Prometheus as if it had been scraped.

How bursty a service's errors are is measured on its history. A cluster that was made a minute ago
has none, and a rollout then assumes that errors come in pairs and takes twice the requests; in
production stable has served for days. The blocks are made by Prometheus' own tool. Only the local
cluster's disk can be reached.
"""

import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from e2e.cluster import debian
from e2e.cluster.local.layout import default_layout
from e2e.cluster.shell import run
from e2e.fixtures import Cluster
from e2e.scenes.scrapes import BY_CLASS, COMPLETED, GIVEN_UP
from e2e.waiting import wait_until

HOURS = 24
SCRAPE_SECONDS = 15
ENDED_SECONDS = 180
"""How long ago it ended: a pod with samples of the last minute that the cluster does not have is
taken for somebody else's, and only pods of one's own are looked at then."""
RELOAD_SECONDS = 150
"""Prometheus looks for new blocks once a minute."""


def give(cluster: Cluster, namespace: str, revision: str, rate: float, errors: float) -> None:
    """Write a day of `rate` requests a second, of which each fails with the chance `errors`."""
    data = _data_directory(cluster)
    with tempfile.TemporaryDirectory() as scratch:
        source, blocks = Path(scratch) / "past.om", Path(scratch) / "blocks"
        source.write_text("\n".join(_exposition(namespace, revision, rate, errors)))
        promtool = debian.program("prometheus", "promtool")
        run([promtool, *("tsdb", "create-blocks-from", "openmetrics", "--quiet"), source, blocks])
        for block in blocks.iterdir():
            # Renamed into place: Prometheus must not meet half a block.
            moved = data / f".{block.name}"
            shutil.copytree(block, moved)
            run(["chown", "-R", f"--reference={data}", moved])
            moved.rename(data / block.name)
    seen = (
        f'count_over_time({COMPLETED}{{namespace="{namespace}",pod="{_pod(revision)}"}}[{HOURS}h])'
    )
    # All blocks of it: half a day would be known, and half of it taken for the whole.
    whole = 0.99 * HOURS * 3600 / SCRAPE_SECONDS
    wait_until(
        lambda: any(value >= whole for _, value in cluster.query(seen)),
        "Prometheus did not load the past",
        RELOAD_SECONDS,
    )


def _pod(revision: str) -> str:
    return f"{revision}-yesterday"


def _exposition(namespace: str, revision: str, rate: float, errors: float) -> Iterator[str]:
    draw = random.Random(1)  # noqa: S311 - made-up errors are no secret
    end = int(time.time() - ENDED_SECONDS) // SCRAPE_SECONDS * SCRAPE_SECONDS
    times = range(end - HOURS * 3600 + ENDED_SECONDS, end, SCRAPE_SECONDS)
    each = round(rate * SCRAPE_SECONDS)
    bad = [sum(draw.random() < errors for _ in range(each)) for _ in times]
    labels = {
        "namespace": namespace,
        "pod": _pod(revision),
        "job": "past",
        "modelrollouts_revision": revision,
        "envoy_http_conn_manager_prefix": "live",
    }
    yield from _series(COMPLETED, labels, times, [each] * len(times))
    yield from _series(GIVEN_UP, labels, times, [0] * len(times))
    yield from _series(BY_CLASS, labels | {"envoy_response_code_class": "5"}, times, bad)
    yield "# EOF\n"


def _series(
    name: str, labels: dict[str, str], times: range, increments: list[int]
) -> Iterator[str]:
    shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
    yield f"# TYPE {name} unknown"
    total = 0
    for at, more in zip(times, increments, strict=True):
        total += more
        yield f"{name}{{{shown}}} {total} {at}"


def _data_directory(cluster: Cluster) -> Path:
    (pod,) = cluster.kubectl.get("pods", "-n", "monitoring", "-l", "app=prometheus")["items"]
    volumes = Path("pods") / pod["metadata"]["uid"] / "volumes" / "kubernetes.io~empty-dir"
    found: Path = default_layout().state / "kubelet" / volumes / "data"
    assert found.is_dir(), f"{found} is not there: only the local cluster's disk can be reached"
    return found
