"""Files to references: every format alike, exact counts, the same bytes, and clear refusals."""

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from model_rollouts.observer import tables
from model_rollouts.observer.distributions import Categories, Lengths, Numbers, compare, write
from model_rollouts.observer.tables import Choice, Table, TableError, count, make

ROWS = 5_000
DATA = pa.table(
    {
        "hour": [index * 7 % 24 for index in range(ROWS)],
        "delay": [None if index % 50 == 0 else (index * 37 % 1_000) / 8 for index in range(ROWS)],
        "carrier": [("UA", "DL", "B6", None)[index % 4] for index in range(ROWS)],
        "review": [f"review {index} {'x' * (index % 30)}" for index in range(ROWS)],
        "weekend": [index % 7 < 2 for index in range(ROWS)],
        "score": [index / ROWS for index in range(ROWS)],
    }
)


def quiet(what: str, done: int, total: int | None) -> None:
    assert what
    assert done > 0
    assert total is None or done <= total


def written(folder: Path, suffix: str, table: Any = DATA, name: str = "data") -> str:
    path = folder / f"{name}.{suffix}"
    if suffix == "parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=777)
    elif suffix in ("csv", "csv.gz"):
        with (
            pa.CompressedOutputStream(path, "gzip") if suffix == "csv.gz" else path.open("wb") as f
        ):
            pyarrow.csv.write_csv(table, f)
    elif suffix == "arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=999)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    return str(path)


def made(path: str, **choice: Any) -> Any:
    return make(Table([path], choice.get("categories", ())), Choice(**choice), quiet)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz", "arrow", "arrows"])
def test_every_format_gives_the_same_counts(tmp_path: Path, suffix: str) -> None:
    found = made(written(tmp_path, suffix), score="score")

    assert found.rows == ROWS
    hour, delay, carrier, review, weekend = found.inputs
    # 24 hours and at most 20 bins.
    assert isinstance(hour, Numbers)
    assert hour.is_whole
    assert 15 <= len(hour.counts) <= 20
    assert isinstance(delay, Numbers)
    assert delay.missing == ROWS // 50
    assert min(delay.counts) > 0.8 * max(delay.counts)
    assert carrier == Categories("carrier", ("B6", "DL", "UA"), (1_250,) * 3, 0, 1_250)
    assert isinstance(review, Lengths)
    assert review.edges[0] == len("review 0 ")
    assert weekend == Categories("weekend", ("false", "true"), (3_570, 1_430), 0, 0)
    assert isinstance(found.score, Numbers)


def test_counts_are_those_of_every_row(tmp_path: Path) -> None:
    (column, *_) = made(written(tmp_path, "parquet"), include=("delay",)).inputs
    values = [each for each in DATA["delay"].to_pylist() if each is not None]

    for index, found in enumerate(column.counts):
        low, high = column.edges[index : index + 2]
        is_last = index == len(column.counts) - 1
        assert found == sum(low <= each < high or (is_last and each == high) for each in values)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A sample of a part of the rows, which has to be the same one.
    monkeypatch.setattr(tables, "SAMPLE", 500)
    path = written(tmp_path, "parquet")

    assert write(made(path)) == write(made(path))


def test_bins_of_a_sample_have_about_as_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SAMPLE", 500)
    # The values have a period, as rows of a time series do.
    table = pa.table({"x": [index % 24 + index % 1_440 / 1_440 for index in range(50_000)]})

    (column,) = made(written(tmp_path, "parquet", table)).inputs

    assert len(column.counts) == 20
    assert 0.5 * 2_500 < min(column.counts) < max(column.counts) < 1.5 * 2_500


@pytest.mark.parametrize(
    ("values", "edges", "counts"),
    [
        ([3.0] * 5, (3, 3), (5,)),
        ([0.0, 1.0, 1.0, 5.0], (0, 1, 5, 5), (1, 2, 1)),
        ([-0.0, 0.0], (0, 0), (2,)),
    ],
)
def test_few_values_have_a_bin_each(
    tmp_path: Path, values: list[float], edges: tuple[float, ...], counts: tuple[int, ...]
) -> None:
    (column,) = made(written(tmp_path, "parquet", pa.table({"x": values}))).inputs

    assert (column.edges, column.counts) == (edges, counts)


def test_not_a_number_is_missing_and_infinity_is_outside(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, 2.0, math.nan, math.inf, -math.inf, None]})

    (column,) = made(written(tmp_path, "parquet", table)).inputs

    assert (column.counts, column.missing, column.below, column.above) == ((1, 1), 2, 1, 1)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_numbers_may_be_names(tmp_path: Path, suffix: str) -> None:
    table = pa.table({"code": [7.0, 7.0, 8.0, None], "x": [1, 2, 3, 4]})

    column, _ = made(written(tmp_path, suffix, table), categories=("code",)).inputs

    assert column == Categories("code", ("7", "8"), (2, 1), 0, 1)


def test_rare_categories_are_counted_together(tmp_path: Path) -> None:
    table = pa.table({"c": [str(index % 30 if index % 2 else 1) for index in range(600)]})

    (column,) = made(written(tmp_path, "parquet", table), bins=4).inputs

    assert column.values == ("1", "11", "13", "15")
    assert column.counts[0] == 320
    assert column.others == 600 - 320 - 3 * 20


def test_dictionaries_are_their_values(tmp_path: Path) -> None:
    table = pa.table({"c": pa.array(["a", "b", "a", None]).dictionary_encode()})

    (column,) = made(written(tmp_path, "arrow", table)).inputs

    assert column == Categories("c", ("a", "b"), (2, 1), 0, 1)


def test_other_rows_are_counted_in_the_same_bins(tmp_path: Path) -> None:
    before = made(written(tmp_path, "parquet"), score="score")
    later = DATA.set_column(0, "hour", [[30] * ROWS]).drop_columns(["carrier"])

    for suffix in ("parquet", "csv"):
        path = written(tmp_path, suffix, later, "later")
        now = count(Table([path], ("carrier", "review", "weekend")), before, quiet)
        found = compare(before, now)

        assert now.dataset != before.dataset
        assert [each.sentence for each in found.moved] == ["100 % above 23, was 0 %"]
        assert found.gone == ("carrier",)


def test_several_files_are_one_data_set(tmp_path: Path) -> None:
    parts = [
        written(tmp_path, suffix, DATA.slice(first, 2_500), f"part{first}")
        for suffix, first in (("parquet", 0), ("csv", 2_500))
    ]
    whole = made(written(tmp_path, "parquet"))

    found = make(Table(parts), Choice(), quiet)

    assert found.inputs == whole.inputs
    assert found.dataset != whole.dataset


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_bytes(b"x\n1\n2\n")

    found = made(str(path)).dataset

    # sha256sum one.csv
    assert found.digest == (
        "sha256:aea284871ddeeebac4b57b7a8ee7dad070886e690408ce2409306b9b6487beb1"
    )


@pytest.mark.parametrize(
    ("name", "content", "choice", "message"),
    [
        ("a.txt", b"x\n1\n", {}, "its name must end with one of .parquet"),
        ("a.parquet.gz", b"x", {}, "its name must end with one of .parquet"),
        ("a.parquet", b"no parquet at all", {}, "could not read '{}': "),
        ("a.arrow", b"no arrow at all", {}, "could not read '{}': "),
        ("a.csv", b"", {}, "could not read '{}': Empty CSV file"),
        ("a.csv", b"x,y\n", {}, "the files have no rows"),
        ("a.csv", b"x,x\n1,2\n", {}, "has two columns 'x': rename one"),
        ("a.csv", b"x,y\n1,2\n3\n", {}, "could not read '{}': CSV parse error"),
        ("a.csv", b"x,y\n1,\n2,\n", {}, "no row has a value of 'y': leave the column out with "),
        ("a.csv", b"x\n1\n", {"include": ("z",)}, "'{}' has no column 'z'; it has x"),
        ("a.csv", b"x\n1\n", {"score": "z"}, "'{}' has no column 'z'; it has x"),
        ("a.csv", b"x\n1\n", {"exclude": ("x",)}, "found no inputs"),
        ("a.csv", b"x,y\n1,2\n", {"score": "y", "label": "y"}, "given as score and as label"),
        (
            "a.csv",
            b"t\n2026-01-01 10:00:00\n",
            {},
            "'t' is timestamp[s]: write what the model makes of it into a column of numbers",
        ),
        (
            "a.csv",
            (",".join(f"c{n}" for n in range(51)) + "\n" + ",".join("1" * 51) + "\n").encode(),
            {},
            "found 51 inputs, at most 50 are allowed: choose those",
        ),
        ("a.csv", b"x" * 129 + b"\n1\n", {}, "found a name of 129 characters"),
        ("a.csv", b"x,\n1,2\n", {}, "found a name of 0 characters"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    tmp_path: Path, name: str, content: bytes, choice: dict[str, Any], message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(TableError) as refused:
        made(str(path), **choice)

    assert message.format(path) in str(refused.value)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(TableError, match=r"could not read '/no/such\.csv': .*No such file"):
        Table(["/no/such.csv"])


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    paths = [written(tmp_path, "csv", pa.table({name: [1]}), f"of_{name}") for name in ("x", "y")]

    with pytest.raises(TableError, match="have other columns: 'x' is in one alone"):
        Table(paths)


def test_texts_where_numbers_were_are_refused(tmp_path: Path) -> None:
    before = made(written(tmp_path, "parquet", pa.table({"x": [1.0, 2.0]})))
    path = written(tmp_path, "parquet", pa.table({"x": ["1", "high"]}), "later")

    with pytest.raises(TableError, match=r"'x' has numbers in the reference.*high"):
        count(Table([path]), before, quiet)


def test_data_without_any_input_are_refused(tmp_path: Path) -> None:
    before = made(written(tmp_path, "parquet", pa.table({"x": [1.0, 2.0]})))
    path = written(tmp_path, "parquet", pa.table({"y": [1.0]}), "later")

    with pytest.raises(TableError, match="has none of the inputs of the reference: 'x'"):
        count(Table([path]), before, quiet)


def test_later_rows_of_another_type_are_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_BLOCK", 1_000)
    path = tmp_path / "mixed.csv"
    path.write_text("code,x\n" + "1,2\n" * 2_000 + "A7,2\n")

    with pytest.raises(TableError, match="name the column with --category or --exclude"):
        made(str(path))
    column, _ = made(str(path), categories=("code",)).inputs
    assert column.values == ("1", "A7")
