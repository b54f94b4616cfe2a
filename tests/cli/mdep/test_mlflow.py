"""`set model --from`: what MLflow knows is written, what it does not know is removed and said."""

import copy
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from click.testing import Result

from e2e.cluster.paths import REPOSITORY
from model_rollouts.api.deployment import read
from model_rollouts.cli.mdep.mlflow import CONTEXT_TAG, TRAINING
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.fake_api import FakeApi
from tests.cli.mdep.mlflow_server import TRAINED
from tests.cli.mdep.rollouts import NAME

Put = Callable[[str], dict[str, Any]]

ANSWERS = Path(__file__).parent / "mlflow_answers.json"
"""What a real server answered, by path: `make test-mlflow RECORD=1`."""
FILES = {"MLmodel": b"flavors: {}\n", "data/a b.bin": bytes(range(256)), "code/é.py": b"1\n"}


class Mlflow:
    """A server that answers what a real one answered, with the edits of a test."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = json.loads(ANSWERS.read_text())
        self.files = dict(FILES)
        self.status: int | None = None
        self.body = b""
        self.asked: list[dict[str, str]] = []
        self.url = ""

    @property
    def uri(self) -> str:
        """Where its files are, as it says."""
        return str(self.answers["mlflow/model-versions/get-download-uri"]["artifact_uri"])

    @property
    def version(self) -> dict[str, Any]:
        """The version, to edit."""
        found: dict[str, Any] = self.answers["mlflow/model-versions/get"]["model_version"]
        return found

    @property
    def run(self) -> dict[str, Any]:
        """Its run, to edit."""
        found: dict[str, Any] = self.answers["mlflow/runs/get"]["run"]
        return found


@pytest.fixture
def mlflow() -> Iterator[Mlflow]:
    """A server that has version 12 of `fraud`."""
    made = Mlflow()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            made.asked.append(dict(self.headers))
            url = urlsplit(self.path)
            place = unquote(url.path.removeprefix("/api/2.0/"))
            found = made.status, made.body
            if made.status is None:
                found = self._found(place, parse_qs(url.query))
            self.send_response(found[0] or 200)
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1])

        def _found(self, place: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
            artifacts = "mlflow-artifacts/artifacts"
            root = urlsplit(made.uri).path.strip("/")
            if place == artifacts:
                below = query["path"][0].removeprefix(root).strip("/")
                return 200, json.dumps({"files": list(listed(made.files, below))}).encode()
            if place.startswith(artifacts):
                return 200, made.files[place.removeprefix(f"{artifacts}/{root}/")]
            if place not in made.answers:
                told = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no {place}"}
                return 404, json.dumps(told).encode()
            return 200, json.dumps(made.answers[place]).encode()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    server.server_close()


def listed(files: dict[str, bytes], below: str) -> Iterator[dict[str, Any]]:
    """The files and folders in a folder, as MLflow lists them."""
    prefix = f"{below}/" if below else ""
    seen = set()
    for path, content in files.items():
        if not path.startswith(prefix):
            continue
        first, slash, _ = path.removeprefix(prefix).partition("/")
        if first not in seen:
            seen.add(first)
            yield {"path": first, "is_dir": bool(slash), "file_size": len(content)}


@pytest.fixture
def set_model(mdep: Command, at: Put, mlflow: Mlflow) -> Callable[..., Result]:
    """The command on a rollout at rest."""
    at("promoted")

    def run(*arguments: str) -> Result:
        server = () if "--tracking-uri" in arguments else ("--tracking-uri", mlflow.url)
        source = () if "--from" in arguments else ("--from", "models:/fraud/12")
        return mdep("set", "model", NAME, *source, *server, *arguments)

    return run


def test_what_mlflow_knows_is_written(
    set_model: Callable[..., Result], api: FakeApi, mlflow: Mlflow
) -> None:
    result = set_model("--metric", "brier", "--better", "Lower", "--yes")

    assert result.exit_code == 0, result.output
    written = copy.deepcopy(api.stored()["spec"]["model"])
    host = mlflow.url.removeprefix("http://")
    path = urlsplit(mlflow.uri).path
    assert written.pop("artifact")["uri"] == f"mlflow-artifacts://{host}{path}"
    assert written == TRAINED
    assert read(api.stored()).spec.model.version == "12"
    assert "MLflow does not know" not in result.output


def digest_by_hand(folder: Path) -> str:
    """The digest of the files, by the command of the page."""
    for path, content in FILES.items():
        (folder / "by hand" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "by hand" / path).write_bytes(content)
    page = (REPOSITORY / "docs" / "kubectl-mdep.md").read_text()
    (command,) = [each for each in page.splitlines() if each.startswith("find . -type f")]
    told = subprocess.run(
        command, shell=True, cwd=folder / "by hand", capture_output=True, text=True, check=True
    )
    return f"sha256:{told.stdout.split()[0]}"


def test_the_digest_is_what_sha256sum_says_of_the_same_folder(
    set_model: Callable[..., Result], api: FakeApi, tmp_path: Path
) -> None:
    assert set_model("--yes").exit_code == 0

    assert api.stored()["spec"]["model"]["artifact"]["digest"] == digest_by_hand(tmp_path)


@pytest.mark.parametrize("text", ["a" * 64, f"sha256:{'a' * 64}"])
def test_a_tag_says_the_digest_and_no_file_is_read(
    set_model: Callable[..., Result], api: FakeApi, mlflow: Mlflow, text: str
) -> None:
    mlflow.version["tags"] = [{"key": "sha256", "value": text}]
    mlflow.files = {}

    assert set_model("--yes").exit_code == 0

    assert api.stored()["spec"]["model"]["artifact"]["digest"] == f"sha256:{'a' * 64}"


def test_the_benchmark_before_says_which_metric_counts_and_its_limit(
    set_model: Callable[..., Result], api: FakeApi
) -> None:
    obj = api.stored()
    before = {"name": "x", "metric": "brier", "value": "0.07", "better": "Lower", "limit": "0.08"}
    obj["spec"]["model"]["benchmark"] = before
    api.put(MODEL_DEPLOYMENT, obj)

    assert set_model("--yes").exit_code == 0

    found = api.stored()["spec"]["model"]["benchmark"]
    assert (found["metric"], found["value"], found["limit"]) == ("brier", "0.0663", "0.08")


def _without_commit(mlflow: Mlflow) -> None:
    mlflow.run["data"]["tags"] = []


def _without_run(mlflow: Mlflow) -> None:
    mlflow.version["run_id"] = ""


def _training(mlflow: Mlflow) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = mlflow.run["inputs"]["dataset_inputs"]
    return next(each for each in inputs if {"key": CONTEXT_TAG, "value": TRAINING} in each["tags"])


def _dataset_without_hash(mlflow: Mlflow) -> None:
    found = _training(mlflow)
    found["tags"] = [each for each in found["tags"] if each["key"] != "sha256"]


def _dataset_in_a_folder(mlflow: Mlflow) -> None:
    found = _training(mlflow)
    found["dataset"]["source"] = json.dumps({"uri": "data/flights.parquet"})


def _files_elsewhere(mlflow: Mlflow) -> None:
    place = "mlflow/model-versions/get-download-uri"
    mlflow.answers[place] = {"artifact_uri": "s3://models/fraud/12"}


def _not_a_number(mlflow: Mlflow) -> None:
    for each in mlflow.run["data"]["metrics"]:
        each["value"] = "NaN"


@pytest.mark.parametrize(
    ("lacking", "field", "says"),
    [
        (_without_commit, "gitCommit", "train it from a git checkout"),
        (_without_run, "dataset", "its run logged none with the context 'training'"),
        (_without_run, "benchmark", "its run has no metric 'brier'"),
        (_dataset_without_hash, "dataset", "tags={'sha256': …}"),
        (_dataset_in_a_folder, "dataset", "'data/flights.parquet' is no URI with its scheme"),
        (_files_elsewhere, "artifact", "none at 's3://models/fraud/12'; set the tag 'sha256'"),
        (_not_a_number, "benchmark", "its brier is NaN"),
    ],
)
def test_what_mlflow_lacks_is_removed_and_said(
    set_model: Callable[..., Result],
    api: FakeApi,
    mlflow: Mlflow,
    lacking: Callable[[Mlflow], None],
    field: str,
    says: str,
) -> None:
    """What the spec said of the version before is not true of another one."""
    assert set_model("--metric", "brier", "--better", "Lower", "--yes").exit_code == 0
    assert field in api.stored()["spec"]["model"]
    lacking(mlflow)

    result = set_model("--metric", "brier", "--better", "Lower", "--yes")

    assert result.exit_code == 0, result.output
    assert field not in api.stored()["spec"]["model"]
    assert says in result.output


def test_an_alias_is_read_as_the_version_that_it_is(
    set_model: Callable[..., Result], api: FakeApi, mlflow: Mlflow
) -> None:
    place = "mlflow/registered-models/alias"
    mlflow.answers[place] = mlflow.answers["mlflow/model-versions/get"]

    assert set_model("--from", "models:/fraud@champion", "--yes").exit_code == 0

    assert api.stored()["spec"]["model"]["version"] == "12"


def test_it_edits_a_manifest_in_place(
    set_model: Callable[..., Result], api: FakeApi, tmp_path: Path
) -> None:
    obj = {key: api.stored()[key] for key in ("apiVersion", "kind", "metadata", "spec")}
    path = tmp_path / "fraud.yaml"
    path.write_text("# ours\n" + yaml.safe_dump(obj))
    before = api.stored()["spec"]["model"]

    result = set_model("--write", str(path), "--yes", "--image", "registry.example.com/fraud:12")

    assert result.exit_code == 0, result.output
    text = path.read_text()
    assert text.startswith("# ours\n")
    found = yaml.safe_load(text)["spec"]
    assert found["model"]["version"] == "12"
    assert found["template"]["spec"]["containers"][0]["image"] == "registry.example.com/fraud:12"
    assert api.stored()["spec"]["model"] == before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--from", "fraud/12"], 2, "--from: found 'fraud/12', write models:/NAME/VERSION"),
        (["--from", "models:/fraud/Production"], 2, "models:/NAME@ALIAS"),
        (["--tracking-uri", "sqlite:///x"], 1, "write http://HOST:PORT of an MLflow server"),
        (["--tracking-uri", "http://127.0.0.1:9"], 1, "MLflow at http://127.0.0.1:9 does not"),
        (["--from", "models:/none@best"], 1, "RESOURCE_DOES_NOT_EXIST: no mlflow/registered"),
    ],
)
def test_refusals(
    set_model: Callable[..., Result], api: FakeApi, arguments: list[str], code: int, says: str
) -> None:
    before = json.dumps(api.stored())

    result = set_model(*arguments, "--yes")

    assert result.exit_code == code
    assert says in result.output
    assert json.dumps(api.stored()) == before


def test_credentials_are_those_of_mlflows_clients_and_a_refusal_says_so(
    set_model: Callable[..., Result], mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "jane")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    mlflow.status = 401

    result = set_model("--yes")

    assert mlflow.asked[0]["Authorization"] == "Basic amFuZTpodW50ZXIy"
    assert "refuses: HTTP 401; set MLFLOW_TRACKING_TOKEN, or" in result.output
    assert "hunter2" not in result.output

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    set_model("--yes")
    assert mlflow.asked[-1]["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_something_else_answers(
    set_model: Callable[..., Result], mlflow: Mlflow, body: bytes
) -> None:
    mlflow.status, mlflow.body = 200, body

    result = set_model("--yes")

    assert result.exit_code == 1
    assert "is no MLflow server" in result.output or "told no version of" in result.output


@pytest.mark.parametrize("name", ["..", ".", "a/.."])
def test_names_that_lead_elsewhere_are_refused(
    set_model: Callable[..., Result], mlflow: Mlflow, name: str
) -> None:
    mlflow.files = {}
    mlflow.answers["mlflow-artifacts/artifacts"] = {}
    mlflow.files[name] = b"x"

    result = set_model("--yes")

    assert result.exit_code == 1
    assert "found a file named" in result.output
