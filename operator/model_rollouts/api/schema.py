"""From what pydantic says of a model to a structural OpenAPI v3 schema, as a CRD needs it.

pydantic describes models in JSON Schema, with references and unions; the API server takes neither.
What has no structural form is refused here, with its path, and not only when somebody installs the
CRD. Every string, list and map must have a bound: the API server estimates the cost of CEL rules
from the largest value that the schema allows.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from model_rollouts.api.base import VALUES

Schema = dict[str, Any]

_DROPPED = frozenset({"title", "examples", "discriminator", "propertyNames", VALUES})
_KEPT = frozenset(
    {
        *("type", "format", "enum", "default", "description", "nullable", "required"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "pattern", "minItems", "maxItems"),
        *("minProperties", "maxProperties"),
    }
)
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_NULL = {"type": "null"}
_NOTHING = object()


class SchemaError(ValueError):
    """A schema that has no structural form: names the path, what was found and what to write."""


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of what the API server accepts for `model`."""
    source = model.model_json_schema(by_alias=True, mode="validation")
    return convert(source, source.get("$defs", {}))


def without_defaults_in_items(schema: Schema, *, inside: bool = False) -> Schema:
    """`schema` without any default below the items of a list, where the operator knows it.

    Whoever compares an applied manifest with what is stored, as Argo CD does, takes lists as a
    whole: a default that is written into an item would be a difference for ever.
    """
    return {
        key: _below(key, value, inside=inside)
        for key, value in schema.items()
        if not (inside and key == "default")
    }


def _below(key: str, value: Any, *, inside: bool) -> Any:
    match key:
        case "properties":
            return {
                name: without_defaults_in_items(each, inside=inside) for name, each in value.items()
            }
        case "items" | "additionalProperties":
            return without_defaults_in_items(value, inside=True)
    return value


def convert(
    source: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: str = "",
    inside: tuple[str, ...] = (),
) -> Schema:
    """The structural form of the JSON Schema `source`, whose references are in `definitions`.

    `path` names it in errors; `inside` are the definitions that it is part of.
    Raises SchemaError when there is none.
    """
    found, inside = _inlined(source, definitions, path, inside)
    result: Schema = {}
    for keyword, value in found.items():
        at = f"{path}.{keyword}".lstrip(".")
        match keyword:
            case "$defs":
                pass
            case "const":
                result |= {"type": _type_of(value, at), "enum": [value]}
            case "exclusiveMinimum" | "exclusiveMaximum" if not isinstance(value, bool):
                # JSON Schema has the number here, OpenAPI v3.0 a flag beside the number.
                result |= {keyword.replace("exclusiveM", "m"): value, keyword: True}
            case "uniqueItems":
                result["x-kubernetes-list-type"] = "set"
            case "additionalProperties":
                if isinstance(value, Mapping):
                    result[keyword] = convert(value, definitions, f"{path}[*]", inside)
                elif value and not found.get("x-kubernetes-preserve-unknown-fields"):
                    raise SchemaError(
                        f"{at}: found any value allowed, write the type of the values"
                    )
            case "properties":
                result[keyword] = {
                    name: convert(property_, definitions, f"{path}.{name}".lstrip("."), inside)
                    for name, property_ in value.items()
                }
            case "items":
                result[keyword] = convert(value, definitions, f"{path}[]", inside)
            case _ if keyword in _KEPT or keyword.startswith("x-kubernetes-"):
                result[keyword] = value
            case _ if keyword not in _DROPPED:
                raise SchemaError(f"{at}: found '{keyword}', which no structural schema has")
    if "description" in found or VALUES in found:
        result["description"] = _described(found)
    _default(result, path)
    _check(result, path)
    return dict(sorted(result.items(), key=lambda entry: _place(entry[0])))


def _inlined(
    source: Mapping[str, Any], definitions: Mapping[str, Any], path: str, inside: tuple[str, ...]
) -> tuple[Schema, tuple[str, ...]]:
    """`source` with its reference or its union with null replaced; what stands beside it wins."""
    beside = {key: value for key, value in source.items() if key not in ("$ref", "anyOf")}
    if "$ref" in source:
        name = source["$ref"].rpartition("/")[2]
        if name in inside:
            raise SchemaError(f"{path}: found {name} within itself, write it without recursion")
        target, inside = _inlined(definitions[name], definitions, path, (*inside, name))
        return target | beside, inside
    if "anyOf" in source:
        options = [option for option in source["anyOf"] if option != _NULL]
        if "default" in beside and beside["default"] is None:
            del beside["default"]
        if options in (_INT_OR_STRING, _INT_OR_STRING[::-1]):
            return {"x-kubernetes-int-or-string": True} | beside, inside
        if len(options) != 1:
            raise SchemaError(
                f"{path}: found a union of {len(options)} types, "
                "write one object with a discriminator and optional members"
            )
        target, inside = _inlined(options[0], definitions, path, inside)
        return target | beside, inside
    return beside, inside


def _type_of(value: object, path: str) -> str:
    names = {bool: "boolean", int: "integer", str: "string"}
    if type(value) not in names:
        raise SchemaError(f"{path}: found {value!r}, write a string, an integer or a boolean")
    return names[type(value)]


def _place(keyword: str) -> int:
    """Where people look for a keyword: what it is first, what is inside it last."""
    first, last = ("description", "type", "format", "enum", "default"), ("properties", "items")
    if keyword in first:
        return first.index(keyword)
    return len(first) + (1 + last.index(keyword) if keyword in last else 0)


def _described(found: Mapping[str, Any]) -> str:
    """The description as one paragraph, and the meaning of each value as a list."""
    text = " ".join(found.get("description", "").split())
    meanings = found.get(VALUES, {})
    # pydantic sorts the keys of an object, and leaves an enum in its order.
    values = [f"- `{value}`: {meanings[value]}" for value in found.get("enum", ()) if meanings]
    return "\n".join([text, *([""] if text and values else []), *values]).strip()


def _default(schema: Schema, path: str) -> None:
    """Make sure that the default of an object or a list is what people get, however they write.

    An object left out must have the same defaults as an object given in part; the API server checks
    rules on a default before it fills in the nested ones, so that `{}` would not do. A list with a
    default must be atomic: into a map or a set, server-side apply would merge what people write
    later, and the default items would stay, owned by nobody.
    """
    if schema.get("default", _NOTHING) is None:
        # Absent is what it means.
        del schema["default"]
    if "default" not in schema:
        return
    value = schema["default"] = _without_nothing(schema["default"])
    if isinstance(value, list) and "items" in schema:
        value[:] = [_without_defaults(each, schema["items"]) for each in value]
    if value == []:
        # Absent and empty mean the same.
        del schema["default"]
    elif isinstance(value, list) and schema.get("x-kubernetes-list-type") != "atomic":
        raise SchemaError(f"{path}: found a default of a list that is merged, make the list atomic")
    elif isinstance(value, dict):
        nested = {
            name: property_["default"]
            for name, property_ in schema.get("properties", {}).items()
            if "default" in property_
        }
        if value != nested:
            raise SchemaError(
                f"{path}: found the default {value}, while its fields default to {nested}; "
                "write the defaults on the fields"
            )


def _without_defaults(item: Any, schema: Schema) -> Any:
    """An item of a list without the defaults that the operator knows."""
    if not isinstance(item, dict):
        return item
    known = schema.get("properties", {})
    return {
        key: inner
        for key, inner in item.items()
        if known.get(key, {}).get("default", _NOTHING) != inner
    }


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_nothing(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, [])}
    if isinstance(value, list):
        return [_without_nothing(inner) for inner in value]
    return value


def _check(schema: Schema, path: str) -> None:
    """Refuse what the API server would refuse, and what has no bound."""
    where = path or "the root"
    if "type" not in schema and "x-kubernetes-int-or-string" not in schema:
        raise SchemaError(f"{where}: found no type, write one")
    bounded = {
        "string": "maxLength" in schema or "enum" in schema or "format" in schema,
        "array": "maxItems" in schema,
        "object": "additionalProperties" not in schema or "maxProperties" in schema,
        "number": False,
    }
    if not bounded.get(schema.get("type", ""), True):
        advice = {
            "string": "write a maxLength",
            "array": "write a maxItems",
            "object": "write a maxProperties",
            "number": "write a string of digits: a float does not come back as it was written",
        }[schema["type"]]
        raise SchemaError(f"{where}: found an unbounded {schema['type']}, {advice}")
