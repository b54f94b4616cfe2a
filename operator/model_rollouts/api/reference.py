"""The page with one heading per field, made from the same schema as the CRD."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from model_rollouts.api.base import VALIDATIONS, Word
from model_rollouts.api.conditions import ConditionType, Reason
from model_rollouts.api.crd import object_schema
from model_rollouts.api.group import GROUP, VERSION
from model_rollouts.api.schema import Schema

_INTRODUCTION = f"""\
# ModelDeployment

Every field of `ModelDeployment` (`{GROUP}/{VERSION}`, short name `mdep`), in the order of
the resource. `kubectl explain modeldeployment.spec` shows the same. This page and the CRD are
generated from the models in `operator/model_rollouts/api/`: change the models, then run
`model-rollouts crd`.

The smallest useful resource:

```yaml
apiVersion: {GROUP}/{VERSION}
kind: ModelDeployment
metadata:
  name: arrival-delay
spec:
  model:
    version: "3"
  port: 8080
  template:
    spec:
      containers:
        - name: model
          image: registry.example.com/arrival@sha256:<64 digits>
  route:
    parentRefs:
      - name: models
        namespace: gateways
    hostnames: [arrival.example.com]
  strategy:
    shadow:
      sideEffects: None      # it is safe to answer a request twice
```

`kubectl get -o yaml` shows it with all defaults filled in.

| value | how to write it |
|---|---|
| time | as in the Gateway API: `24h`, `1m30s`, `300ms` |
| percentage | with the sign: `99.9%` |
| other number with decimals | in quotes: `"0.0663"` |

The API server refuses a resource that breaks a rule. Its message names the field and says what to
write instead; this page lists these messages with each field, under *Refused with*.

## metadata.name

Name of the resource. The names of its revisions start with it.
"""


def reference() -> str:
    """The page, in Markdown."""
    schema = object_schema()
    fields = [
        *_fields("spec", schema["properties"]["spec"], True),
        *_fields("status", schema["properties"]["status"], False),
    ]
    refused = _refused([("", schema, True), *fields])
    parts = [_INTRODUCTION + _messages(refused["metadata.name"])]
    parts += [_entry(*field, _messages(refused[field[0]])) for field in fields]
    parts += [_words("Conditions", ConditionType), _words("Reasons of conditions", Reason)]
    return "\n".join(parts)


Field = tuple[str, Schema, bool]
"""Path, schema, and whether it is required."""


def _fields(path: str, schema: Schema, required: bool) -> Iterator[Field]:
    yield path, schema, required
    inner, below = schema, path
    if "items" in schema:
        inner, below = schema["items"], f"{path}[]"
    for name, field in inner.get("properties", {}).items():
        yield from _fields(f"{below}.{name}", field, name in inner.get("required", ()))


def _refused(fields: Iterable[Field]) -> dict[str, list[str]]:
    """The messages of the rules by the path of the field that they blame."""
    result: dict[str, list[str]] = defaultdict(list)
    for path, schema, _ in fields:
        for place, inner in ((path, schema), (f"{path}[]", schema.get("items", {}))):
            for rule in inner.get(VALIDATIONS, ()):
                blamed = f"{place}{rule['fieldPath']}".lstrip(".") if "fieldPath" in rule else path
                found = "found …, " if "messageExpression" in rule else ""
                result[blamed].append(found + rule["message"])
    return result


def _messages(messages: list[str]) -> str:
    lines = [f"- {message}\n" for message in messages]
    return "\nRefused with:\n\n" + "".join(lines) if lines else ""


def _entry(path: str, schema: Schema, required: bool, messages: str) -> str:
    level = "##" if "." not in path else "###"
    facts = [_type(schema)]
    if "default" not in schema:
        facts.append("required" if required else "optional")
    elif not isinstance(schema["default"], dict):
        # A default of an object only repeats those of its fields.
        facts.append(f"default {_shown(schema['default'])}")
    text = f"{level} {path}\n\n*{', '.join([*facts, *_bounds(schema)])}*\n"
    if schema.get("description"):
        text += f"\n{schema['description']}\n"
    return text + messages


def _type(schema: Schema) -> str:
    if "items" in schema:
        return f"list of {_type(schema['items'])}s"
    return str(
        schema.get("format", schema["type"]) if schema["type"] == "string" else schema["type"]
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) + "}`"
    return f"`{value}`"


def _plain(value: Any) -> str:
    return _shown(value).replace("`", "")


def _bounds(schema: Schema) -> Iterator[str]:
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']:,} to {schema['maximum']:,}"
    elif "minimum" in schema:
        yield f"at least {schema['minimum']:,}"
    if "maxItems" in schema:
        yield f"at most {schema['maxItems']}"
    if "maxLength" in schema:
        yield f"at most {schema['maxLength']:,} characters"


def _words(title: str, words: type[Word]) -> str:
    lines = [f"- `{word.value}`: {word.meaning}\n" for word in words]
    return f"## {title}\n\n" + "".join(lines)
