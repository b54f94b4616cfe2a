"""The Delta Lake table: each chunk exactly once, by one writer, and its upkeep.

A commit carries the number of the chunk as an application transaction of this observer's id. Number
and chunk are read and written with the same DeltaTable: with a fresh one delta-rs takes any number,
and two writers with one id would not notice each other.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import (
    BloomFilterProperties,
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError, TableNotFoundError

from model_rollouts.observer.capture.sequences import State
from model_rollouts.observer.store import arrow
from model_rollouts.observer.store.chunk import Chunk

PREDICTIONS = "predictions"
SCHEMAS = "schemas"

VACUUM_HOURS = 2
"""Files that no reader needs any more stay so long: one may have begun with them."""
MOST_HISTORY = 1_000
"""Commits that are looked through for the last one of this observer."""

_STATE = "model_rollouts.sequences"
_WRITER = "model_rollouts.writer"

_PROPERTIES = WriterProperties(
    compression="ZSTD",
    column_properties={
        # No id comes twice: a dictionary of them would be made for nothing.
        name: ColumnProperties(
            dictionary_enabled=False,
            bloom_filter_properties=BloomFilterProperties(True, 0.01, 50_000),
        )
        for name in ("request_id", "prediction_id")
    },
)


class FencedError(Exception):
    """Another process writes with this observer's id."""


class UnwritableError(Exception):
    """A chunk that no table takes, whatever the storage does."""


class StorageError(Exception):
    """The storage did not take it; `why` is "full", "read_only" or "away"."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(" ".join(str(error).split())[:500] or type(error).__name__)
        self.why = why(str(error))


def why(message: str) -> str:
    """What is wrong with a storage, by what it says: delta-rs has no kinds of errors for it."""
    if re.search(
        r"(?i)no space left|quota|os error 28|os error 122|insufficient ?storage", message
    ):
        return "full"
    if re.search(r"(?i)read-only|os error 30|permission ?denied|access ?denied|forbidden", message):
        return "read_only"
    return "away"


class PredictionTable:
    """The log of one observer, open.

    root: a folder or an address such as s3://bucket/prefix; options are those of the object store.
    """

    def __init__(self, root: str, observer: str, options: dict[str, str] | None = None) -> None:
        self._root = root.rstrip("/")
        self._observer = observer
        self._options = options or {}
        self._writer = secrets.token_hex(8)
        self._known_schemas: set[str] = set()
        self._table: DeltaTable | None = None
        self._number = 0

    def open(self) -> list[State]:
        """Open or create the table; what the last process with this id knew of numbers.

        Raises StorageError.
        """
        with _told():
            self._table = self._opened(PREDICTIONS, arrow.PREDICTIONS, arrow.PARTITIONS)
            self._number = self._table.transaction_version(self._observer) or 0
            return next((_state(each) for each in self._own_commits(self._table)), [])

    def commit(self, chunk: Chunk) -> None:
        """Write a chunk, once, also when its first try failed after it was done.

        Raises StorageError, after which the same chunk may be tried again; UnwritableError and
        FencedError.
        """
        try:
            rows, schemas = arrow.predictions(chunk), arrow.schemas(chunk)
        except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
            raise UnwritableError(str(error)) from error
        with _told():
            if self._table is None:
                self._reopen()
            elif self._is_done():
                return
            new = set(chunk.schemas) - self._known_schemas
            if new:
                write_deltalake(self._opened(SCHEMAS, arrow.SCHEMAS, []), schemas, mode="append")
                self._known_schemas |= new
            assert self._table is not None
            self._write(self._table, rows, chunk)

    def _write(self, table: DeltaTable, rows: Any, chunk: Chunk) -> None:
        number = self._number + 1
        properties = CommitProperties(
            app_transactions=[Transaction(self._observer, number)],
            custom_metadata={
                f"{_STATE}.{self._observer}": json.dumps(chunk.state),
                _WRITER: self._writer,
            },
            max_commit_retries=15,
        )
        self._pending = number
        try:
            write_deltalake(
                table,
                rows,
                mode="append",
                writer_properties=_PROPERTIES,
                commit_properties=properties,
            )
        except DeltaError as error:
            if "oncurrent" not in str(error):
                raise
            # Somebody committed meanwhile: with this id, or only the upkeep of another observer.
            self._reopen()
            if self._pending:
                raise
            return
        self._number, self._pending = number, 0

    _pending = 0
    """The number of a commit of which it is not known whether it was done; 0 for none."""

    def _is_done(self) -> bool:
        """Whether the commit whose answer was lost was done; leaves the table ready for another."""
        if not self._pending:
            return False
        self._reopen()
        return not self._pending

    def _reopen(self) -> None:
        """Open the table again after a failure, and see what was done; raises FencedError."""
        table = self._opened(PREDICTIONS, arrow.PREDICTIONS, arrow.PARTITIONS)
        number = table.transaction_version(self._observer) or 0
        if number != self._number:
            last = next(self._own_commits(table), {})
            if number != self._pending or last.get(_WRITER) != self._writer:
                raise FencedError(
                    f"another process writes to {self._root} with the id {self._observer}"
                )
            self._number, self._pending = number, 0
        self._table = table

    def _opened(self, name: str, schema: Any, partitions: list[str]) -> DeltaTable:
        place = f"{self._root}/{name}"
        if "://" not in place:
            Path(place).mkdir(parents=True, exist_ok=True)
        try:
            return DeltaTable(place, storage_options=self._options)
        except TableNotFoundError:
            return DeltaTable.create(
                place,
                schema,
                mode="ignore",
                partition_by=partitions,
                storage_options=self._options,
                configuration={"delta.logRetentionDuration": "interval 2 days"},
            )

    def _own_commits(self, table: DeltaTable) -> Iterator[dict[str, Any]]:
        """Commits of this observer's id, the latest first."""
        key = f"{_STATE}.{self._observer}"
        for each in table.history(MOST_HISTORY):
            if key in each:
                yield {_STATE: each[key], _WRITER: each.get(_WRITER)}

    def keep_up(self, retention: Callable[[str, str], timedelta], now: datetime) -> None:
        """Delete what is too old, make few files of many, and remove those that nothing names.

        retention: of a namespace and a model. Raises StorageError.
        """
        with _told():
            table = self._opened(PREDICTIONS, arrow.PREDICTIONS, arrow.PARTITIONS)
            for each in table.partitions():
                date, namespace, model = (str(each[name]) for name in PARTITION_NAMES)
                ended = datetime.fromisoformat(date).replace(tzinfo=UTC) + timedelta(days=1)
                if now - ended >= retention(namespace, model):
                    table.delete(
                        f"date = '{date}' AND namespace = '{namespace}' AND model = '{model}'"
                    )
            table.optimize.compact(writer_properties=_PROPERTIES)
            table.vacuum(VACUUM_HOURS, dry_run=False, enforce_retention_duration=False, full=True)
            table.cleanup_metadata()
            self._table = None


PARTITION_NAMES = tuple(arrow.PARTITIONS)


def _state(commit: dict[str, Any]) -> list[State]:
    try:
        found: list[State] = json.loads(commit[_STATE])
    except (TypeError, ValueError):
        return []
    return found


@contextmanager
def _told() -> Iterator[None]:
    """Whatever a storage raises becomes a StorageError: also the panics of delta-rs."""
    try:
        yield
    except (FencedError, StorageError, UnwritableError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise StorageError(error) from error
