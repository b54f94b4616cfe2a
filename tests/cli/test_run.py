"""`model-rollouts run`: its command line, and a process that starts, answers and stops."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from click.testing import CliRunner
from ephemeral_port_reserve import reserve

from e2e.fixtures import ApiServer
from e2e.waiting import wait_until
from model_rollouts.cli.main import main
from model_rollouts.cli.run import run
from model_rollouts.engine import wiring as engine_run
from model_rollouts.engine.executor import CrashPoint
from model_rollouts.engine.outage import OwnPod
from model_rollouts.engine.wiring import Options
from model_rollouts.resources.capture import Observer
from model_rollouts.resources.pod import ProxySettings

NEEDED = ["--prometheus-url", "http://prometheus:9090", "--proxy-image", "envoy:1"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """What the command would have started."""
    found: list[Options] = []
    monkeypatch.setattr("model_rollouts.cli.run.run_operator", lambda made, _: found.append(made))
    return found


def invoke(*arguments: str, **env: str) -> Any:
    """The command with these arguments."""
    return CliRunner().invoke(main, ["run", *arguments], env=env)


def test_it_starts_with_what_it_needs(started: list[Options]) -> None:
    result = invoke(*NEEDED)

    assert result.exit_code == 0, result.output
    (options,) = started
    assert options.settings.proxy.image == "envoy:1"
    assert options.settings.grid.step_ms == 5_000
    assert (options.namespaces, options.kubeconfig, options.port) == ((), None, 8080)


def test_the_environment_says_the_same(started: list[Options]) -> None:
    result = invoke(
        MODEL_ROLLOUTS_PROMETHEUS_URL="http://prometheus:9090",
        MODEL_ROLLOUTS_PROXY_IMAGE="envoy:1",
        MODEL_ROLLOUTS_NAMESPACE="shop web",
        MODEL_ROLLOUTS_SCRAPE_INTERVAL="15s",
    )

    assert result.exit_code == 0, result.output
    assert started[0].namespaces == ("shop", "web")
    assert started[0].settings.grid.step_ms == 15_000


def test_the_proxy_is_as_the_administrator_says(started: list[Options]) -> None:
    limits = {"limits": {"memory": "1Gi"}}
    more = ("--proxy-user", "0", "--proxy-address", "::", "--proxy-concurrency", "4")

    invoke(*NEEDED)
    invoke(*NEEDED, *more, "--address", "::", MODEL_ROLLOUTS_PROXY_RESOURCES=json.dumps(limits))

    usual, other = (each.settings.proxy for each in started)
    assert usual == ProxySettings("envoy:1")
    assert other == ProxySettings(
        "envoy:1", user=None, address="::", concurrency=4, resources=limits
    )
    assert started[1].address == "::"


def test_the_observer_is_where_the_administrator_says(
    started: list[Options], tmp_path: Path
) -> None:
    ca = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(f"{ca}")

    invoke(*NEEDED, "--observer-address", "o-{shard}.svc:9800", "--observer-ca-file", f"{ca}")

    assert started[0].settings.proxy.observer == Observer("o-{shard}.svc:9800", ca.read_text())


def test_the_status_names_answers_only_where_it_is_told_whom_to_ask(started: list[Options]) -> None:
    invoke(*NEEDED)
    invoke(*NEEDED, "--observer-http-address", "o-{shard}.svc:9801")

    assert [each.observer_http_address for each in started] == [None, "o-{shard}.svc:9801"]


def test_it_knows_its_pod_where_the_downward_api_tells_it(started: list[Options]) -> None:
    known = {"POD_NAMESPACE": "operators", "POD_NAME": "rollouts-0", "POD_UID": "u-1"}

    for environment in (known, {**known, "POD_UID": ""}):
        assert invoke(*NEEDED, **environment).exit_code == 0

    assert [each.pod for each in started] == [OwnPod("operators", "rollouts-0", "u-1"), None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--prometheus-url'"),
        (NEEDED[:2], "Missing option '--proxy-image'"),
        ([*NEEDED, "--prometheus-url", "prometheus:9090"], "such as http://prometheus:9090"),
        ([*NEEDED, "--prometheus-token-file", "/none"], "'/none' does not exist"),
        (
            [*NEEDED, "--prometheus-ca-file", __file__],
            "write the path of a PEM file of certificates",
        ),
        ([*NEEDED, "--scrape-interval", "0s"], "write a time such as"),
        ([*NEEDED, "--most-weight", "1000"], "found '1000', write CONTROLLER=NUMBER"),
        ([*NEEDED, "--most-weight", "a=9"], "found 'a=9', write CONTROLLER=NUMBER"),
        ([*NEEDED, "--most-weight", "a=1000001"], "from 10 to 1,000,000"),
        ([*NEEDED, "--address", "localhost"], "write an IP address such as 0.0.0.0 or ::"),
        ([*NEEDED, "--proxy-address", "1.2.3"], "write an IP address such as 0.0.0.0 or ::"),
        ([*NEEDED, "--proxy-user", "-1"], "is not in the range x>=0"),
        ([*NEEDED, "--proxy-resources", "cpu"], "found 'cpu', write JSON such as"),
        ([*NEEDED, "--proxy-resources", '{"cpu": "1"}'], "write JSON such as"),
        ([*NEEDED, "--proxy-resources", '{"limits": 1}'], "write JSON such as"),
        (
            [*NEEDED, "--observer-address", "observer:9800"],
            "found 'observer:9800', write HOST:PORT with {shard} in the host",
        ),
        ([*NEEDED, "--observer-address", "o-{shard}:0"], "write HOST:PORT with {shard}"),
        (
            [*NEEDED, "--observer-address", "o-{shard}:9800"],
            "--observer-address: found no --observer-ca-file, write both",
        ),
        ([*NEEDED, "--crash-at", "somewhere"], "write one of after-evidence, after-route"),
        ([*NEEDED, "--crash-at", "after-route:0"], "a count from 1"),
    ],
)
def test_a_wrong_command_line_says_what_to_write(
    started: list[Options], arguments: list[str], message: str
) -> None:
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not started


def test_without_an_api_server_it_says_what_it_tried(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("{}")

    result = invoke(*NEEDED, "--kubeconfig", str(tmp_path / "kubeconfig"))

    assert result.exit_code == 1
    assert str(tmp_path / "kubeconfig") in result.output


def test_crash_points_are_for_tests_and_not_for_help() -> None:
    assert "crash" not in invoke("--help").output


def test_a_crash_point_ends_the_process_the_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *end: ends.append(end))
    context = run.make_context("run", [*NEEDED, "--crash-at", "after-route:2"])
    reach = engine_run._reach(context.params["crash_at"])

    for point in (CrashPoint.AFTER_ROUTE, CrashPoint.AFTER_STATUS):
        reach(point)
    assert ends == []
    reach(CrashPoint.AFTER_ROUTE)
    assert ends == [(os.getpid(), signal.SIGKILL)]


def test_it_runs_until_it_is_told_to_stop(api_server: ApiServer, namespace: str) -> None:
    port = reserve()
    arguments = [
        *("--kubeconfig", str(api_server.kubeconfig), "--namespace", namespace),
        *("--address", "127.0.0.1", "--port", str(port), "--log-format", "json"),
    ]
    command = [sys.executable, "-m", "model_rollouts.cli.main", "run", *NEEDED, *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:

        def answers(path: str) -> int:
            try:
                url = f"http://127.0.0.1:{port}{path}"
                return httpx.get(url, timeout=5, trust_env=False).status_code
            except httpx.TransportError:
                return 0

        wait_until(lambda: answers("/readyz") == 200, "it was not ready", seconds=30)
        assert answers("/healthz") == 200
        assert answers("/metrics") == 200
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0, log
    assert "stopping: finishing the passes that have begun" in log
    assert "Traceback" not in log
