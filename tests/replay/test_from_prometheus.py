"""A real Prometheus is replayed, recorded, and the recording replayed again."""

import asyncio
import contextlib
import io
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from model_rollouts.cli.main import main
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.series import Sample
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.decode import decode_matrix
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.replay.fetch import fetch
from model_rollouts.replay.recording import Header, read_file
from tests.cli.mdep.fake_api import serving
from tests.cli.mdep.rollouts import NAME, NAMESPACE, told
from tests.metrics.exporter_pod import ExporterPod, wait_for_scrapes
from tests.prometheus_server import Target, prometheus_server

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(90)]


def _replay(*arguments: object) -> list[dict[str, Any]]:
    result = CliRunner().invoke(main, ["replay", "-o", "jsonl", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _read_as_the_operator_does(url: str, header: Header) -> str:
    """The recording of the same span, by the client and the decoder that verdicts rest on."""

    async def query(text: str, at_ms: int) -> bytes:
        async with PrometheusClient(ServerOptions(url)) as client:
            return await client.query(text, at_ms)

    def ask(text: str, at_ms: int) -> list[tuple[dict[str, str], list[Sample]]]:
        return list(decode_matrix(asyncio.run(query(text, at_ms))))

    written = io.StringIO()
    fetch(ask, header, Batching()).write(written)
    return written.getvalue()


def test_a_rollout_is_replayed_from_a_server_and_from_its_recording(
    tmp_path: Path, any_prometheus: Path
) -> None:
    stable = ExporterPod("stable-0", "m-1", tmp_path)
    candidate = ExporterPod("candidate-0", "m-2", tmp_path)
    pods = [stable, candidate]
    targets = [Target(pod.port, {"namespace": "shop", "pod": pod.name}) for pod in pods]
    recorded = tmp_path / "rollout.jsonl"
    with contextlib.ExitStack() as cleanup:
        for pod in pods:
            cleanup.callback(pod.crash)
            pod.start()
        server = cleanup.enter_context(
            prometheus_server(any_prometheus, tmp_path, targets, "500ms")
        )
        wait_for_scrapes(pods)
        began = time.time()
        stable.count({"completed": 500, "timed": 500, "within": 499})
        # One look fails no version.
        for _ in range(3):
            candidate.count({"completed": 40, "5xx": 12, "timed": 40, "within": 40})
            wait_for_scrapes(pods, 2)
        wait_for_scrapes(pods, 2)
        ended = time.time()
        # What was under way at the end is stored.
        wait_for_scrapes(pods)

        # Against the target: two pods are scraped at different moments, and evidence against
        # stable needs requests of both in one interval.
        judged = ["--target", "99%", "--within", "300ms", "--compare", "Target", "--warmup", "0s"]
        lines = _replay(
            *("--prometheus", server.url, "--namespace", "shop", "--record", recorded),
            *("--stable", "m-1", "--candidate", "m-2"),
            *("--from", _moment(began), "--until", _moment(ended)),
            *("--step", "500ms", *judged),
        )
        as_the_operator = _read_as_the_operator_does(server.url, read_file(recorded).header)

    assert [event["what"] for line in lines for event in line["events"]] == ["Canary", "RolledBack"]
    assert lines[-1]["arms"]["candidate"]["objectives"] == {
        "errors of requests": {"total": 40, "bad": [12]},
        "latency": {"total": 40, "bad": [0]},
    }
    assert _replay(recorded, *judged) == lines
    assert recorded.read_text() == as_the_operator
    assert sum(len(json.loads(line)["samples"]) for line in as_the_operator.splitlines()[1:]) > 100


def test_an_incident_is_recorded_from_a_server_and_replayed_by_its_spec(
    tmp_path: Path, any_prometheus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = told("canary")
    obj["spec"]["strategy"]["canary"]["warmup"] = "0s"
    for each in obj["spec"]["objectives"]:
        each["compare"] = "Target"
    revisions = [obj["status"][role]["revision"] for role in ("stable", "candidate")]
    pods = [ExporterPod(f"{each}-0", each, tmp_path) for each in revisions]
    targets = [Target(pod.port, {"namespace": NAMESPACE, "pod": pod.name}) for pod in pods]
    path = tmp_path / "incident.jsonl.gz"
    with contextlib.ExitStack() as cleanup:
        api = cleanup.enter_context(serving(tmp_path))
        api.put(MODEL_DEPLOYMENT, obj)
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
        for pod in pods:
            cleanup.callback(pod.crash)
            pod.start()
        server = cleanup.enter_context(
            prometheus_server(any_prometheus, tmp_path, targets, "500ms")
        )
        wait_for_scrapes(pods)
        for _ in range(3):
            pods[1].count({"completed": 40, "5xx": 12, "timed": 40, "within": 40})
            wait_for_scrapes(pods, 2)
        wait_for_scrapes(pods, 2)
        asked = ["record", NAME, "-n", NAMESPACE, "--prometheus", server.url, "--since", "1m"]
        recorded = CliRunner().invoke(main, [*asked, "--step", "500ms", str(path)])

    assert recorded.exit_code == 0, recorded.output
    assert f"To replay it: model-rollouts replay {path}" in recorded.output
    events = [event for line in _replay(path) for event in line["events"]]
    assert [each["what"] for each in events] == ["Canary", "RolledBack"]
    assert "errors failed: 99 % of requests must succeed" in events[-1]["why"]
