"""The alerts of the chart are PromQL that a real Prometheus understands."""

from pathlib import Path

import httpx
import pytest
import yaml

from e2e.chart import REQUIRED, render
from tests.prometheus_server import prometheus_server


@pytest.mark.usefixtures("helm")
def test_prometheus_understands_every_alert(prometheus: Path, tmp_path: Path) -> None:
    objects = yaml.safe_load_all(render({**REQUIRED, "prometheusRule": {"enabled": True}}))
    (group,) = next(obj for obj in objects if obj["kind"] == "PrometheusRule")["spec"]["groups"]
    assert group["rules"]

    with prometheus_server(prometheus, tmp_path, [], "5s") as server:
        for rule in group["rules"]:
            query = {"query": rule["expr"]}
            told = httpx.post(f"{server.url}/api/v1/query", data=query, trust_env=False)
            assert told.status_code == 200, f"{rule['alert']}: {told.text}"
