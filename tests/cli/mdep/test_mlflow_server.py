"""`set model --from` against a real MLflow server: `make test-mlflow`."""

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_rollouts.api.deployment import read
from tests.cli.mdep import mlflow_server
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.fake_api import FakeApi
from tests.cli.mdep.rollouts import NAME
from tests.cli.mdep.test_mlflow import ANSWERS, FILES, digest_by_hand

pytestmark = pytest.mark.slow

Put = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server."""
    python = Path(os.environ["MLFLOW_PYTHON"])
    with mlflow_server.serving(python, tmp_path_factory.mktemp("mlflow"), FILES) as found:
        yield found


@pytest.mark.parametrize("source", ["models:/fraud/12", "models:/fraud@champion"])
def test_a_real_server_says_what_was_trained(
    url: str, mdep: Command, at: Put, api: FakeApi, tmp_path: Path, source: str
) -> None:
    at("promoted")
    asked = ("--from", source, "--tracking-uri", url, "--metric", "brier", "--better", "Lower")

    result = mdep("set", "model", NAME, *asked, "--yes")

    assert result.exit_code == 0, result.output
    print(result.output)
    assert "MLflow does not know" not in result.output
    found = copy.deepcopy(api.stored()["spec"]["model"])
    assert found["artifact"].pop("uri").startswith(url.replace("http://", "mlflow-artifacts://"))
    assert found == {**mlflow_server.TRAINED, "artifact": {"digest": digest_by_hand(tmp_path)}}
    assert read(api.stored()).spec.model.version == "12"


def test_a_version_that_is_not_there(url: str, mdep: Command, at: Put) -> None:
    at("promoted")

    result = mdep(
        "set", "model", NAME, "--from", "models:/fraud/99", "--tracking-uri", url, "--yes"
    )

    assert result.exit_code == 1
    assert "refuses: RESOURCE_DOES_NOT_EXIST" in result.output


def test_what_other_tests_take_for_its_answers_is_what_it_answers(url: str) -> None:
    found = mlflow_server.answers(url)
    if os.environ.get("RECORD"):
        ANSWERS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")

    assert shape(found) == shape(json.loads(ANSWERS.read_text()))


def shape(of: Any) -> Any:
    """Keys and kinds of values, whatever the values are."""
    if isinstance(of, dict):
        return {key: shape(value) for key, value in of.items()}
    if isinstance(of, list):
        return sorted({json.dumps(shape(each), sort_keys=True) for each in of})
    return type(of).__name__
