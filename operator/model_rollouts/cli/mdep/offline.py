"""What the API server checks of a ModelDeployment, without one: its schema, defaults and rules.

The schema is that of the CustomResourceDefinition, so that nothing is said twice. As there, rules
are looked at once the schema holds; those that compare with the object before need one.
"""

import copy
import difflib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from model_rollouts.api.base import VALIDATIONS
from model_rollouts.api.crd import object_schema
from model_rollouts.api.schema import without_defaults_in_items
from model_rollouts.cli.mdep.cel import compiled

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


class Problem(NamedTuple):
    """What is wrong with a field; `path` leads to it, or to where it should be."""

    path: Path
    message: str
    is_bound: bool = False
    """Whether only a size is wrong, so that rules can be looked at all the same."""

    @property
    def field(self) -> str:
        """The path as the API server writes it, e.g. `spec.objectives[0].name`."""
        return written(self.path)


def written(path: Path) -> str:
    """A path as the API server writes it."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return text.removeprefix(".")


def problems(obj: Mapping[str, Any]) -> list[Problem]:
    """All that the API server would refuse in a new object, and fields that it does not know."""
    schema = _schema()
    filled = copy.deepcopy(dict(obj))
    _fill(filled, schema)
    found = list(_structure(filled, schema, ()))
    if all(each.is_bound for each in found):
        found += _rules(filled, schema, ())
    return found


@lru_cache
def _schema() -> Schema:
    return without_defaults_in_items(object_schema())


def _fill(value: Any, schema: Schema) -> None:
    """Write the defaults, as the API server does before it checks."""
    if isinstance(value, dict):
        for name, inner in (schema.get("properties") or {}).items():
            if name not in value and "default" in inner:
                value[name] = copy.deepcopy(inner["default"])
            if name in value:
                _fill(value[name], inner)
    elif isinstance(value, list) and "items" in schema:
        for each in value:
            _fill(each, schema["items"])


def _structure(value: Any, schema: Schema, path: Path) -> Iterator[Problem]:
    if value is None:
        # As if it were not there.
        return
    expected = schema.get("type")
    if expected is not None and not _is_of(value, expected):
        yield Problem(path, f"found {_shown(value)}, write a value of type {expected}")
        return
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(map(str, schema["enum"]))
        yield Problem(path, f"found {_shown(value)}, write one of {known}")
    yield from _bounds(value, schema, path)
    if isinstance(value, dict):
        yield from _fields(value, schema, path)
    elif isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from _structure(each, schema["items"], (*path, index))
        yield from _twice(value, schema, path)


def _is_of(value: Any, expected: str) -> bool:
    if isinstance(value, bool):
        return expected == "boolean"
    return isinstance(value, _TYPES[expected])


def _shown(value: Any) -> str:
    text = str(value)
    return f"'{text}'" if len(text) <= 60 else f"'{text[:59]}…'"


def _bounds(value: Any, schema: Schema, path: Path) -> Iterator[Problem]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
            yield Problem(path, f"found {value}, write at least {low}", is_bound=True)
        if high is not None and value > high:
            yield Problem(path, f"found {value}, write at most {high}", is_bound=True)
    if isinstance(value, str | list | dict):
        suffix = {str: "Length", list: "Items", dict: "Properties"}[type(value)]
        unit = {str: "characters", list: "items", dict: "entries"}[type(value)]
        low, high = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
        if low is not None and len(value) < low:
            yield Problem(path, f"found {len(value)} {unit}, write at least {low}", is_bound=True)
        if high is not None and len(value) > high:
            yield Problem(path, f"found {len(value)} {unit}, write at most {high}", is_bound=True)


def _fields(value: dict[str, Any], schema: Schema, path: Path) -> Iterator[Problem]:
    known = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if value.get(name) is None:
            yield Problem((*path, name), "found nothing, and it is required")
    more = schema.get("additionalProperties")
    is_open = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or not path
    for name, each in value.items():
        if name in known:
            yield from _structure(each, known[name], (*path, name))
        elif isinstance(more, Mapping):
            yield from _structure(each, more, (*path, name))
        elif not is_open and path[0] != "metadata":
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"write {near[0]}" if near else f"there is {', '.join(known)}"
            yield Problem((*path, name), f"found an unknown field, {hint}")


def _twice(value: list[Any], schema: Schema, path: Path) -> Iterator[Problem]:
    """Items of a map or a set that are there twice."""
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    if not keys and schema.get("x-kubernetes-list-type") != "set":
        return
    seen: list[Any] = []
    for index, each in enumerate(value):
        named = [each.get(key) for key in keys] if keys and isinstance(each, dict) else [each]
        if named in seen:
            shown = ", ".join(map(str, named))
            yield Problem((*path, index), f"found {shown} twice, write each once")
        seen.append(named)


def _rules(value: Any, schema: Schema, path: Path) -> Iterator[Problem]:
    if value is None:
        return
    for rule in schema.get(VALIDATIONS) or ():
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], value):
            yield Problem((*path, *_below(rule.get("fieldPath", ""))), _message(rule, value))
    if isinstance(value, dict):
        for name, inner in (schema.get("properties") or {}).items():
            if name in value:
                yield from _rules(value[name], inner, (*path, name))
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping):
            for name, each in value.items():
                yield from _rules(each, more, (*path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from _rules(each, schema["items"], (*path, index))


def _holds(rule: str, value: Any) -> bool:
    # One that cannot be read is a fault of ours, and no mistake of whoever wrote the object.
    evaluate = compiled(rule)
    try:
        return bool(evaluate({"self": value}))
    except (ValueError, TypeError, ArithmeticError):
        return False


def _message(rule: Mapping[str, str], value: Any) -> str:
    if "messageExpression" in rule:
        try:
            return str(compiled(rule["messageExpression"])({"self": value}))
        except (ValueError, TypeError, ArithmeticError):
            pass
    return rule["message"]


def _below(field: str) -> tuple[str, ...]:
    return tuple(filter(None, field.split(".")))
