"""The route that should be, and what the gateway says of the one that is."""

import copy
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example
from hypothesis import given as for_all
from hypothesis import strategies as st

from model_rollouts.api.deployment import read
from model_rollouts.api.phase import Phase
from model_rollouts.rollout.objects.route import desired_route
from model_rollouts.rollout.objects.route import weights as weights_of
from model_rollouts.rollout.standing import Roles
from model_rollouts.routes.acceptance import refusal_of, rejections_of
from model_rollouts.routes.http_route import RouteSpec
from model_rollouts.routes.reader import differences, weights
from tests.api.objects import changed

OBJ = changed({"metadata.namespace": "flights", "metadata.uid": "u-1"})
FULL = Roles("m-a", None, None, Phase.FULL, Fraction(0), 1, "First", 1)


def canary(weight: Fraction) -> Roles:
    return FULL._replace(candidate="m-b", phase=Phase.CANARY, weight=weight)


def built(roles: Roles, obj: dict[str, Any] = OBJ) -> dict[str, Any]:
    model = read(obj)
    return desired_route(model, roles, RouteSpec.of(model.spec.route, marks_backends=True))


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (FULL, {"m-a": 1_000_000}),
        (canary(Fraction(1, 20)), {"m-a": 95, "m-b": 5}),
        (canary(Fraction(1, 1000)), {"m-a": 9990, "m-b": 10}),
        (canary(Fraction(123, 1_000_000)), {"m-a": 999_877, "m-b": 123}),
        (canary(Fraction(0)), {"m-a": 1_000_000}),
    ],
)
def test_weights_are_whole_numbers_of_the_smallest_total(
    roles: Roles, expected: dict[str, int]
) -> None:
    assert weights(built(roles)) == expected


SHARES = st.integers(1, 999_999).map(lambda millionths: Fraction(millionths, 1_000_000))


@for_all(SHARES, st.integers(10, 1_000_000))
@example(Fraction(1, 200), 999)
@example(Fraction(1, 2), 10)
def test_no_weight_is_above_the_largest_and_nobody_is_left_out(share: Fraction, most: int) -> None:
    part, others = weights_of(share, most)

    assert 1 <= part <= most
    assert 1 <= others <= most
    if Fraction(1, most + 1) <= share <= Fraction(most, most + 1):
        # No whole numbers of that size are nearer than a step of the largest total.
        assert abs(Fraction(part, part + others) - share) <= Fraction(1, most)
    if share.denominator <= most:
        assert Fraction(part, part + others) == share


def accepted() -> dict[str, Any]:
    found = built(FULL)
    found["metadata"]["generation"] = 2
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "observedGeneration": 2}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    parent = {"name": "models", "namespace": "gateways"}
    found["status"] = {"parents": [{"parentRef": parent, "conditions": conditions}]}
    return found


def condition(found: dict[str, Any], index: int) -> dict[str, Any]:
    chosen: dict[str, Any] = found["status"]["parents"][0]["conditions"][index]
    return chosen


def partly(found: dict[str, Any]) -> None:
    said = {"type": "PartiallyInvalid", "status": "True", "reason": "UnsupportedValue"}
    found["status"]["parents"][0]["conditions"].append({**said, "message": "fell back"})


def test_a_route_is_taken_when_every_parent_says_so_of_this_generation() -> None:
    assert refusal_of(accepted()) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda it: it.pop("status"), "Gateway 'models' has not reported on the route yet"),
        (lambda it: condition(it, 0).update(observedGeneration=1), "Accepted is not reported yet"),
        (
            lambda it: condition(it, 0).update(status="False", reason="NoMatch", message="no"),
            "Accepted is False (NoMatch): no",
        ),
        (
            lambda it: condition(it, 1).update(status="False", reason="BackendNotFound"),
            "ResolvedRefs is False (BackendNotFound)",
        ),
        (partly, "PartiallyInvalid (UnsupportedValue): fell back"),
        (
            lambda it: it["spec"]["parentRefs"].append({"name": "second"}),
            "Gateway 'second' has not reported on the route yet",
        ),
    ],
)
def test_a_gateway_that_has_not_taken_it_is_told(
    change: Callable[[dict[str, Any]], object], words: str
) -> None:
    found = accepted()
    change(found)

    refusal = refusal_of(found)
    assert refusal is not None
    assert words in refusal.words
    assert refusal.pending == ("yet" in words)


def with_second(**accepted_as: Any) -> dict[str, Any]:
    """A route that the first of two parents has taken, and what the second says."""
    found = accepted()
    found["spec"]["parentRefs"].append({"name": "second"})
    said = copy.deepcopy(found["status"]["parents"][0]["conditions"])
    said[0] |= accepted_as
    found["status"]["parents"].append({"parentRef": {"name": "second"}, "conditions": said})
    return found


def test_a_parent_that_rejects_the_route_does_not_stop_the_others_and_is_told() -> None:
    found = with_second(status="False", reason="NotAllowedByListeners", message="no")

    assert refusal_of(found) is None
    (rejected,) = rejections_of(found)
    assert rejected.words == "Gateway 'second': Accepted is False (NotAllowedByListeners): no"
    assert not rejected.for_content


def test_what_every_parent_rejects_is_not_taken() -> None:
    found = with_second(status="False", reason="UnsupportedValue", message="no")
    found["status"]["parents"][0]["conditions"][0] |= {"status": "False", "reason": "NoMatch"}

    refusal = refusal_of(found)
    assert refusal is not None
    assert refusal.words.startswith("Gateway 'models': Accepted is False (NoMatch)")
    assert rejections_of(found) == ()


def test_a_parent_that_has_not_seen_the_last_write_is_waited_for_beside_one_that_rejects() -> None:
    found = with_second(status="False", reason="NotAllowedByListeners")
    condition(found, 0)["observedGeneration"] = 1

    refusal = refusal_of(found)
    assert refusal is not None
    assert refusal.pending
    assert len(rejections_of(found)) == 1


def test_a_rejection_for_what_is_in_the_route_is_known_as_such() -> None:
    (rejected,) = rejections_of(with_second(status="False", reason="UnsupportedValue"))

    assert rejected.unserved
    assert rejected.for_content


def test_a_namespace_that_is_implied_is_the_same_parent() -> None:
    obj = changed({"spec.route.parentRefs": [{"name": "models"}]}, OBJ)
    found = accepted() | {"spec": built(FULL, obj)["spec"]}
    found["status"]["parents"][0]["parentRef"]["namespace"] = "flights"

    assert refusal_of(found) is None


RICH = changed(
    {
        "spec.route.matches": [
            {"path": {"value": "/a"}, "headers": [{"name": "x", "value": "1"}]},
            {"queryParams": [{"name": "q", "value": "2"}], "method": "POST"},
        ],
        "spec.route.timeouts": {"request": "10s"},
    },
    OBJ,
)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda it: backends(it)[0].update(weight=80), "spec.rules"),
        (lambda it: backends(it).pop(), "spec.rules"),
        (lambda it: backends(it)[0].update(filters=[]), "spec.rules"),
        (lambda it: it["spec"]["rules"][0].update(filters=[{"type": "URLRewrite"}]), "spec.rules"),
        (lambda it: it["spec"]["rules"].append({}), "spec.rules"),
        (lambda it: it["spec"].update(hostnames=["other.example.com"]), "spec.hostnames"),
        (lambda it: it["spec"]["parentRefs"].append({"name": "b"}), "spec.parentRefs"),
        (
            lambda it: it["metadata"]["annotations"].clear(),
            "metadata.annotations[modelrollouts.dev/record]",
        ),
    ],
)
def test_what_somebody_changed_is_named(
    change: Callable[[dict[str, Any]], object], path: str
) -> None:
    wanted = built(canary(Fraction(1, 4)), RICH)
    found = copy.deepcopy(wanted)
    change(found)

    assert differences(found, wanted) == (path,)


def backends(found: dict[str, Any]) -> list[dict[str, Any]]:
    chosen: list[dict[str, Any]] = found["spec"]["rules"][0]["backendRefs"]
    return chosen


def test_labels_and_annotations_of_others_are_theirs() -> None:
    wanted = built(FULL)
    found = copy.deepcopy(wanted)
    found["metadata"]["labels"]["theirs"] = "yes"
    found["metadata"]["annotations"]["theirs"] = "yes"

    assert differences(found, wanted) == ()
