"""Each chunk is in the table exactly once, whatever happens to the storage and to the writer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from deltalake import DeltaTable, write_deltalake

from model_rollouts.observer.protocols import Tensor
from model_rollouts.observer.store.chunk import Chunk, Row, Schemas
from model_rollouts.observer.store.table import (
    FencedError,
    PredictionTable,
    StorageError,
    UnwritableError,
    why,
)

ROW = Row(
    prediction_id="p",
    request_id="r",
    row=0,
    time_us=1_700_000_000_000_000,
    date="2023-11-14",
    namespace="models",
    model="iris",
    version="2",
    revision="iris-2",
    pod="iris-2-0",
    arm="live",
    slice="",
    answered_by="model",
    status=200,
    flags="",
    latency_ms=3.0,
    request_bytes=10,
    answer_bytes=20,
    outcome="answered",
    schema="",
    comparison="",
    disagreement=None,
)


def chunk(*ids: str, date: str = ROW.date, **changes: Any) -> Chunk:
    made = Chunk()
    for each in ids:
        made.add(ROW._replace(request_id=each, date=date, **changes), [], [])
    return made


def opened(folder: Path, observer: str = "observer-0") -> PredictionTable:
    table = PredictionTable(str(folder), observer)
    table.open()
    return table


def ids(folder: Path) -> list[str]:
    table = DeltaTable(str(folder / "predictions")).to_pyarrow_table(columns=["request_id"])
    return sorted(each["request_id"] for each in table.to_pylist())


def test_values_come_back_as_they_went_with_their_names(tmp_path: Path) -> None:
    inputs = [
        Tensor("x", 2, 2, [1.0, 2.0, 3.0, 1e308], False),
        Tensor("y", 2, 1, [7, 10**400], False),
    ]
    outputs = [Tensor("species", 2, 1, ["cat", "d'o\"g\n"], True)]
    made = Chunk()
    schema = Schemas().of("models", "iris", inputs, outputs)
    assert schema is not None
    made.schemas[schema.digest] = schema
    for index in range(2):
        made.add(ROW._replace(row=index, schema=schema.digest), inputs, outputs)
    opened(tmp_path).commit(made)

    rows = DeltaTable(str(tmp_path / "predictions")).to_pyarrow_table().to_pylist()
    (known,) = DeltaTable(str(tmp_path / "schemas")).to_pyarrow_table().to_pylist()
    first, second = sorted(rows, key=lambda each: each["row"])
    assert first["features"] == [1.0, 2.0, 7.0]
    assert second["features"] == [3.0, 1e308, 1.7976931348623157e308]
    assert [first["output_texts"], second["output_texts"]] == [["cat"], ["d'o\"g\n"]]
    assert first["time"] == datetime.fromtimestamp(1_700_000_000, UTC)
    assert known["schema"] == first["schema"] == schema.digest
    assert [each["name"] for each in msgspec.json.decode(known["fields"])["inputs"]] == ["x", "y"]


def test_what_is_known_of_numbers_is_kept_with_the_rows(tmp_path: Path) -> None:
    assert PredictionTable(str(tmp_path), "observer-0").open() == []
    table, other = opened(tmp_path), opened(tmp_path, "observer-1")
    made = chunk("a")
    made.state = [("models", "iris", "iris-2", "live", "uid", "boot", 7, [(3, 4)])]
    table.commit(made)
    other.commit(chunk("b"))
    table.keep_up(lambda namespace, model: timedelta(days=36_500), datetime.now(UTC))

    state = PredictionTable(str(tmp_path), "observer-0").open()

    assert [tuple(each) for each in state] == [
        ("models", "iris", "iris-2", "live", "uid", "boot", 7, [[3, 4]])
    ]
    assert ids(tmp_path) == ["a", "b"]


def test_of_two_writers_with_one_id_the_later_one_is_fenced(tmp_path: Path) -> None:
    old, new = opened(tmp_path), opened(tmp_path)
    new.commit(chunk("a"))

    with pytest.raises(FencedError, match=r"another process writes to .* with the id observer-0"):
        old.commit(chunk("b"))
    new.commit(chunk("c"))
    assert ids(tmp_path) == ["a", "c"]


def test_a_commit_whose_answer_was_lost_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "model_rollouts.observer.store.table.write_deltalake"
    table = opened(tmp_path)
    real = write_deltalake

    def loses_its_answer(*args: Any, **options: Any) -> None:
        real(*args, **options)
        raise OSError("connection reset")

    monkeypatch.setattr(name, loses_its_answer)
    with pytest.raises(StorageError, match="connection reset"):
        table.commit(chunk("a"))
    monkeypatch.setattr(name, real)
    table.commit(chunk("a"))
    table.commit(chunk("b"))

    assert ids(tmp_path) == ["a", "b"]


def test_a_commit_that_was_not_done_is_done_later(tmp_path: Path) -> None:
    table = opened(tmp_path / "log")
    table.commit(chunk("a"))
    (tmp_path / "log").rename(tmp_path / "hidden")
    (tmp_path / "log").write_text("no folder")
    for _ in range(2):
        with pytest.raises(StorageError) as away:
            table.commit(chunk("b"))
        assert away.value.why == "away"
    (tmp_path / "log").unlink()
    (tmp_path / "hidden").rename(tmp_path / "log")

    table.commit(chunk("b"))

    assert ids(tmp_path / "log") == ["a", "b"]


def test_a_chunk_that_no_table_takes_is_told_apart(tmp_path: Path) -> None:
    table = opened(tmp_path)

    with pytest.raises(UnwritableError):
        table.commit(chunk("a", time_us=2**70))
    table.commit(chunk("b"))

    assert ids(tmp_path) == ["b"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Generic LocalFileSystem error: No space left on device (os error 28)", "full"),
        ("Disk quota exceeded (os error 122)", "full"),
        ("Unable to open file: Read-only file system (os error 30)", "read_only"),
        ("Permission denied (os error 13)", "read_only"),
        ("Client error with status 403 Forbidden: AccessDenied", "read_only"),
        ("error sending request for url (http://minio:9000)", "away"),
    ],
)
def test_what_is_wrong_with_a_storage_is_told(message: str, expected: str) -> None:
    assert why(message) == expected


def test_upkeep_deletes_what_is_old_and_leaves_few_files(tmp_path: Path) -> None:
    table = opened(tmp_path)
    for number in range(4):
        table.commit(chunk(f"old-{number}", date="2026-01-01"))
        table.commit(chunk(f"new-{number}", date="2026-01-09"))
    files = list((tmp_path / "predictions").rglob("*.parquet"))
    assert len(files) == 8

    table.keep_up(lambda namespace, model: timedelta(days=7), datetime(2026, 1, 9, tzinfo=UTC))
    table.commit(chunk("later", date="2026-01-09"))

    assert ids(tmp_path) == ["later", *(f"new-{number}" for number in range(4))]
    assert len(DeltaTable(str(tmp_path / "predictions")).file_uris()) == 2
