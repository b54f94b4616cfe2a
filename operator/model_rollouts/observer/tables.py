"""Files of rows, read in batches and counted in bins: Parquet, CSV and Arrow, by pyarrow.

A file is read twice: once to find the bins, once to count in them. What is in memory is one batch
and, of each number, a sample of rows; it does not grow with the file.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from model_rollouts.observer.distributions import (
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_BINS,
    MOST_INPUTS,
    Categories,
    Column,
    Dataset,
    Lengths,
    Numbers,
    Reference,
    edges_of,
)
from model_rollouts.observer.distributions.reference import FORMAT, FORMAT_VERSION

BATCH = 65_536
"""Rows at once."""
SAMPLE = 65_536
"""Rows, at least and at most twice as many, whose quantiles are the edges; all of fewer rows."""
MOST_DISTINCT = 1_000
"""Different texts of a column of categories; of one with more, lengths are counted."""

_BLOCK = 4 << 20
_CHUNK = 1 << 20
_GOLDEN = 11_400_714_819_323_198_485
"""2**64 over the golden ratio: its multiples are spread evenly, whatever period the rows have."""
_WHOLE = 1 << 64

Progress = Callable[[str, int, int | None], None]
"""What is done, rows so far, and of how many; None while that is not known."""


class TableError(Exception):
    """The rows cannot be read or counted; the message names file and column, and what to do."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which columns are what.

    include: the inputs, all columns when empty; exclude: columns that are no inputs; categories:
    numbers that are names of something; bins: the most that a column gets.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    score: str | None = None
    label: str | None = None
    bins: int = MOST_BINS


class Rows(Protocol):
    """Rows with named columns that can be read more than once."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def types(self) -> Mapping[str, Any]:
        """The Arrow type of each column."""

    @property
    def rows(self) -> int | None:
        """How many rows there are; None where only reading tells it."""

    def digest(self) -> str:
        """What tells these rows from others: `sha256:` and 64 hexadecimal digits."""

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """RecordBatches with these columns, the same ones each time."""


class Table:
    """Files with the same columns, read one after the other. Raises TableError."""

    def __init__(self, paths: Sequence[str], texts: Sequence[str] = ()) -> None:
        self.paths = [Path(each) for each in paths]
        self.name = str(self.paths[0])
        self._texts = frozenset(texts)
        kinds = {each: _kind(each) for each in self.paths}
        self._kinds = kinds
        self.types = self._schema(self.paths[0])
        for each in self.paths[1:]:
            if set(found := self._schema(each)) != set(self.types):
                other = sorted(set(found) ^ set(self.types))[0]
                raise TableError(
                    f"'{each}' and '{self.paths[0]}' have other columns: '{other}' is in one alone"
                )

    @property
    def rows(self) -> int | None:
        """How many rows there are; None where only reading tells it."""
        if any(self._kinds[each] == "csv" for each in self.paths):
            return None
        return sum(self._rows_of(each) for each in self.paths)

    def digest(self) -> str:
        """SHA-256 of the file; of several the SHA-256 of theirs, each a line."""
        digests = []
        for path in self.paths:
            found = hashlib.sha256()
            try:
                with path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        found.update(chunk)
            except OSError as error:
                raise _unreadable(path, error) from None
            digests.append(found.hexdigest())
        if len(digests) == 1:
            return f"sha256:{digests[0]}"
        lines = "".join(f"{each}\n" for each in digests)
        return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """RecordBatches with these columns."""
        for path in self.paths:
            try:
                for each in self._batches_of(path, list(columns)):
                    for first in range(0, each.num_rows, BATCH):
                        yield each.slice(first, BATCH)
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise _unreadable(path, error) from None

    def _batches_of(self, path: Path, columns: list[str]) -> Iterator[Any]:
        kind = self._kinds[path]
        if kind == "parquet":
            # Neither whole row groups nor the whole file are held.
            options = {"pre_buffer": False, "buffer_size": _CHUNK}
            with closing(pyarrow.parquet.ParquetFile(path, **options)) as file:
                yield from file.iter_batches(BATCH, columns=columns)
        elif kind == "csv":
            with self._csv(path, columns) as reader:
                yield from reader
        else:
            with pa.memory_map(str(path)) as source:
                yield from (each.select(columns) for each in _arrow(source))

    def _csv(self, path: Path, columns: list[str] | None = None) -> Any:
        types = {} if columns is None else {name: self.types[name] for name in columns}
        return pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=columns or [],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _schema(self, path: Path) -> dict[str, Any]:
        try:
            if self._kinds[path] == "parquet":
                schema = pyarrow.parquet.read_schema(path)
            elif self._kinds[path] == "csv":
                with self._csv(path) as reader:
                    schema = reader.schema
            else:
                with pa.memory_map(str(path)) as source:
                    schema = _opened(source).schema
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from None
        for name in schema.names:
            if schema.names.count(name) > 1:
                raise TableError(f"'{path}' has two columns '{name}': rename one")
        is_csv = self._kinds[path] == "csv"
        return {each.name: self._type(each.name, each.type, is_csv) for each in schema}

    def _type(self, name: str, found: Any, is_csv: bool) -> Any:
        if not is_csv:
            return found
        if name in self._texts and not pa.types.is_boolean(found):
            return pa.string()
        # The first rows may be whole, or empty, and later ones not.
        return pa.float64() if pa.types.is_integer(found) or pa.types.is_null(found) else found

    def _rows_of(self, path: Path) -> int:
        try:
            if self._kinds[path] == "parquet":
                return int(pyarrow.parquet.read_metadata(path).num_rows)
            with pa.memory_map(str(path)) as source:
                return sum(each.num_rows for each in _arrow(source))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from None


def _kind(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    for kind, suffixes in _SUFFIXES.items():
        if name.endswith(suffixes) and (kind == "csv" or not path.name.lower().endswith(".gz")):
            return kind
    known = ", ".join(chain.from_iterable(_SUFFIXES.values()))
    raise TableError(f"'{path}': its name must end with one of {known}, .csv.gz")


_SUFFIXES = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv",),
    "arrow": (".arrow", ".feather", ".ipc", ".arrows"),
}


def _opened(source: Any) -> Any:
    """A reader of the file format or of the stream format of Arrow."""
    try:
        return pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)


def _arrow(source: Any) -> Iterator[Any]:
    reader = _opened(source)
    if hasattr(reader, "get_batch"):
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)
    else:
        yield from reader


def _unreadable(path: Path, error: Exception) -> TableError:
    why = getattr(error, "strerror", None) or str(error).splitlines()[0]
    if "CSV conversion error" in why:
        why += ". Its first rows look otherwise: name the column with --category or --exclude"
    return TableError(f"could not read '{path}': {why}")


# What is found in the first reading.


@dataclass(slots=True)
class _Sampled:
    """A column of numbers: extremes, all values while there are few, and otherwise a sample."""

    least: float | None = None
    most: float | None = None
    is_whole: bool = True
    few: set[float] | None = field(default_factory=set)
    present: int = 0


@dataclass(slots=True)
class _Texts:
    """A column of texts: how often each is there, while there are not too many."""

    found: Counter[str] | None = field(default_factory=Counter)
    rows: int = 0
    is_whole: bool = True
    lengths: _Sampled = field(default_factory=_Sampled)


def make(
    table: Rows,
    choice: Choice,
    progress: Progress,
    *,
    dataset_id: str = "",
    importances: dict[str, float] | None = None,
) -> Reference:
    """A reference with bins that fit the rows. Raises TableError, BadReferenceError."""
    names, inputs = _chosen(table, choice)
    seen: dict[str, _Sampled | _Texts] = {
        name: _Texts() if _is_text(table.types[name], name in choice.categories) else _Sampled()
        for name in names
    }
    sample = _Sample()
    rows, total = 0, table.rows
    for batch in table.batches(names):
        numbers: dict[str, Any] = {}
        for name in names:
            state, values = seen[name], batch.column(name)
            if isinstance(state, _Texts):
                numbers[name] = _look_at_texts(state, _texts(values))
            else:
                numbers[name] = _look_at_numbers(state, _numbers(values), choice.bins)
        sample.add(rows, {name: each for name, each in numbers.items() if each is not None})
        rows += batch.num_rows
        progress("finding bins", rows, total)
    if not rows:
        raise TableError("the files have no rows")
    empty = [name for name in names if not _has_values(seen[name])]
    if empty:
        raise TableError(
            f"no row has a value of {', '.join(map(repr, empty))}: leave the column out with "
            + " ".join(f"--exclude {each}" for each in empty)
        )
    columns = {name: _binned(name, seen[name], sample, choice.bins) for name in names}
    empty_reference = Reference(
        FORMAT,
        FORMAT_VERSION,
        rows,
        Dataset(table.digest(), dataset_id),
        tuple(_all_missing(columns[name], rows) for name in inputs),
        _of(columns, choice.score, rows),
        _of(columns, choice.label, rows),
        importances or {},
    )
    return count(table, empty_reference, progress, rows=rows)


def count(
    table: Rows,
    like: Reference,
    progress: Progress,
    *,
    rows: int | None = None,
    dataset_id: str = "",
) -> Reference:
    """A reference of the rows in the bins of `like`; columns that the files lack are left out.

    Raises TableError.
    """
    columns = [each for each in like.columns if each.name in table.types]
    if not any(each.name in table.types for each in like.inputs):
        raise TableError(
            f"'{table.name}' has none of the inputs of the reference: "
            + ", ".join(repr(each.name) for each in like.inputs[:5])
        )
    counts: dict[str, Counter[int]] = {each.name: Counter() for each in columns}
    done, total = 0, table.rows if rows is None else rows
    for batch in table.batches([each.name for each in columns]):
        for each in columns:
            counts[each.name] += _cells(each, batch.column(each.name))
        done += batch.num_rows
        progress("counting", done, total)
    if not done:
        raise TableError("the files have no rows")
    counted = {each.name: _with_counts(each, counts[each.name], done) for each in columns}
    inputs = tuple(counted[each.name] for each in like.inputs if each.name in counted)
    return Reference(
        like.format,
        like.format_version,
        done,
        like.dataset if rows is not None else Dataset(table.digest(), dataset_id),
        inputs,
        counted.get(like.score.name) if like.score else None,
        counted.get(like.label.name) if like.label else None,
        {name: each for name, each in like.importances.items() if name in counted},
    )


def _chosen(table: Rows, choice: Choice) -> tuple[list[str], list[str]]:
    """All columns that are read, and those of them that are inputs."""
    outputs = [each for each in (choice.score, choice.label) if each is not None]
    for name in chain(choice.include, choice.exclude, choice.categories, outputs):
        if name not in table.types:
            known = ", ".join(list(table.types)[:20])
            raise TableError(f"'{table.name}' has no column '{name}'; it has {known}")
    if len(set(outputs)) < len(outputs):
        raise TableError(f"'{outputs[0]}' is given as score and as label: leave one out")
    out = {*choice.exclude, *outputs}
    inputs = [each for each in (choice.include or table.types) if each not in out]
    if len(inputs) > MOST_INPUTS:
        raise TableError(
            f"found {len(inputs)} inputs, at most {MOST_INPUTS} are allowed: choose those that the "
            "model uses most with --include"
        )
    if not inputs:
        raise TableError("found no inputs: all columns are left out, or score or label")
    names = [*dict.fromkeys((*inputs, *outputs))]
    for name in names:
        if not 0 < len(name) <= LONGEST_NAME:
            raise TableError(
                f"found a name of {len(name)} characters, a column's has 1 to {LONGEST_NAME}"
            )
        if not _is_countable(table.types[name]):
            raise TableError(
                f"'{name}' is {table.types[name]}: write what the model makes of it into a column "
                f"of numbers or texts, or leave it out with --exclude {name}"
            )
    return names, inputs


def _is_countable(found: Any) -> bool:
    found = found.value_type if pa.types.is_dictionary(found) else found
    return bool(_is_number(found) or _is_string(found) or pa.types.is_boolean(found))


def _is_number(found: Any) -> bool:
    return bool(
        pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found)
    )


def _is_string(found: Any) -> bool:
    return bool(
        pa.types.is_string(found)
        or pa.types.is_large_string(found)
        or pa.types.is_string_view(found)
    )


def _is_text(found: Any, is_category: bool) -> bool:
    found = found.value_type if pa.types.is_dictionary(found) else found
    return is_category or not _is_number(found)


def _numbers(values: Any) -> Any:
    """Doubles, with null for NaN. Raises TableError where one is no number."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    doubles = pc.cast(values, pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(doubles), pa.scalar(None, pa.float64()), doubles)


def _texts(values: Any) -> Any:
    """Texts; whole numbers without a decimal point, whatever type they were stored with."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        return pc.replace_substring_regex(pc.cast(values, pa.string()), r"\.0$", "")
    return pc.cast(values, pa.string())


def _look_at_numbers(state: _Sampled, values: Any, bins: int) -> Any:
    """Take in a batch; what of it may be sampled."""
    finite = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
    found = pc.min_max(finite).as_py()
    state.present += len(values) - values.null_count
    if found["min"] is None:
        return finite
    state.least = found["min"] if state.least is None else min(state.least, found["min"])
    state.most = found["max"] if state.most is None else max(state.most, found["max"])
    if state.is_whole:
        state.is_whole = bool(pc.all(pc.equal(pc.floor(finite), finite)).as_py())
    if state.few is not None:
        state.few.update(pc.unique(finite.drop_null()).to_pylist())
        if len(state.few) > bins:
            state.few = None
    return finite


def _look_at_texts(state: _Texts, values: Any) -> Any:
    if state.found is not None:
        for pair in pc.value_counts(values.drop_null()):
            state.found[pair["values"].as_py()] += pair["counts"].as_py()
        if len(state.found) > MOST_DISTINCT or max(map(len, state.found), default=0) > (
            LONGEST_VALUE
        ):
            state.found = None
    # While it is not known whether lengths are needed, they are kept.
    return _look_at_numbers(state.lengths, _lengths(values), MOST_BINS)


def _lengths(values: Any) -> Any:
    return pc.cast(pc.utf8_length(values), pa.float64())


def _has_values(state: _Sampled | _Texts) -> bool:
    return (state.lengths if isinstance(state, _Texts) else state).least is not None


class _Sample:
    """Rows by a hash of their number: the same ones each time, and about `SAMPLE` of them."""

    def __init__(self) -> None:
        self._below = _WHOLE
        self._kept: Any = None

    def add(self, first: int, columns: dict[str, Any]) -> None:
        """Take in a batch whose first row has this number."""
        rows = len(next(iter(columns.values())))
        numbers = pa.array(range(first, first + rows), pa.uint64())
        hashes = pc.multiply(numbers, pa.scalar(_GOLDEN, pa.uint64()))
        batch = self._chosen(pa.table({"": hashes, **{f"_{n}": v for n, v in columns.items()}}))
        self._kept = batch if self._kept is None else pa.concat_tables([self._kept, batch])
        while self._kept.num_rows > 2 * SAMPLE:
            self._below //= 2
            self._kept = self._chosen(self._kept).combine_chunks()

    def quantiles(self, name: str, bins: int) -> list[float]:
        """Values between which each bin has as many, ascending."""
        if bins < 2:
            return []
        shares = [index / bins for index in range(1, bins)]
        column = self._kept.column(f"_{name}")
        found = pc.quantile(column, q=shares, interpolation="nearest").to_pylist()
        return [each for each in found if each is not None]

    def _chosen(self, table: Any) -> Any:
        if self._below == _WHOLE:
            return table
        return table.filter(pc.less(table.column(""), pa.scalar(self._below, pa.uint64())))


def _binned(name: str, state: _Sampled | _Texts, sample: _Sample, bins: int) -> Column:
    """The column with its bins and without counts."""
    if isinstance(state, _Texts):
        if state.found is not None:
            ranked = sorted(state.found.items(), key=lambda pair: (-pair[1], pair[0]))[:bins]
            values = tuple(value for value, _ in ranked)
            return Categories(name, values, (0,) * len(values))
        numbers = state.lengths
    else:
        numbers = state
    assert numbers.least is not None and numbers.most is not None
    few = sorted(numbers.few) if numbers.few is not None and len(numbers.few) <= bins else None
    quantiles = [] if few is not None else sample.quantiles(name, bins)
    edges = edges_of(few, quantiles, numbers.least, numbers.most)
    kind = Lengths if isinstance(state, _Texts) else Numbers
    return kind(name, edges, (0,) * (len(edges) - 1), is_whole=numbers.is_whole)


def _all_missing(column: Column, rows: int) -> Column:
    return _with_counts(column, Counter(), rows)


def _of(columns: dict[str, Column], name: str | None, rows: int) -> Column | None:
    return None if name is None else _all_missing(columns[name], rows)


def _cells(column: Column, values: Any) -> Counter[int]:
    """How many of the values are in each cell, by its index in `column.cells`."""
    if isinstance(column, Categories):
        texts = _texts(values).drop_null()
        found = pc.index_in(texts, value_set=pa.array(column.values, pa.string()))
        return _counted(pc.fill_null(found, len(column.counts)))
    try:
        numbers = _lengths(_texts(values)) if isinstance(column, Lengths) else _numbers(values)
    except pa.ArrowException as error:
        raise TableError(
            f"'{column.name}' has numbers in the reference, and here values such as: {error}"
        ) from None
    numbers = numbers.drop_null()
    bins = len(column.counts)
    places = pc.search_sorted(pa.array(column.edges[:-1]), numbers, side="right")
    found = _counted(pc.cast(places, pa.int64()))
    above = pc.sum(pc.greater(numbers, column.edges[-1])).as_py() or 0
    cells = Counter({place - 1: rows for place, rows in found.items() if place})
    cells[bins - 1] -= above
    cells[bins], cells[bins + 1] = found.get(0, 0), above
    return cells


def _counted(indices: Any) -> Counter[int]:
    pairs = pc.value_counts(indices)
    return Counter({each["values"].as_py(): each["counts"].as_py() for each in pairs})


def _with_counts(column: Column, cells: Counter[int], rows: int) -> Column:
    bins = len(column.counts)
    counts = tuple(cells[index] for index in range(bins))
    missing = rows - cells.total()
    if isinstance(column, Categories):
        return Categories(column.name, column.values, counts, cells[bins], missing)
    return type(column)(
        column.name, column.edges, counts, missing, cells[bins], cells[bins + 1], column.is_whole
    )
