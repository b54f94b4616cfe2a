"""From pydantic's JSON Schema to what a CRD takes, form by form."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from model_rollouts.api.base import Part, Word
from model_rollouts.api.crd import custom_resource_definition, object_schema
from model_rollouts.api.schema import Schema, SchemaError, convert, structural

Text = Annotated[str, Field(max_length=9)]


class Inner(BaseModel):
    """The inner part."""

    text: Text = "a"


class Colour(StrEnum):
    """An enum without meanings."""

    RED = "red"


class Wind(Word):
    """An enum with meanings, not in the order of the alphabet."""

    WEST = "West", "From the sea."
    EAST = "East", "From the land."


class Forms(BaseModel):
    """One field for each form that pydantic writes in another way than a CRD."""

    referred: Inner
    described: Annotated[Inner, Field(description="Beside the reference.")]
    optional: Text | None = None
    optional_part: Inner | None = None
    either: int | Annotated[str, Field()] = 1
    constant: Literal["one"] = "one"
    choice: Literal["one", "two"] = "two"
    enum: Colour = Colour.RED
    word: Annotated[Wind, Field(description="Where from.")] = Wind.WEST
    above: Annotated[int, Field(gt=0)]
    below: Annotated[int, Field(lt=9)]
    many: dict[str, int] = Field(max_length=3)
    unique: set[int] = Field(max_length=3)
    listed: tuple[int, ...] = Field(default=(), max_length=3)
    nested: Inner = Inner()


INNER = {"type": "object", "properties": {"text": {"type": "string", "maxLength": 9}}}
INNER_SCHEMA: Schema = {
    "description": "The inner part.",
    "type": "object",
    "properties": {"text": {"type": "string", "default": "a", "maxLength": 9}},
}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("referred", INNER_SCHEMA),
        ("described", INNER_SCHEMA | {"description": "Beside the reference."}),
        ("optional", {"type": "string", "maxLength": 9}),
        ("optional_part", INNER_SCHEMA),
        ("either", {"default": 1, "x-kubernetes-int-or-string": True}),
        ("constant", {"type": "string", "enum": ["one"], "default": "one"}),
        ("choice", {"type": "string", "enum": ["one", "two"], "default": "two"}),
        (
            "enum",
            {
                "description": "An enum without meanings.",
                "type": "string",
                "enum": ["red"],
                "default": "red",
            },
        ),
        (
            "word",
            {
                "description": "Where from.\n\n- `West`: From the sea.\n- `East`: From the land.",
                "type": "string",
                "enum": ["West", "East"],
                "default": "West",
            },
        ),
        ("above", {"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
        ("below", {"type": "integer", "maximum": 9, "exclusiveMaximum": True}),
        (
            "many",
            {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 3},
        ),
        (
            "unique",
            {
                "type": "array",
                "items": {"type": "integer"},
                "maxItems": 3,
                "x-kubernetes-list-type": "set",
            },
        ),
        ("listed", {"type": "array", "items": {"type": "integer"}, "maxItems": 3}),
        ("nested", INNER_SCHEMA | {"default": {"text": "a"}}),
    ],
)
def test_each_form_has_a_structural_one(field: str, expected: Schema) -> None:
    assert structural(Forms)["properties"][field] == expected


def defaults_in_items(schema: Schema, path: str = "", *, inside: bool = False) -> Iterator[str]:
    """The fields below items of lists that have a default."""
    if inside and "default" in schema:
        yield path
    for name, field in schema.get("properties", {}).items():
        yield from defaults_in_items(field, f"{path}.{name}".lstrip("."), inside=inside)
    for below in ("items", "additionalProperties"):
        if isinstance(schema.get(below), dict):
            yield from defaults_in_items(schema[below], f"{path}[]", inside=True)


def test_the_api_server_writes_no_default_into_an_item_of_a_list() -> None:
    """A tool that compares a manifest with what is stored would show a difference for ever."""
    (version,) = custom_resource_definition()["spec"]["versions"]
    written = version["schema"]["openAPIV3Schema"]

    assert list(defaults_in_items(written)) == []
    assert "spec.route.parentRefs[].kind" in list(defaults_in_items(object_schema()))


def test_the_default_of_a_list_says_what_people_would_write() -> None:
    default = object_schema()["properties"]["spec"]["properties"]["objectives"]["default"]

    assert default == [
        {"name": "errors", "type": "Availability", "availability": {"target": "99.9%"}}
    ]


def test_only_fields_without_default_are_required() -> None:
    assert structural(Forms)["required"] == [
        *("referred", "described", "above", "below", "many", "unique")
    ]


def test_forbidding_other_fields_is_left_to_the_api_server() -> None:
    class Closed(BaseModel):
        """A part without other fields."""

        model_config = ConfigDict(extra="forbid")
        text: Text

    assert "additionalProperties" not in structural(Closed)


class Tree(BaseModel):
    """A part within itself."""

    child: "Tree | None" = None


class Unions(BaseModel):
    """A field of one part or another."""

    one: Inner | Forms


class Partial(Part):
    """A part whose default differs from those of its fields."""

    inner: Inner = Inner(text="b")


class Merged(Part):
    """A part with a list that has a default and no owner."""

    items: tuple[int, ...] = Field(default=(1,), max_length=3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Tree, "child: found Tree within itself"),
        (Unions, "one: found a union of 2 types"),
        (Partial, r"inner: found the default \{'text': 'b'\}, while its fields default to"),
        (Merged, "items: found a default of a list that is merged"),
        ({"type": "string"}, "the root: found an unbounded string, write a maxLength"),
        ({"type": "array", "items": {"type": "integer"}}, "write a maxItems"),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            "write a maxProperties",
        ),
        ({"type": "object", "additionalProperties": True}, "write the type of the values"),
        ({"type": "number"}, "found an unbounded number, write a string of digits"),
        ({"description": "Anything."}, "the root: found no type"),
        ({"const": 1.5}, "const: found 1.5, write a string, an integer or a boolean"),
        ({"type": "object", "patternProperties": {}}, "found 'patternProperties'"),
        ({"oneOf": [{"type": "string"}]}, "found 'oneOf'"),
        ({"allOf": [{"type": "string"}]}, "found 'allOf'"),
    ],
    ids=str,
)
def test_what_has_no_structural_form_is_refused_with_its_path(
    source: type[BaseModel] | dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        convert(source, {}) if isinstance(source, dict) else structural(source)
