"""What every part of the resource is built from: frozen models, documented words, CEL rules."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

VALIDATIONS = "x-kubernetes-validations"
VALUES = "x-values"
"""Value -> meaning, for the descriptions; the converter takes it out of the schema."""

ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
"""A list that one writer owns as a whole, such as one whose order counts."""
INT32: dict[str, Any] = {"format": "int32"}
INT64: dict[str, Any] = {"format": "int64"}


class Part(BaseModel):
    """A part of the resource. Unknown fields are ignored: a newer API server may know more."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


class Word(StrEnum):
    """An enum whose members say what they mean: `PAUSED = "Paused", "Nothing moves."`."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """The member, a string with a meaning."""
        return cls._with_meaning(value, meaning)

    @classmethod
    def _with_meaning(cls, value: str, meaning: str) -> Self:
        # An enum's own __new__ only looks members up: those of subclasses cannot call it.
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The values with their meanings."""
        return {
            "type": "string",
            "enum": [word.value for word in cls],
            VALUES: {word.value: word.meaning for word in cls},
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule and what to do about an object that breaks it.

    `holds` is the CEL expression; `advice` what to write instead; `found`, a CEL expression of a
    string, shows what was there; `field` is the path below the place of the rule that is to blame.
    """

    holds: str
    advice: str
    found: str = ""
    field: str = ""

    def schema(self) -> dict[str, str]:
        """The entry of `x-kubernetes-validations`."""
        entry = {"rule": self.holds, "message": self.advice}
        if self.found:
            entry["messageExpression"] = (
                f"{quoted('found ')} + {self.found} + {quoted(', ' + self.advice)}"
            )
        if self.field:
            entry["fieldPath"] = self.field
        return entry


def one_of(items: str, most: int, wrong: str, place: int = 0) -> str:
    """The first item of a list of at most `most` that is wrong, as a CEL expression for `found`.

    `wrong` is an expression of the item's index `i`; `place` 1 is the second one. It filters
    numbers, because the API server counts a filter over the items as if each were as long as can
    be, and refuses the definition.
    """
    numbers = ", ".join(map(str, range(most)))
    return f"{items}[[{numbers}].filter(i, i < {items}.size() && {wrong})[{place}]]"


def rules(*entries: Rule) -> dict[str, Any]:
    """The rules as a `json_schema_extra` of a model or a field."""
    return {VALIDATIONS: [rule.schema() for rule in entries]}


def by(key: str) -> dict[str, Any]:
    """A list whose items are told apart by the field `key`, as a `json_schema_extra`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def quoted(text: str) -> str:
    """`text` as a literal of CEL."""
    return json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Written:
    """Marks a string that people write in a fixed form.

    pydantic checks the pattern. The CRD carries it as a CEL rule, because the API server answers a
    broken `pattern` with the pattern, and a broken rule with words.
    """

    pattern: str
    advice: str
    longest: int
    more: tuple[Rule, ...] = ()
    shortest: int = 1

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """A string of that form."""
        return core_schema.str_schema(
            pattern=self.pattern, min_length=self.shortest, max_length=self.longest
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The bounds, and the form as a rule."""
        form = Rule(matches("self", self.pattern), self.advice, found=shown("self"))
        # What has not the form is told so once, and not also that it breaks what builds on it.
        more = (replace(rule, holds=f"!{form.holds} || {rule.holds}") for rule in self.more)
        return {
            "type": "string",
            "minLength": self.shortest,
            "maxLength": self.longest,
            **rules(form, *more),
        }


def matches(value: str, pattern: str) -> str:
    """The CEL expression that tells whether the string `value` has the form `pattern`."""
    return f"{value}.matches({quoted(pattern)})"


def is_or_absent(field: str, value: str) -> str:
    """The CEL expression that tells whether the field is `value`, its default, or left out.

    For fields of items of lists, whose defaults the API server does not write.
    """
    return f"(!has({field}) || {field} == {quoted(value)})"


def shown(value: str) -> str:
    """The CEL expression of the string `value` in quotes, for a message."""
    return f'"\'" + {value} + "\'"'
