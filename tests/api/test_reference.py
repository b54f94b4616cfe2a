"""The page has one heading for each field, and each field says what it is."""

from collections import Counter
from collections.abc import Iterator

import pytest
import yaml

from model_rollouts.api.crd import object_schema
from model_rollouts.api.reference import reference
from model_rollouts.api.schema import Schema
from tests.api.objects import Client

SCHEMA = object_schema()


def fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every field of the resource and its schema."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from fields(field, f"{path}.{name}")
    for name, field in schema.get("items", {}).get("properties", {}).items():
        yield from fields(field, f"{path}[].{name}")


FIELDS = dict(
    field for part in ("spec", "status") for field in fields(SCHEMA["properties"][part], part)
)


def test_every_field_has_one_heading_and_no_other_has() -> None:
    headings = Counter(
        line.lstrip("#").strip() for line in reference().splitlines() if line.startswith("##")
    )

    assert headings == Counter([*FIELDS, "metadata.name", "Conditions", "Reasons of conditions"])


@pytest.mark.parametrize(("path", "schema"), FIELDS.items(), ids=FIELDS)
def test_every_field_says_what_it_is(path: str, schema: Schema) -> None:
    assert schema["description"].rstrip().endswith("."), path


DEFAULTED = {
    path: schema["default"]
    for path, schema in FIELDS.items()
    if not isinstance(schema.get("default", {}), dict)
}


@pytest.mark.parametrize("path", DEFAULTED)
def test_a_field_with_a_default_names_it(path: str) -> None:
    # `kubectl explain` shows a description and no default.
    default = DEFAULTED[path]
    said = FIELDS[path]["description"].partition("Defaults to ")[2]

    if path == "spec.objectives":
        (only,) = default
        assert all(f"`{each}`" in said for each in (only["name"], only["availability"]["target"]))
    else:
        written = [
            str(each).lower() if isinstance(each, bool) else str(each)
            for each in (default if isinstance(default, list) else [default])
        ]
        assert said.startswith(", ".join(f"`{each}`" for each in written))


def test_the_smallest_resource_of_the_page_is_accepted(dry: Client) -> None:
    example = reference().partition("```yaml\n")[2].partition("```")[0]

    dry.create(yaml.safe_load(example.replace("<64 digits>", "0" * 64)), dry_run=True, strict=True)


def test_the_default_of_an_object_is_told_by_its_fields_only() -> None:
    assert "### spec.strategy.watch\n\n*object*\n" in reference()


def test_a_field_tells_its_type_default_bounds_and_rules() -> None:
    section = reference().partition("### spec.strategy.deadline\n")[2].partition("\n#")[0]

    assert section == (
        "\n*string, default `24h`, at most 32 characters*\n"
        "\nTime limit for a rollout that stays undecided. Defaults to `24h`. "
        "The timer counts the time in which the version could be judged: it stops while the "
        "rollout is paused or held, while Prometheus has no samples, and while the operator does "
        "not run. "
        "Raise it for a service with little traffic.\n"
        "\nRefused with:\n\n"
        "- found …, write a time longer than the shortest shadow and canary together, "
        "or fewer or shorter steps\n"
        "- found …, write a time such as 24h, 1m30s or 300ms\n"
        "- found …, write more than zero\n"
    )
