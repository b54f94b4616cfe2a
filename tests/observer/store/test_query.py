"""`model-rollouts predictions`: by id, time, version and disagreement, as table and as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from model_rollouts.cli.main import main
from model_rollouts.observer.protocols import Tensor
from model_rollouts.observer.store.chunk import Chunk, Row, Schemas
from model_rollouts.observer.store.table import PredictionTable
from tests.observer.store.test_table import ROW

HOUR_US = 3_600_000_000


def row(number: int, **changes: Any) -> Row:
    return ROW._replace(
        prediction_id=f"p{number}",
        request_id=f"r{number}",
        time_us=ROW.time_us + number * HOUR_US,
        **changes,
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five requests, each in a commit; versions answer the last two differently."""
    root = str(tmp_path_factory.mktemp("log"))
    table, schemas = PredictionTable(root, "observer-0"), Schemas()
    table.open()
    for number in range(1, 6):
        chunk = Chunk()
        for arm, version, species in (("live", "1", "cat"), ("shadow", "2", "d'o\"g\n[red]")):
            inputs = [Tensor("length", 1, 1, [float(number)], False)]
            outputs = [
                Tensor("p", 1, 2, [0.5, 0.5], False),
                Tensor("species", 1, 1, [species], True),
            ]
            schema = schemas.of("models", "iris", inputs, outputs)
            assert schema is not None
            chunk.schemas[schema.digest] = schema
            apart = None if arm == "live" else float(max(number - 3, 0))
            made = row(number, arm=arm, version=version, schema=schema.digest, disagreement=apart)
            chunk.add(
                made._replace(prediction_id="" if apart is not None else made.prediction_id),
                inputs,
                outputs,
            )
        table.commit(chunk)
    return root


def asked(log: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["predictions", "--log", log, *options])


def found(log: str, *options: str) -> list[dict[str, Any]]:
    result = asked(log, "--output", "json", *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("id_", ["p3", "r3"])
def test_an_id_finds_both_arms_with_their_values_by_name(log: str, id_: str) -> None:
    live, shadow = found(log, "--id", id_)

    assert (live["arm"], shadow["arm"]) == ("live", "shadow")
    assert live["inputs"] == {"length": 3.0}
    assert live["outputs"] == {"p": [0.5, 0.5], "species": "cat"}
    assert shadow["outputs"]["species"] == "d'o\"g\n[red]"
    assert live["time"] == "2023-11-15T01:13:20.000000Z"
    assert (live["model"], live["namespace"], live["version"]) == ("iris", "models", "1")


def test_the_latest_come_first(log: str) -> None:
    assert [each["request_id"] for each in found(log, "--version", "1", "--limit", "2")] == [
        "r5",
        "r4",
    ]


def test_disagreements_come_in_pairs_the_furthest_apart_first(log: str) -> None:
    rows = found(log, "--disagreements", "--limit", "5")

    assert [(each["request_id"], each["arm"]) for each in rows] == [
        ("r5", "live"),
        ("r5", "shadow"),
        ("r4", "live"),
        ("r4", "shadow"),
    ]


@pytest.mark.parametrize("version", ["1", "2"])
def test_disagreements_of_a_version_are_found_whichever_record_came_second(
    log: str, version: str
) -> None:
    rows = found(log, "--disagreements", "--version", version, "--limit", "1")

    assert [(each["request_id"], each["version"]) for each in rows] == [("r5", "1"), ("r5", "2")]


def test_pairs_of_which_one_version_did_not_answer_can_be_left_out(tmp_path: Path) -> None:
    table = PredictionTable(str(tmp_path), "observer-0")
    table.open()
    chunk = Chunk()
    for number, outcome, apart in ((1, "answered", 0.2), (2, "failed", sys.float_info.max)):
        chunk.add(row(number, arm="live", version="1", outcome="answered"), [], [])
        shadow = row(number, arm="shadow", version="2", outcome=outcome, disagreement=apart)
        chunk.add(shadow, [], [])
    table.commit(chunk)

    for options, requests in (
        ((), ["r2", "r2", "r1", "r1"]),
        (("--answered",), ["r1", "r1"]),
        (("--answered", "--version", "2"), ["r1", "r1"]),
    ):
        rows = found(str(tmp_path), "--disagreements", *options)
        assert [each["request_id"] for each in rows] == requests, options
    assert len(found(str(tmp_path), "--answered")) == 3


def test_what_is_not_there_is_not_found(log: str) -> None:
    for options in (
        ("--since", "1h"),
        ("--id", "no'such\"id"),
        ("--model", "other"),
        ("--slice", "vip"),
        ("--revision", "x' OR 'a' = 'a"),
    ):
        assert found(log, *options) == [], options
    result = asked(log, "--model", "other")
    assert (result.exit_code, result.stdout) == (0, "")
    assert len(found(log, "--until", "1h", "--model", "iris", "--namespace", "models")) == 10


def test_the_table_is_for_people_and_shows_no_control_characters(log: str) -> None:
    text = asked(log, "--id", "p5").stdout

    assert "species=d'o\"g\N{REPLACEMENT CHARACTER}[red]" in text
    assert "models/iris" in text
    assert len(text.splitlines()) == 3


def test_a_log_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = asked(str(tmp_path))

    assert result.exit_code == 1
    assert f"{tmp_path}: there is no prediction log" in result.stderr
