"""The alerts of the chart are PromQL that a real Prometheus understands."""

from contextlib import closing
from pathlib import Path

import pytest
import yaml

from e2e.chart import REQUIRED, render
from model_rollouts.prometheus.client import QueryError, ServerOptions
from model_rollouts.prometheus.inspect import connect
from tests.prometheus_server import prometheus_server


@pytest.mark.usefixtures("helm")
def test_prometheus_understands_every_alert(prometheus: Path, tmp_path: Path) -> None:
    objects = yaml.safe_load_all(render({**REQUIRED, "prometheusRule": {"enabled": True}}))
    (group,) = next(obj for obj in objects if obj["kind"] == "PrometheusRule")["spec"]["groups"]
    assert group["rules"]

    with (
        prometheus_server(prometheus, tmp_path, [], "5s") as server,
        closing(connect(ServerOptions(server.url))) as asked,
    ):
        for rule in group["rules"]:
            try:
                asked.custom_query(rule["expr"])
            except QueryError as error:
                pytest.fail(f"{rule['alert']}: {error}")
