"""A real MLflow server with a version of a model in it, by an interpreter that has MLflow."""

import contextlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ephemeral_port_reserve import reserve

from model_rollouts.cli.mdep.mlflow import COMMIT_TAG

PATIENCE_S = 120.0
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DATA = "d" * 64
NUMBER = 12
TRAINED = {
    "version": f"{NUMBER}",
    "gitCommit": COMMIT,
    "dataset": {"uri": "s3://data/flights/2026-03.parquet", "digest": f"sha256:{DATA}"},
    "benchmark": {
        "name": f"fraud {NUMBER}",
        "metric": "brier",
        "value": "0.0663",
        "better": "Lower",
    },
}
"""What `spec.model` says of it, but for its files."""

FILL = """
import sys, tempfile
from pathlib import Path
import mlflow
import pandas as pd

folder, commit, data, number = sys.argv[1:]
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    def dataset(name, uri):
        source = mlflow.data.dataset_source_registry.resolve_dataset_source(uri)
        return mlflow.data.from_pandas(pd.DataFrame({"hour": [1]}), source=source, name=name)

    trained_on = dataset("flights", "s3://data/flights/2026-03.parquet")
    mlflow.log_input(trained_on, context="training", tags={"sha256": data})
    held_out = dataset("holdout-2026-04", "s3://data/flights/2026-04.parquet")
    mlflow.log_metric("brier", 0.0663, dataset=held_out)
    mlflow.set_tag("mlflow.source.git.commit", commit)
    mlflow.log_artifacts(folder, "model")
client.create_registered_model("fraud")
for _ in range(int(number)):
    version = client.create_model_version(
        "fraud", f"{run.info.artifact_uri}/model", run_id=run.info.run_id
    )
client.set_registered_model_alias("fraud", "champion", version.version)
"""
"""What a training job does."""


@contextlib.contextmanager
def serving(python: Path, folder: Path, files: dict[str, bytes]) -> Iterator[str]:
    """The address of a server that has version `NUMBER` of `fraud`, with these files."""
    port = reserve()
    url = f"http://127.0.0.1:{port}"
    content = folder / "files"
    for path, each in files.items():
        (content / path).parent.mkdir(parents=True, exist_ok=True)
        (content / path).write_bytes(each)
    command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    log = folder / "server.log"
    # Its workers are a group of their own, and end together.
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(url, process, log)
        filled = subprocess.run(
            [python, "-c", FILL, str(content), COMMIT, DATA, str(NUMBER)],
            env={**os.environ, "MLFLOW_TRACKING_URI": url},
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert filled.returncode == 0, filled.stderr
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()


def asked(url: str, path: str, **query: str) -> dict[str, Any]:
    """An answer of the API."""
    with urllib.request.urlopen(f"{url}/api/2.0/{path}?{urlencode(query)}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def answers(url: str) -> dict[str, Any]:
    """What the server answers about the version, by path, as tests without a server use it."""
    version = {"name": "fraud", "version": str(NUMBER)}
    found = asked(url, "mlflow/model-versions/get", **version)
    run = asked(url, "mlflow/runs/get", run_id=found["model_version"]["run_id"])
    # Who ran it, and where, is of this machine.
    data = run["run"]["data"]
    data["tags"] = [each for each in data["tags"] if each["key"] == COMMIT_TAG]
    run["run"]["info"].pop("user_id", None)
    return {
        "mlflow/model-versions/get": found,
        "mlflow/runs/get": run,
        "mlflow/model-versions/get-download-uri": asked(
            url, "mlflow/model-versions/get-download-uri", **version
        ),
    }


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
