"""The prediction log as columns of values, to be counted in bins as the rows of a file are."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from model_rollouts.observer.store.query import LogError, Question, schemas_of
from model_rollouts.observer.store.table import PREDICTIONS, SCHEMAS

_BATCH = 65_536
_LISTS = (("inputs", "features", "feature_texts"), ("outputs", "outputs", "output_texts"))


class _Place(NamedTuple):
    """Where the values of a column are: in which list of a row, from 0."""

    values: str
    at: int


class LogColumns:
    """The first row of each request that a question finds, with its values as columns.

    A tensor with one value in a row is a column of its name; one with more is `name[0]`, `name[1]`
    and so on. Outputs come after inputs, and those with the name of an input are left out.
    Raises LogError, also while it is read.
    """

    def __init__(self, root: str, options: dict[str, str], question: Question, arm: str) -> None:
        self.name = root.rstrip("/")
        self._question, self._arm = question, arm
        try:
            self._table = DeltaTable(f"{self.name}/{PREDICTIONS}", storage_options=options)
            known = schemas_of(f"{self.name}/{SCHEMAS}", options)
        except TableNotFoundError:
            raise LogError(f"{self.name}: there is no prediction log") from None
        except (DeltaError, OSError) as error:
            raise LogError(f"{self.name}: {error}") from None
        namespaces = {
            each["namespace"]
            for each in known.values()
            if each["model"] == question.model and question.namespace in (None, each["namespace"])
        }
        if not namespaces:
            raise LogError(
                f"{self.name}: no values of model '{question.model}' were kept: name its inputs in "
                "spec.capture.include"
            )
        if len(namespaces) > 1:
            raise LogError(
                f"{self.name}: '{question.model}' is in the namespaces "
                f"{', '.join(sorted(namespaces))}: choose one with --namespace"
            )
        self._namespace = namespaces.pop()
        own = (self._namespace, question.model)
        self._places = {
            digest: _places(each["fields"])
            for digest, each in known.items()
            if (each["namespace"], each["model"]) == own
        }
        self.outputs = sorted(
            {
                name
                for places in self._places.values()
                for name, place in places.items()
                if place.values in _LISTS[1]
            }
        )
        """The columns that are no inputs."""
        self.types = {
            name: pa.string() if place.values.endswith("texts") else pa.float64()
            for places in self._places.values()
            for name, place in places.items()
        }

    rows: int | None = None
    """Only reading tells it."""

    def digest(self) -> str:
        """SHA-256 of which rows of which version of the log are asked for."""
        asked = {
            "table": str(self._table.metadata().id),
            "version": self._table.version(),
            "arm": self._arm,
            **asdict(self._question),
        }
        text = json.dumps(asked, sort_keys=True, default=datetime.isoformat)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """RecordBatches with these columns; null where a row has no such tensor."""
        lists = [each for _, *names in _LISTS for each in names]
        try:
            dataset = self._table.to_pyarrow_dataset()
            scanner = dataset.scanner(
                columns=["schema", *lists], filter=self._filter(), batch_size=_BATCH
            )
            for batch in scanner.to_batches():
                for digest in sorted(pc.unique(batch.column("schema")).to_pylist()):
                    part = batch.filter(pc.equal(batch.column("schema"), digest))
                    yield self._part(part, self._places.get(digest, {}), columns)
        except (pa.ArrowException, DeltaError, OSError) as error:
            raise LogError(f"{self.name}: {error}") from None

    def _part(self, part: Any, places: Mapping[str, _Place], columns: Sequence[str]) -> Any:
        found = []
        for name in columns:
            place = places.get(name)
            if place is None:
                found.append(pa.nulls(part.num_rows, self.types[name]))
            else:
                found.append(pc.list_element(part.column(place.values), place.at))
        return pa.record_batch(found, names=list(columns))

    def _filter(self) -> Any:
        asked = self._question
        # One request is one trial, however many rows it has.
        found = (
            (pc.field("namespace") == self._namespace)
            & (pc.field("model") == asked.model)
            & (pc.field("arm") == self._arm)
            & (pc.field("row") == 0)
            & pc.field("schema").isin(list(self._places))
        )
        for name in ("version", "revision", "slice"):
            if (value := getattr(asked, name)) is not None:
                found &= pc.field(name) == value
        if asked.since is not None:
            # A row is in the partition of the day on which it arrived, never before it began.
            found &= pc.field("date") >= asked.since.strftime("%Y-%m-%d")
            found &= pc.field("time") >= asked.since
        if asked.until is not None:
            found &= pc.field("time") < asked.until
        return found


def _places(fields: Mapping[str, Any]) -> dict[str, _Place]:
    found: dict[str, _Place] = {}
    for kind, numbers, texts in _LISTS:
        next_index = {numbers: 0, texts: 0}
        for each in fields[kind]:
            values, width = texts if each["is_text"] else numbers, each["width"]
            for index in range(width):
                name = each["name"] if width == 1 else f"{each['name']}[{index}]"
                found.setdefault(name, _Place(values, next_index[values] + index))
            next_index[values] += width
    return found
