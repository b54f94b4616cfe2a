"""Who serves, read from what is left of the truth."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from model_rollouts.api.conditions import Condition, ConditionStatus, ConditionType
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.status import Past, Status
from model_rollouts.resources.names import RECORD_ANNOTATION
from model_rollouts.rollout.observed import Children
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.recorded_roles import read_roles, record_of
from model_rollouts.rollout.state.recovered_roles import NOBODY
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.routes.record import (
    Suspension,
    SuspensionCause,
    decode,
    encode,
    outlives_override,
)

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


def deployment(replicas: int, ready: int | None = None) -> dict[str, Any]:
    available = replicas if ready is None else ready
    return {"spec": {"replicas": replicas}, "status": {"availableReplicas": available}}


def status(stable: str, **more: Any) -> Status:
    serves = {"revision": stable, "version": "1", "weight": "100%"}
    return Status.model_validate({"stable": serves, **more})


def history(*ended: tuple[str, str, int]) -> tuple[Past, ...]:
    """Revision, outcome and attempt of each, the newest first."""
    return tuple(
        Past(
            revision=revision,
            version="1",
            attempt=attempt,
            outcome=next(each for each in Outcome if each == outcome),
            ended_at=datetime(2026, 1, 1, tzinfo=UTC),
            message="",
        )
        for revision, outcome, attempt in ended
    )


WATCHING = Condition(
    type=ConditionType.WATCHING,
    status=ConditionStatus.TRUE,
    last_transition_time=datetime(2026, 1, 1, tzinfo=UTC),
    reason="Watching",
    message="",
)


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


@pytest.mark.parametrize(
    ("running", "told"),
    [
        ({"m-a": deployment(2, ready=0), "m-b": deployment(2)}, NOTHING),
        ({"m-a": deployment(2, ready=1), "m-b": deployment(2)}, NOTHING),
        ({"m-a": deployment(2)}, NOTHING),
        ({"m-a": deployment(2), "m-b": deployment(2)}, Status(phase=Phase.STARTING)),
    ],
    ids=["never ready", "not all ready", "alone", "not yet by the status"],
)
def test_what_never_served_all_users_is_not_stable(running: dict[str, Any], told: Status) -> None:
    assert read_roles(Children(deployments=running), REVISIONS, told) == NOBODY


def test_without_a_usable_record_on_the_route_that_of_the_status_tells() -> None:
    told = status("m-c", record=text_of(CANARY))

    assert read_roles(Children(), REVISIONS, told) == CANARY
    for text in (None, "not json", text_of(CANARY).replace("Canary", "Later")):
        children = Children(route=route({"m-a": 10, "m-b": 90}, text))
        assert read_roles(children, REVISIONS, told) == CANARY


@pytest.mark.parametrize(("sequence", "holds"), [(6, False), (7, False), (8, True)])
def test_the_record_of_the_status_holds_where_it_knows_a_later_write(
    sequence: int, holds: bool
) -> None:
    later = CANARY._replace(weight=Fraction(1, 2), sequence=sequence)
    children = Children(route=route({"m-a": 75, "m-b": 25}, text_of(CANARY)))

    found = read_roles(children, REVISIONS, status("m-c", record=text_of(later)))

    assert found == (later if holds else CANARY)


def test_a_record_of_the_status_may_name_what_is_not_stored() -> None:
    """Whoever lost it knows less than the record: nobody's share grows by that."""
    lost = CANARY._replace(candidate="m-z", sequence=9)
    told = status("m-a", record=text_of(lost))

    assert read_roles(Children(), REVISIONS, told) == lost


@pytest.mark.parametrize(("sequence", "counts"), [(8, False), (9, False), (10, True)])
def test_what_this_operator_has_seen_counts_before_an_older_record(
    sequence: int, *, counts: bool
) -> None:
    """An older copy of the route may come before the status tells of the last write."""
    children = Children(route=route({"m-a": 75, "m-b": 25}, text_of(CANARY._replace(sequence=9))))
    seen = CANARY._replace(phase=Phase.ROLLED_BACK, weight=Fraction(0), sequence=sequence)

    found = read_roles(children, REVISIONS, NOTHING, seen)

    assert found == (seen if counts else CANARY._replace(sequence=9))


def test_a_backend_that_is_not_stored_is_the_older_one() -> None:
    lost = "m-0123456789"
    children = Children(route=route({lost: 75, "m-b": 25}, None))

    found = read_roles(children, REVISIONS, NOTHING)

    assert (found.stable, found.candidate, found.weight) == (lost, "m-b", Fraction(1, 4))


ROLLED_BACK_LAST = {
    "canary": [("m-b", "RolledBack", 3), ("m-c", "Superseded", 1), ("m-a", "Promoted", 1)],
    "watch": [("m-b", "RolledBack", 3), ("m-b", "Promoted", 3), ("m-a", "Promoted", 1)],
    "deadline": [("m-c", "Superseded", 1), ("m-b", "Undecided", 3), ("m-a", "Promoted", 1)],
}


@pytest.mark.parametrize("ended", ROLLED_BACK_LAST)
@pytest.mark.parametrize("found", [None, {"m-a": 1}], ids=["no route", "backends"])
def test_what_was_rolled_back_stays_so_by_the_history(
    ended: str, found: dict[str, int] | None
) -> None:
    children = Children(route=None if found is None else route(found))

    roles = read_roles(children, REVISIONS, Status(history=history(*ROLLED_BACK_LAST[ended])))

    phase = Phase.UNDECIDED if ended == "deadline" else Phase.ROLLED_BACK
    assert (roles.stable, roles.candidate, roles.phase) == ("m-a", "m-b", phase)
    assert roles.attempt == 3
    # An override that promoted it then does not bring it back.
    assert outlives_override(roles.verdict) == (ended == "watch")


def test_users_of_two_are_those_of_stable_and_of_what_was_rolled_back_by_the_history() -> None:
    children = Children(route=route({"m-a": 40, "m-b": 60}))

    for ended, share in (("m-b", Fraction(3, 5)), ("m-a", Fraction(2, 5))):
        served = "m-a" if ended == "m-b" else "m-b"
        past = history((ended, "RolledBack", 1), (ended, "Promoted", 1), (served, "Promoted", 1))
        roles = read_roles(children, REVISIONS, Status(history=past))

        assert (roles.stable, roles.candidate, roles.weight) == (served, ended, share)
        assert roles.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("warm", [0, 1])
@pytest.mark.parametrize("watching", [False, True])
def test_the_version_before_stays_warm_while_the_watch_lasts(watching: bool, warm: int) -> None:
    told = Status(
        phase=Phase.FULL,
        conditions=(WATCHING,) if watching else (),
        history=history(("m-b", "PromotedWithBound", 2), ("m-a", "Promoted", 1)),
    )

    roles = read_roles(Children(deployments={"m-a": deployment(warm)}), REVISIONS, told)

    assert (roles.stable, roles.phase, roles.attempt) == ("m-b", Phase.FULL, 2)
    assert roles.previous == ("m-a" if watching and warm else None)
    assert roles.verdict == ("PassWithBound" if watching else "Settled")


def test_a_first_version_is_one_that_nothing_speaks_against() -> None:
    assert read_roles(Children(), {}, NOTHING) == NOBODY
    assert read_roles(Children(deployments={"m-a": deployment(1)}), REVISIONS, NOTHING) == NOBODY


def test_a_route_that_names_what_is_not_stored_is_no_first_version() -> None:
    children = Children(route=route({"m-a": 100}, text_of(CANARY)))

    roles = read_roles(children, {"m-a": REVISIONS["m-a"]}, NOTHING)

    assert (roles.stable, roles.candidate) == ("m-a", "m-b")


SUSPENSION = Suspension(1, "25%", 1_800_000_000, SuspensionCause.PODS, pods=2, failures=1)


def test_how_users_were_lost_is_in_the_record() -> None:
    suspended = CANARY._replace(weight=Fraction(0), suspension=SUSPENSION)

    assert decode("HTTPRoute", text_of(suspended)).suspension == SUSPENSION


@pytest.mark.parametrize(
    "broken",
    [7, {}, {"pods": "1"}, {"share": "much"}, {"share": 4}, {"cause": "Rain"}, {"since": -1}],
)
def test_what_cannot_be_read_of_it_is_none_and_the_roles_hold(broken: Any) -> None:
    found = {**asdict(SUSPENSION), **broken} if broken and broken != 7 else broken
    text = json.dumps({**json.loads(text_of(CANARY)), "suspension": found})

    kept = decode("HTTPRoute", text)

    assert (kept.candidate, kept.suspension) == ("m-b", None)
