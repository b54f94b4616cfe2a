"""Who serves, read from what is left of the truth."""

from fractions import Fraction
from typing import Any

import pytest

from model_rollouts.api.phase import Phase
from model_rollouts.api.status import Status
from model_rollouts.resources.names import RECORD_ANNOTATION
from model_rollouts.rollout.observed import Children
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.recorded_roles import NOBODY, read_roles, record_of
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.routes.record import encode

REVISIONS = {
    name: Revision(name, number, {"version": str(number)}, {})
    for number, name in enumerate(("m-a", "m-b", "m-c"), 1)
}
CANARY = Roles("m-a", "m-b", None, Phase.CANARY, Fraction(1, 4), 2, None, 7)
NOTHING = Status()


def route(weights: dict[str, int], text: str | None = None) -> dict[str, Any]:
    backends = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return {
        "metadata": {
            "name": "m",
            "annotations": {} if text is None else {RECORD_ANNOTATION: text},
        },
        "spec": {"rules": [{"backendRefs": backends}]},
    }


def text_of(roles: Roles) -> str:
    return encode(record_of(roles))


def deployment(replicas: int) -> dict[str, Any]:
    return {"spec": {"replicas": replicas}}


def status(stable: str) -> Status:
    return Status.model_validate({"stable": {"revision": stable, "version": "1", "weight": "100%"}})


def test_the_record_says_it_all() -> None:
    children = Children(route=route({"m-a": 75, "m-b": 25}, text_of(CANARY)))

    assert read_roles(children, REVISIONS, NOTHING) == CANARY


def test_what_another_release_recorded_stays_beside_the_roles() -> None:
    text = f'{text_of(CANARY)[:-1]},"later":[1]}}'

    roles = read_roles(Children(route=route({"m-a": 75, "m-b": 25}, text)), REVISIONS, NOTHING)

    assert roles == CANARY._replace(more={"later": [1]})
    assert text_of(roles) == text


SHADOW = Roles("m-a", "m-b", None, Phase.SHADOW, Fraction(0), 2, None, 7, 10, 100, 1_774_965_720)


def copied(percent: int | None, service: str = "m-b-shadow") -> dict[str, Any]:
    """A route of stable m-a with a mirror and no record."""
    mirror: dict[str, Any] = {"backendRef": {"name": service}}
    if percent is not None:
        mirror["percent"] = percent
    found = route({"m-a": 1})
    found["spec"]["rules"][0]["filters"] = [{"type": "RequestMirror", "requestMirror": mirror}]
    return found


def test_the_record_tells_of_copies() -> None:
    children = Children(route=route({"m-a": 1}, text_of(SHADOW)))

    assert read_roles(children, REVISIONS, NOTHING) == SHADOW


@pytest.mark.parametrize(
    ("found", "candidate", "mirror"),
    [
        (copied(10), "m-b", 10),
        (copied(None), "m-b", 100),
        (copied(0), None, 0),
        (copied(10, "m-a-shadow"), None, 0),
        (copied(10, "other"), None, 0),
    ],
)
def test_without_a_record_the_mirror_tells_who_gets_copies(
    found: dict[str, Any], candidate: str | None, mirror: int
) -> None:
    roles = read_roles(Children(route=found), REVISIONS, NOTHING)

    phase = Phase.FULL if candidate is None else Phase.SHADOW
    assert (roles.stable, roles.candidate, roles.mirror_percent, roles.phase) == (
        "m-a",
        candidate,
        mirror,
        phase,
    )


def test_without_a_route_the_status_tells_who_gets_copies() -> None:
    told = {
        "phase": "Shadow",
        "stable": {"revision": "m-a", "version": "1", "weight": "100%"},
        "candidate": {"revision": "m-b", "version": "2", "weight": "0%"},
        "shadow": {"copies": 57, "mirror": "10%"},
    }

    roles = read_roles(Children(), REVISIONS, Status.model_validate(told))

    assert (roles.candidate, roles.mirror_percent, roles.phase) == ("m-b", 10, Phase.SHADOW)


def test_the_record_wins_over_weights_that_somebody_changed_and_over_the_status() -> None:
    children = Children(route=route({"m-a": 10, "m-b": 90}, text_of(CANARY)))

    assert read_roles(children, REVISIONS, status("m-c")) == CANARY


@pytest.mark.parametrize("text", [None, "not json", text_of(CANARY).replace("Canary", "Later")])
@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"m-a": 75, "m-b": 25}, ("m-a", "m-b", Phase.CANARY, Fraction(1, 4))),
        ({"m-b": 5, "m-a": 95}, ("m-a", "m-b", Phase.CANARY, Fraction(1, 20))),
        ({"m-b": 100}, ("m-b", None, Phase.FULL, Fraction(0))),
        ({"m-b": 1, "other": 99}, ("m-b", None, Phase.FULL, Fraction(0))),
    ],
)
def test_without_a_record_the_backends_tell(
    weights: dict[str, int], expected: tuple[Any, ...], text: str | None
) -> None:
    found = read_roles(Children(route=route(weights, text)), REVISIONS, NOTHING)

    assert (found.stable, found.candidate, found.phase, found.weight) == expected


def test_without_a_route_the_status_tells_and_then_what_runs() -> None:
    running = {"m-a": deployment(2), "m-b": deployment(1), "m-c": deployment(0)}

    assert read_roles(Children(), REVISIONS, status("m-b")).stable == "m-b"
    assert read_roles(Children(deployments=running), REVISIONS, NOTHING).stable == "m-a"


def test_a_first_version_is_one_that_nothing_speaks_against() -> None:
    assert read_roles(Children(), {}, NOTHING) == NOBODY
    assert read_roles(Children(deployments={"m-a": deployment(1)}), REVISIONS, NOTHING) == NOBODY


def test_a_route_that_names_what_is_not_stored_is_no_first_version() -> None:
    children = Children(route=route({"m-a": 100}, text_of(CANARY)))

    roles = read_roles(children, {"m-a": REVISIONS["m-a"]}, NOTHING)

    assert (roles.stable, roles.candidate) == ("m-a", "m-b")
