"""Rows of the prediction log as columns: one of each request, by name, in every schema it had."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from model_rollouts.cli.main import main
from model_rollouts.observer.protocols import Tensor
from model_rollouts.observer.store.chunk import Chunk, Schemas
from model_rollouts.observer.store.columns import LogColumns
from model_rollouts.observer.store.query import LogError, Question
from model_rollouts.observer.store.table import PredictionTable
from tests.observer.store.test_table import ROW

HOUR_US = 3_600_000_000


def tensors(hour: float, carrier: str, rows: int = 1) -> list[Tensor]:
    return [
        Tensor("hour", rows, 1, [hour] * rows, False),
        Tensor("carrier", rows, 1, [carrier] * rows, True),
        Tensor("place", rows, 2, [hour / 2, 7.0] * rows, False),
    ]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """400 requests of version 1 with two rows each, mirrored to version 2, which has UTC."""
    root = str(tmp_path_factory.mktemp("log"))
    table, schemas = PredictionTable(root, "observer-0"), Schemas()
    table.open()
    for commit in range(2):
        made = Chunk()
        for number in range(commit * 200, commit * 200 + 200):
            for arm, version, shift in (("live", "1", 0), ("shadow", "2", 5)):
                inputs = tensors(8 + number % 12 + shift, "UA" if number % 4 else "DL", 2)
                if commit:
                    # A later client sends them in another order.
                    inputs.reverse()
                outputs = [Tensor("p", 2, 1, [number / 400] * 2, False)]
                schema = schemas.of("models", "iris", inputs, outputs)
                assert schema is not None
                made.schemas[schema.digest] = schema
                for index in range(2):
                    row = ROW._replace(
                        request_id=f"r{number}",
                        time_us=ROW.time_us + commit * HOUR_US,
                        row=index,
                        arm=arm,
                        version=version,
                        schema=schema.digest,
                    )
                    made.add(row, inputs, outputs)
        made.add(ROW._replace(request_id="without values"), [], [])
        table.commit(made)
    other = Chunk()
    schema = schemas.of("models", "other", tensors(1.0, "x"), [])
    assert schema is not None
    other.schemas[schema.digest] = schema
    other.add(ROW._replace(model="other", schema=schema.digest), tensors(1.0, "x"), [])
    table.commit(other)
    return root


def values(found: LogColumns, *names: str) -> list[dict[str, Any]]:
    return [row for batch in found.batches(names) for row in batch.to_pylist()]


def test_a_request_is_one_row_with_columns_by_name(log: str) -> None:
    found = LogColumns(log, {}, Question(model="iris", version="1"), "live")

    assert sorted(found.types) == ["carrier", "hour", "p", "place[0]", "place[1]"]
    assert found.outputs == ["p"]
    rows = values(found, "hour", "carrier", "place[0]", "place[1]", "p")
    expected = [
        {
            "hour": 8.0 + number % 12,
            "carrier": "UA" if number % 4 else "DL",
            "place[0]": (8 + number % 12) / 2,
            "place[1]": 7.0,
            "p": number / 400,
        }
        for number in range(400)
    ]
    assert sorted(rows, key=lambda row: row["p"]) == expected


def test_rows_are_chosen_by_arm_and_time(log: str) -> None:
    middle = datetime.fromtimestamp(ROW.time_us / 1e6 + 1_800, UTC)
    mirrored = LogColumns(log, {}, Question(model="iris"), "shadow")
    later = LogColumns(log, {}, Question(model="iris", since=middle), "live")
    earlier = LogColumns(log, {}, Question(model="iris", until=middle), "live")

    assert {row["hour"] for row in values(mirrored, "hour")} == set(range(13, 25))
    assert [row["p"] * 400 for row in values(later, "p")] == pytest.approx(range(200, 400))
    assert [row["p"] * 400 for row in values(earlier, "p")] == pytest.approx(range(200))


def test_the_digest_is_of_what_was_asked(log: str) -> None:
    def digest(version: str) -> str:
        return LogColumns(log, {}, Question(model="iris", version=version), "live").digest()

    assert digest("1") == digest("1")
    assert digest("1") != digest("2")


def test_what_is_not_there_is_refused(log: str, tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no values of model 'rose' were kept: name its inputs in"):
        LogColumns(log, {}, Question(model="rose"), "live")
    with pytest.raises(LogError, match="there is no prediction log"):
        LogColumns(str(tmp_path), {}, Question(model="iris"), "live")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reference", *arguments])


def test_a_version_that_reads_hours_in_utc_is_named(log: str, tmp_path: Path) -> None:
    reference = str(tmp_path / "stable.json")
    of_log = ("--log", log, "--model", "iris")

    made = run("make", *of_log, "--version", "1", "--score", "p", "--write", reference)
    same = run("diff", reference, *of_log, "--version", "1")
    moved = run("diff", reference, *of_log, "--version", "2", "--arm", "shadow")

    assert made.exit_code == 0, made.output
    assert same.exit_code == 0, same.output
    assert moved.exit_code == 3, moved.output
    words = [line.split() for line in moved.stdout.splitlines()[1:]]
    assert [line[0] for line in words if line[1] == "yes"] == ["hour", "place[0]"]
    assert "2 of 5 columns moved" in moved.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("make",), 2, "write data files, or --log LOG --model NAME"),
        (("make", "a.csv", "--log", "{log}"), 2, "write data files, or --log LOG --model NAME"),
        (("make", "a.csv", "--model", "iris"), 2, "--model chooses rows of a prediction log"),
        (("make", "--log", "{log}"), 2, "write --model NAME"),
        (("make", "--log", "{log}", "--model", "rose"), 1, "no values of model 'rose' were kept"),
        (("make", "--log", "{log}", "--model", "iris", "--version", "9"), 1, "no rows"),
        (("make", "--log", "/no/such", "--model", "iris"), 1, "there is no prediction log"),
    ],
)
def test_a_wrong_command_line_is_refused(
    log: str, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run(*(each.format(log=log) for each in arguments))

    assert result.exit_code == code, result.output
    assert message in " ".join(result.output.split())
