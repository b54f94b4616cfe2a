"""Which pods a LabelSelector of somebody else selects."""

from typing import Any

import pytest

from model_rollouts.resources.label_selector import selects

LABELS = {"app": "arrival", "tier": "model"}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    found: dict[str, Any] = {"key": key, "operator": operator}
    return {"matchExpressions": [found | ({"values": list(values)} if values else {})]}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": None}, True),
        ({"matchLabels": {"app": "arrival"}}, True),
        ({"matchLabels": {"app": "arrival", "tier": "model"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchLabels": {"app": "arrival", "zone": "a"}}, False),
        (expression("app", "In", "arrival", "departure"), True),
        (expression("app", "In", "departure"), False),
        (expression("zone", "In", "a"), False),
        (expression("app", "NotIn", "arrival"), False),
        (expression("zone", "NotIn", "a"), True),
        (expression("tier", "Exists"), True),
        (expression("zone", "Exists"), False),
        (expression("tier", "DoesNotExist"), False),
        (expression("zone", "DoesNotExist"), True),
        (expression("zone", "Gt", "1"), False),
        ({"matchLabels": {"app": "arrival"}} | expression("zone", "Exists"), False),
    ],
)
def test_all_requirements_have_to_hold(selector: dict[str, Any] | None, expected: bool) -> None:
    assert selects(selector, LABELS) is expected
