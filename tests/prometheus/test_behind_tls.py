"""A real Prometheus behind TLS, basic authentication, a tenant's path and an administrator's label.

The CA rotates while the operator reads.
"""

import asyncio
import base64
import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from click.testing import CliRunner

from model_rollouts.cli.main import main
from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import errors
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.series import LabelNames
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.rollout import HistoryQuery
from tests.metrics.exporter_pod import ExporterPod, wait_for_scrapes
from tests.prometheus.guarded import Guarded, Handler, forwarding, issued, written
from tests.prometheus_server import Target, prometheus_server

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(90)]

PREFIX = "/select/team-a/prometheus"
BATCHING = Batching(LabelNames("kubernetes_namespace", "pod_name"), (("cluster", "eu-1"),))


def who_may(ask: Handler) -> Handler:
    """Only rollouts with its password, and only about a tenant."""
    allowed = f"Basic {base64.b64encode(b'rollouts:sesame').decode()}"

    async def checked(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != allowed:
            return web.Response(status=401, text="no org id")
        if request.headers.get("X-Scope-OrgID") != "team-a":
            return web.Response(status=403, text="not yours")
        return await ask(request)

    return checked


def options(folder: Path, url: str, guarded: Guarded) -> ServerOptions:
    """What an administrator would set for it."""
    assert guarded.clients is not None
    certificate, key = issued(folder, guarded.clients)
    (folder / "password").write_text("sesame\n")
    return ServerOptions(
        url + "/select/{tenant}/prometheus",
        user="rollouts",
        password_file=folder / "password",
        headers=(("X-Scope-OrgID", "{tenant}"),),
        tenants=(("shop", "team-a"),),
        ca_file=written(folder, guarded.ca),
        certificate_file=certificate,
        key_file=key,
        retry_after_s=0.0,
    )


def test_only_what_is_ours_is_counted_and_the_ca_may_rotate(
    tmp_path: Path, prometheus: Path
) -> None:
    here, elsewhere = (ExporterPod(f"{name}-0", "m-1", tmp_path) for name in ("here", "elsewhere"))
    targets = [
        Target(pod.port, {"kubernetes_namespace": "shop", "pod_name": pod.name, "cluster": cluster})
        for pod, cluster in ((here, "eu-1"), (elsewhere, "us-1"))
    ]
    rollout = MeasuredRollout(
        "shop/model", "shop", (Arm("stable", "m-1"),), (errors("errors"),), 0, warmup_ms=0
    )
    guarded = Guarded(clients=trustme.CA())
    with contextlib.ExitStack() as cleanup:
        for pod in (here, elsewhere):
            cleanup.callback(pod.crash)
            pod.start()
        server = cleanup.enter_context(prometheus_server(prometheus, tmp_path, targets, "500ms"))
        guarded.answer = who_may(forwarding(server.url, PREFIX))
        wait_for_scrapes([here, elsewhere])
        since = time.time()
        here.count({"completed": 50, "5xx": 5})
        elsewhere.count({"completed": 7, "5xx": 7})
        wait_for_scrapes([here, elsewhere], 4)

        async def counted() -> None:
            async with guarded.running():
                made = options(tmp_path, guarded.url, guarded)
                async with PrometheusClient(made) as client:
                    await _checked(client, rollout, since, guarded, tmp_path)
                await _replayed(tmp_path, guarded, since)

        asyncio.run(counted())


async def _checked(
    client: PrometheusClient,
    rollout: MeasuredRollout,
    since: float,
    guarded: Guarded,
    folder: Path,
) -> None:
    began = round(since * 1000) // 500 * 500 - 500
    request = Request(
        MeasuredRollout(
            rollout.key, rollout.namespace, rollout.arms, rollout.objectives, began, warmup_ms=0
        )
    )

    async def tick() -> Any:
        reader = SampleReader(client.query, Intake(Grid(500, 30_000), BATCHING))
        (found,) = (await reader.tick([request], round(time.time() * 1000))).values()
        return found

    first = await tick()
    assert isinstance(first, Counted), first
    tallies = [each.arms["stable"].tallies["errors"] for each in first.intervals]
    assert (sum(t.total for t in tallies), sum(sum(t.bad) for t in tallies)) == (50, 5)

    past = PastMetrics(client, Grid(500, 30_000), BATCHING)
    assert await past.scraped_ms("shop", HistoryQuery("m-1", ())) is not None
    assert await past.scraped_ms("shop", HistoryQuery("m-2", ())) is None

    # The CA rotates: the certificate first, the file later.
    ca = trustme.CA()
    guarded.rotate(ca)
    blind = await tick()
    assert isinstance(blind, Unavailable)
    assert "certificate" in blind.finding.message
    guarded.ca = ca
    written(folder, ca)
    again = await tick()
    assert isinstance(again, Counted)
    assert again.intervals[: len(first.intervals)] == first.intervals


async def _replayed(folder: Path, guarded: Guarded, since: float) -> None:
    """`replay` reads the same, with the file of the operator, into a recording with usual names."""
    (folder / "prometheus.yaml").write_text(
        """
        basicAuth: {username: rollouts, passwordFile: password}
        headers: {X-Scope-OrgID: "{tenant}"}
        tenants: {shop: team-a}
        tls: {certFile: tls.crt, keyFile: tls.key}
        matchers: {cluster: eu-1}
        labels: {namespace: kubernetes_namespace, pod: pod_name}
        """
    )
    recorded = folder / "rollout.jsonl"
    arguments = [
        *("replay", "--prometheus", guarded.url + "/select/{tenant}/prometheus"),
        *("--prometheus-config", str(folder / "prometheus.yaml")),
        *("--ca-file", str(folder / "ca.crt"), "--namespace", "shop", "--candidate", "m-1"),
        *("--from", _moment(since - 1), "--until", _moment(time.time()), "--step", "500ms"),
        *("--record", str(recorded)),
    ]

    result = await asyncio.to_thread(CliRunner().invoke, main, arguments)

    assert result.exit_code == 0, result.output
    text = recorded.read_text()
    assert '"namespace": "shop"' in text
    assert '"pod": "here-0"' in text
    assert "kubernetes_namespace" not in text
    assert "elsewhere" not in text


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
