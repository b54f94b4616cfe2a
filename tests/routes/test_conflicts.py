"""When an HTTPRoute of somebody else answers a model's requests in its place."""

from typing import Any

import pytest

from model_rollouts.routes.conflicts import is_conflict

PREFIX = {"path": {"type": "PathPrefix", "value": "/v2"}}
EXACT = {"path": {"type": "Exact", "value": "/v2"}}


def slashed(type: str) -> dict[str, Any]:
    """A match of the same path with a slash at its end."""
    return {"path": {"type": type, "value": "/v2/"}}


def model(**route: Any) -> dict[str, Any]:
    """A ModelDeployment in `shop`, at the Gateway gateways/models."""
    parent = {"name": "models", "namespace": "gateways"}
    return {
        "metadata": {"namespace": "shop", "name": "arrival"},
        "spec": {"route": {"parentRefs": [parent], **route}},
    }


def other(created: str = "2026-01-01T00:00:00Z", **content: Any) -> dict[str, Any]:
    """An HTTPRoute in `web`, at the same Gateway."""
    matches = content.pop("matches", None)
    rule = {} if matches is None else {"matches": matches}
    parent = {"name": "models", "namespace": "gateways"}
    return {
        "metadata": {"namespace": "web", "name": "theirs", "creationTimestamp": created},
        "spec": {"parentRefs": [parent], "rules": [rule], **content},
    }


def own(created: str) -> dict[str, Any]:
    """The model's own route."""
    metadata = {"namespace": "shop", "name": "arrival", "creationTimestamp": created}
    return {"metadata": metadata, "spec": {}}


@pytest.mark.parametrize(
    ("mine", "theirs", "conflicts"),
    [
        ({"hostnames": ["a.example.com"]}, {"hostnames": ["a.example.com"]}, True),
        ({"hostnames": ["a.example.com"]}, {"hostnames": ["b.example.com"]}, False),
        ({"hostnames": ["a.example.com"]}, {}, True),
        ({"hostnames": ["a.example.com"]}, {"hostnames": ["*.example.com"]}, True),
        ({"hostnames": ["example.com"]}, {"hostnames": ["*.example.com"]}, False),
        ({"hostnames": ["*.a.example.com"]}, {"hostnames": ["*.example.com"]}, True),
        ({"hostnames": ["*.a.example.com"]}, {"hostnames": ["*.b.example.com"]}, False),
        ({"matches": [PREFIX]}, {"matches": [PREFIX]}, True),
        ({"matches": [PREFIX]}, {"matches": [EXACT]}, False),
        ({"matches": [PREFIX]}, {"matches": [EXACT, PREFIX]}, True),
        ({"matches": [PREFIX]}, {}, False),
        # The same elements of a path, with and without a slash at the end.
        ({"matches": [PREFIX]}, {"matches": [slashed("PathPrefix")]}, True),
        ({"matches": [slashed("PathPrefix")]}, {"matches": [PREFIX]}, True),
        ({"matches": [EXACT]}, {"matches": [slashed("Exact")]}, False),
        ({"rules": [{"matches": [EXACT]}, {"matches": [PREFIX]}]}, {"matches": [PREFIX]}, True),
        ({"rules": [{"matches": [EXACT]}]}, {"matches": [PREFIX]}, False),
        ({"rules": [{}]}, {}, True),
        ({}, {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}, True),
        ({"matches": [PREFIX | {"method": "GET"}]}, {"matches": [PREFIX]}, False),
        (
            {"matches": [PREFIX | {"headers": [{"name": "X-A", "value": "1"}]}]},
            {"matches": [PREFIX | {"headers": [{"name": "x-a", "type": "Exact", "value": "1"}]}]},
            True,
        ),
        ({}, {"parentRefs": [{"name": "models"}]}, False),
        ({}, {"parentRefs": [{"name": "other", "namespace": "gateways"}]}, False),
        (
            {},
            {"parentRefs": [{"name": "models", "namespace": "gateways", "sectionName": "http"}]},
            True,
        ),
    ],
)
def test_same_parent_overlapping_host_and_equal_match(
    mine: dict[str, Any], theirs: dict[str, Any], conflicts: bool
) -> None:
    assert is_conflict(model(**mine), None, other(**theirs)) is conflicts


def test_two_listeners_are_two_places() -> None:
    reference = {"name": "models", "namespace": "gateways"}
    mine = model(parentRefs=[reference | {"sectionName": "http"}])
    theirs = other(parentRefs=[reference | {"sectionName": "https"}])

    assert not is_conflict(mine, None, theirs)


@pytest.mark.parametrize(
    ("created", "conflicts"), [("2025-12-31T00:00:00Z", False), ("2026-01-02T00:00:00Z", True)]
)
def test_a_younger_route_does_not_stand_in_the_way(created: str, conflicts: bool) -> None:
    assert is_conflict(model(), own(created), other("2026-01-01T00:00:00Z")) is conflicts


def test_of_two_that_are_as_old_the_first_name_wins() -> None:
    created = "2026-01-01T00:00:00Z"

    assert not is_conflict(model(), own(created), other(created))
