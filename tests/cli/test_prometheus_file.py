"""The file of `--prometheus-config`: what it sets, and what is told of a wrong one."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from model_rollouts.cli.main import main
from model_rollouts.engine.wiring import Options

NEEDED = ("--prometheus-url", "https://mimir:8080/prometheus", "--proxy-image", "envoy:1")

WHOLE = """
headers: {X-Scope-OrgID: "{tenant}"}
headerFiles: {X-Api-Key: secrets/key}
parameters: {dedup: "true"}
tenants: {shop: team-a}
basicAuth: {usernameFile: user, passwordFile: /etc/password}
tls: {certFile: tls.crt, keyFile: tls.key, serverName: mimir.example.com}
matchers: {cluster: eu-1, env: prod}
labels: {namespace: kubernetes_namespace, pod: pod_name, replica: [__replica__, replica]}
timeout: 30s
"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """What `run` would have started."""
    found: list[Options] = []
    monkeypatch.setattr("model_rollouts.cli.run.run_operator", lambda made, _: found.append(made))
    return found


def run(folder: Path, text: str | bytes, *more: str) -> Any:
    """`run` with a file of this content."""
    path = folder / "prometheus.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CliRunner().invoke(main, ["run", *NEEDED, "--prometheus-config", str(path), *more])


def test_everything_in_it_reaches_the_operator(tmp_path: Path, started: list[Options]) -> None:
    result = run(tmp_path, WHOLE)

    assert result.exit_code == 0, result.output
    (options,) = started
    server, batching = options.prometheus, options.batching
    assert server.headers_for("shop") == {"X-Scope-OrgID": "team-a"}
    assert server.header_files == (("X-Api-Key", tmp_path / "secrets" / "key"),)
    assert server.parameters_for("shop") == {"dedup": "true"}
    assert (server.user_file, server.password_file) == (tmp_path / "user", Path("/etc/password"))
    assert (server.certificate_file, server.key_file) == (
        tmp_path / "tls.crt",
        tmp_path / "tls.key",
    )
    assert (server.server_name, server.timeout_s) == ("mimir.example.com", 30.0)
    assert batching.matchers == (("cluster", "eu-1"), ("env", "prod"))
    assert (batching.labels.namespace, batching.labels.pod) == ("kubernetes_namespace", "pod_name")
    assert batching.labels.replica == ("__replica__", "replica")
    assert batching.apart("shop") != batching.apart("flights")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}"])
def test_an_empty_one_changes_nothing(tmp_path: Path, started: list[Options], text: str) -> None:
    assert run(tmp_path, text).exit_code == 0
    assert CliRunner().invoke(main, ["run", *NEEDED]).exit_code == 0

    one, other = started
    assert (one.prometheus, one.batching) == (other.prometheus, other.batching)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("header: {}", "header: found 'an unknown field', write one of the fields in docs/install"),
        ("tls: {insecure: true}", "tls.insecure: found 'an unknown field'"),
        ("headers: {X-A: 1}", "headers.X-A: found 'int', write text, in quotes"),
        ("headers: [X-A]", "headers: found 'list', write a mapping"),
        ("tls: x", "tls: found 'str', write a mapping of fields"),
        ("labels: {replica: secret}", "labels.replica: found 'str', write a list"),
        ("- secret", "found 'list', write a mapping of fields in YAML"),
        ("headers: {X-A: 'secret", "in line 1', write a readable YAML file"),
        (b"\xff\xfe\xff", "write a readable YAML file"),
        ("timeout: soon", "timeout: found 'soon', write a time such as 10s"),
        ("timeout: 0s", "timeout: found '0s', write a time such as 10s"),
        ("matchers: {a-b: c}", "matchers: found 'a-b', write a label name"),
        ("labels: {pod: a-b}", "labels.pod: found 'a-b', write a label name"),
        ("matchers: {namespace: shop}", "matchers: found 'namespace', write "),
        ("headers: {Authorization: secret}", "write its value, which is a secret, into a file"),
        ("headers: {X-A: '{tenant}'}", "tenants: found 'none, and {tenant} in use', write"),
        ("basicAuth: {passwordFile: x}", "user: found 'a password alone', write the user too"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_write_and_without_secrets(
    tmp_path: Path, started: list[Options], text: str | bytes, says: str
) -> None:
    result = run(tmp_path, text)

    output = " ".join(result.output.split())
    assert result.exit_code == 2
    assert says in output
    assert "--prometheus-config, " in output
    assert "secret" not in output.replace("which is a secret", "")
    assert not started


def test_a_token_beside_a_user_is_refused(tmp_path: Path, started: list[Options]) -> None:
    (tmp_path / "token").write_text("sesame")

    result = run(
        tmp_path,
        "basicAuth: {username: a, passwordFile: b}",
        "--prometheus-token-file",
        str(tmp_path / "token"),
    )

    assert result.exit_code == 2
    assert "found 'more than one of token, token file, user" in " ".join(result.output.split())
    assert not started
