"""Which scrape allowed a decision, and what is read of a real Prometheus to find it."""

from pathlib import Path
from typing import cast

import pytest

from e2e.cluster import addons
from e2e.cluster.provider import Provider
from e2e.fixtures import Cluster
from e2e.scenes.scrapes import Scrape, first_with, scrapes
from tests.metrics.exporter_pod import ExporterPod, wait_for_scrapes
from tests.prometheus_server import Target, prometheus_server

FOUND = [Scrape(10, 20, 0), Scrape(15, 40, 2), Scrape(20, 60, 2), Scrape(25, 80, 3)]


@pytest.mark.parametrize(
    ("total", "bad", "at"), [(1, 0, 10), (40, 2, 15), (41, 2, 20), (20, 3, 25)]
)
def test_it_is_the_first_that_knew_both_numbers(total: int, bad: int, at: float) -> None:
    assert first_with(FOUND, total, bad).at == at


@pytest.mark.prometheus
@pytest.mark.timeout(90)
def test_scrapes_and_queries_show_what_a_pod_counted(
    tmp_path: Path, prometheus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = ExporterPod("m-2-a", "m-2", tmp_path)
    target = Target(pod.port, {"namespace": "shop", "pod": pod.name})
    # A cluster is minutes away, and only the address of its Prometheus matters here.
    cluster = Cluster(cast("Provider", None))
    try:
        pod.start()
        with prometheus_server(prometheus, tmp_path, [target], "500ms") as server:
            monkeypatch.setattr(addons, "prometheus_url", lambda _: server.url)
            wait_for_scrapes([pod])
            pod.count({"completed": 10, "5xx": 2, "rx_reset": 1})
            wait_for_scrapes([pod])
            found = scrapes(cluster, "shop", "m-2")
            counted = cluster.query('sum by (pod) (envoy_http_downstream_rq_xx{namespace="shop"})')
            nobody = scrapes(cluster, "shop", "m-1")
    finally:
        pod.crash()

    assert (found[0].total, found[0].bad) == (0, 0)
    assert (found[-1].total, found[-1].bad) == (11, 3)
    assert found[0].at < first_with(found, 11, 3).at <= found[-1].at
    assert counted == [({"pod": "m-2-a"}, 2.0)]
    assert nobody == []
