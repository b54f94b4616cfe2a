"""The prediction log, asked by DuckDB: the table says which files it has, and none is globbed."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import msgspec
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from model_rollouts.observer.compare import Outcome
from model_rollouts.observer.store.table import PREDICTIONS, SCHEMAS


class LogError(Exception):
    """The log cannot be read; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which rows are wanted; what is None is not asked about.

    `id` is a prediction id or a request id, and finds both arms. `disagrees` finds both arms of
    requests of which a row disagrees, the furthest apart first; else the latest come first.
    `answered` leaves out what was not answered or could not be read, in either arm.
    """

    id: str | None = None
    namespace: str | None = None
    model: str | None = None
    version: str | None = None
    revision: str | None = None
    slice: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    disagrees: bool = False
    answered: bool = False
    limit: int = 20


_ANSWERED = f"outcome = '{Outcome.ANSWERED}'"

_COLUMNS = (
    "strftime(time AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS time, prediction_id, "
    "request_id, row, namespace, model, version, revision, pod, arm, slice, answered_by, status, "
    "flags, latency_ms, request_bytes, answer_bytes, outcome, schema, features, feature_texts, "
    "outputs, output_texts, comparison, disagreement"
)


def rows(root: str, options: dict[str, str], question: Question) -> list[dict[str, Any]]:
    """The rows with their values by name: a value, or a list where a tensor has more columns.

    `inputs` and `outputs` are empty where no values were kept. Raises LogError.
    """
    root = root.rstrip("/")
    try:
        table = DeltaTable(f"{root}/{PREDICTIONS}", storage_options=options)
        files = table.file_uris(file_pruning_predicate=_partitions(question) or None)
        schemas = schemas_of(f"{root}/{SCHEMAS}", options)
    except TableNotFoundError:
        raise LogError(f"{root}: there is no prediction log") from None
    except (DeltaError, OSError) as error:
        raise LogError(f"{root}: {error}") from None
    if not files:
        return []
    try:
        found = _asked(table, files, question, is_local="://" not in root)
    except duckdb.Error as error:
        raise LogError(f"{root}: {error}") from None
    return [_named(each, schemas) for each in found]


def schemas_of(place: str, options: dict[str, str]) -> dict[str, Any]:
    """Namespace, model and fields of each schema, by digest; none while no values were kept."""
    try:
        known = DeltaTable(place, storage_options=options).to_pyarrow_table().to_pylist()
    except TableNotFoundError:
        return {}
    return {
        each["schema"]: each | {"fields": msgspec.json.decode(each["fields"])} for each in known
    }


def _partitions(question: Question) -> list[tuple[str, str, str]]:
    # Rows are in the partition of the day on which they arrived, which is never before they began.
    filters = [("date", ">=", question.since.strftime("%Y-%m-%d"))] if question.since else []
    for name in ("namespace", "model"):
        if value := getattr(question, name):
            filters.append((name, "=", value))
    return filters


def _asked(
    table: DeltaTable, files: Sequence[str], question: Question, *, is_local: bool
) -> list[dict[str, Any]]:
    with duckdb.connect(":memory:") as connection:
        if is_local:
            # DuckDB's own reader uses bloom filters: an id of ten million rows takes milliseconds.
            source = "read_parquet($files, hive_partitioning = true, hive_types_autocast = false)"
            parameters: dict[str, Any] = {"files": list(files)}
        else:
            connection.register("log", table.to_pyarrow_dataset())
            source, parameters = "log", {}
        conditions = []
        for name in ("namespace", "model", "version", "revision", "slice"):
            if (value := getattr(question, name)) is not None:
                conditions.append(f"{name} = ${name}")
                parameters[name] = value
        if question.since is not None:
            conditions.append("time >= $since")
            parameters["since"] = question.since
        if question.until is not None:
            conditions.append("time < $until")
            parameters["until"] = question.until
        if question.id is not None:
            found = connection.execute(
                f"SELECT DISTINCT request_id FROM {source} "  # noqa: S608 - no value of a user
                "WHERE prediction_id = $id OR request_id = $id",
                {**({"files": list(files)} if is_local else {}), "id": question.id},
            ).fetchall()
            conditions.append("list_contains($ids, request_id)")
            parameters["ids"] = [each[0] for each in found] or [""]
        order = "time DESC, request_id, arm, row"
        if question.disagrees:
            # That two rows differ is said in the one that came second, whichever version's it is.
            either = f"SELECT request_id FROM {source}{_where(conditions)}"  # noqa: S608
            conditions = ["disagreement > 0", f"request_id IN ({either})"]
            if question.answered:
                answer = f"SELECT request_id FROM {source} WHERE {_ANSWERED}"  # noqa: S608
                both = f"{answer} GROUP BY request_id HAVING count(DISTINCT arm) = 2"
                conditions.append(f"request_id IN ({both})")
        elif question.answered:
            conditions.append(_ANSWERED)
        text = f"SELECT {_COLUMNS} FROM {source}"  # noqa: S608 - names of columns only
        wanted = f"{text}{_where(conditions)}"
        if question.disagrees:
            wanted += f" ORDER BY disagreement DESC, {order} LIMIT {question.limit}"
            second = _dicts(connection.execute(wanted, parameters))
            return _with_other_arm(connection, text, parameters, second, is_local)
        return _dicts(
            connection.execute(f"{wanted} ORDER BY {order} LIMIT {question.limit}", parameters)
        )


def _with_other_arm(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    parameters: dict[str, Any],
    second: list[dict[str, Any]],
    is_local: bool,
) -> list[dict[str, Any]]:
    """Each row that disagrees, after the row of the other arm that it disagrees with."""
    if not second:
        return []
    own = {"files": parameters["files"]} if is_local else {}
    own["ids"] = sorted({each["request_id"] for each in second})
    others = _dicts(connection.execute(f"{text} WHERE list_contains($ids, request_id)", own))
    by_row = {(each["request_id"], each["row"], each["arm"]): each for each in others}
    pairs = []
    for each in second:
        other = "live" if each["arm"] == "shadow" else "shadow"
        found = by_row.get((each["request_id"], each["row"], other))
        pairs.append([found, each] if found is not None else [each])
    return list(itertools.chain.from_iterable(pairs))


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _dicts(result: Any) -> list[dict[str, Any]]:
    names = [each[0] for each in result.description]
    return [dict(zip(names, each, strict=True)) for each in result.fetchall()]


def _named(row: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """A row with `inputs` and `outputs` by name in place of the lists."""
    schema = schemas.get(row.pop("schema"))
    fields = {"inputs": [], "outputs": []} if schema is None else schema["fields"]
    lists = {name: iter(row.pop(name) or ()) for name in _LISTS}
    row["inputs"] = _values(fields["inputs"], lists["features"], lists["feature_texts"])
    row["outputs"] = _values(fields["outputs"], lists["outputs"], lists["output_texts"])
    return row


_LISTS = ("features", "feature_texts", "outputs", "output_texts")


def _values(fields: Any, numbers: Iterator[float], texts: Iterator[str]) -> dict[str, Any]:
    named = {}
    for each in fields:
        found = list(itertools.islice(texts if each["is_text"] else numbers, each["width"]))
        named[each["name"]] = found[0] if each["width"] == 1 and found else found
    return named
