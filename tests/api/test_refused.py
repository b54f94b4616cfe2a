"""Every rule of the resource with a bad example, on a real API server: field and message."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from model_rollouts.api.base import VALIDATIONS
from model_rollouts.api.crd import object_schema
from tests.api.bad_examples import ONE_ARTIFACT, ROWS
from tests.api.objects import ARTIFACT, OTHER_DIGEST, Client, RefusedError, changed


def refusal(client: Client, where: str, value: Any) -> dict[str, str]:
    """The messages by field of the answer to the minimal resource with one field changed."""
    with pytest.raises(RefusedError) as refused:
        client.create(changed({where: value}), dry_run=True)
    return refused.value.causes


@pytest.mark.parametrize(
    ("where", "value", "field", "message"),
    ROWS,
    ids=[f"{i}-{row[2]}" for i, row in enumerate(ROWS)],
)
def test_what_is_refused_is_told_with_the_field_and_what_to_write(
    dry: Client, where: str, value: Any, field: str, message: str
) -> None:
    causes = refusal(dry, where, value)

    assert field in causes, causes
    assert message in causes[field]


def test_everything_that_is_wrong_is_told_at_once(dry: Client) -> None:
    bad = changed({"spec.model.version": "3 x", "spec.strategy.deadline": "1 day"})

    with pytest.raises(RefusedError) as refused:
        dry.create(bad, dry_run=True)

    assert set(refused.value.causes) == {"spec.model.version", "spec.strategy.deadline"}


def test_a_field_that_does_not_exist_is_named(dry: Client) -> None:
    with pytest.raises(AssertionError, match=r"unknown field \"spec.holdout\""):
        dry.create(changed({"spec.holdout": {}}), dry_run=True, strict=True)


def test_a_version_has_one_artifact(client: Client) -> None:
    stored = client.create(changed({"spec.model.artifact": ARTIFACT}))

    with pytest.raises(RefusedError) as refused:
        client.replace(changed({"spec.model.artifact.digest": OTHER_DIGEST}, stored))

    message = refused.value.causes["spec.model.artifact.digest"]
    assert f"found {OTHER_DIGEST} for version 3, {ONE_ARTIFACT}" in message


def test_every_rule_has_a_bad_example() -> None:
    tried = {(re.sub(r"\[\d+\]", "[]", field), message) for _, _, field, message in ROWS}
    tried.add(("spec.model.artifact.digest", ONE_ARTIFACT))

    untried = [
        (blamed, advice)
        for blamed, advice in rules_of(object_schema())
        if not any(field == blamed and message.endswith(advice) for field, message in tried)
    ]

    assert untried == []


def rules_of(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The field that each rule of the schema blames, and what it says to write."""
    for rule in schema.get(VALIDATIONS, ()):
        # A rule about each item of a list blames the item unless it names a field.
        yield (path + rule.get("fieldPath", "")).lstrip("."), rule["message"]
    for name, property_ in schema.get("properties", {}).items():
        yield from rules_of(property_, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from rules_of(schema["items"], f"{path}[]")
