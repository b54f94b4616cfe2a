"""What a status says that is worth telling, and that it says the same each time."""

from typing import Any

import pytest

from model_rollouts.api.conditions import Reason
from model_rollouts.notifications.kinds import DEFAULT_KINDS, Topic
from model_rollouts.notifications.occasions import Occasion, occasions_of
from tests.api.objects import changed
from tests.notifications.objects import conditioned, kinds, only, rollout, unavailable

NINE = "2027-01-15T09:00:00Z"


def test_a_rollback_is_told_with_its_numbers_and_its_owner() -> None:
    found = only(rollout(), Topic.ROLLED_BACK)

    assert (found.version, found.stable, found.requests) == ("3", "2", 62)
    assert found.message.startswith("errors failed: 99 % of requests must succeed; version 3 ")
    assert (found.team, found.channel) == ("vision", "#vision-alerts")
    assert found.has_ended


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (rollout(), [Topic.ROLLED_BACK]),
        (rollout("promoted"), []),
        (rollout("canary"), [Topic.PROGRESS]),
        (rollout("starting"), [Topic.PROGRESS]),
        (rollout("paused"), [Topic.ROLLED_BACK, Topic.BY_HAND]),
        (unavailable(), [Topic.UNAVAILABLE]),
        (conditioned("Available", "False", "ScaledToZero", NINE), []),
        (conditioned("Available", "Unknown", "StableUnavailable", NINE), []),
        (conditioned("FallbackActive", "True", "ModelFails", NINE), [Topic.FALLBACK_ACTIVE]),
        (conditioned("Stalled", "True", "InvalidTemplate", NINE), [Topic.STALLED]),
        (conditioned("Stalled", "True", "RolledBack", NINE), []),
    ],
)
def test_what_is_told(obj: dict[str, Any], expected: list[Topic]) -> None:
    assert kinds(obj) == expected


def test_a_first_version_that_does_not_serve_yet_is_no_outage() -> None:
    obj = unavailable()
    del obj["status"]["stable"]

    assert Topic.UNAVAILABLE not in kinds(obj)


@pytest.mark.parametrize(
    ("action", "expected"),
    [("Promote", [Topic.BY_HAND]), ("Hold", [Topic.BY_HAND]), ("Rollback", [])],
)
def test_an_override_is_an_act_by_hand_and_a_rollback_is_told_as_one(
    action: str, expected: list[Topic]
) -> None:
    override = {"version": "2", "action": action, "reason": "INC-1"}
    obj = changed({"spec.strategy.override": override}, rollout("promoted"))

    assert kinds(obj) == expected


def test_what_the_operator_has_not_seen_or_ignores_is_not_in_force() -> None:
    override = {"version": "2", "action": "Hold", "reason": "INC-1"}
    unseen = changed({"spec.paused": True, "metadata.generation": 9}, rollout("promoted"))
    ignored = conditioned("OverrideIgnored", "True", "VersionUnknown", NINE)

    assert kinds(unseen) == []
    assert kinds(changed({"spec.strategy.override": override}, ignored)) == []


def test_the_same_fact_has_the_same_id_and_another_one_another() -> None:
    first, again = unavailable(), unavailable()
    again["metadata"]["resourceVersion"] = "99"
    later, other = unavailable("2027-01-15T09:05:00Z"), unavailable(uid="u-2")

    ids = [only(each, Topic.UNAVAILABLE).id for each in (first, again, later, other)]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_progress_is_another_fact_at_each_step_and_only_then() -> None:
    canary = rollout("canary")
    worded = changed({"status.message": "Canary: 5 more requests."}, canary)
    stepped = changed({"status.candidate.weight": "50%"}, canary)

    ids = [only(each, Topic.PROGRESS).id for each in (canary, worded, stepped)]

    assert (ids[0] == ids[1], ids[0] == ids[2]) == (True, False)


def test_a_fact_outlives_its_file() -> None:
    for found in occasions_of(rollout()):
        assert Occasion.from_json(found.as_json()) == found


@pytest.mark.parametrize("obj", [{}, {"status": None}, {"status": {"history": [{}], "stable": {}}}])
def test_what_another_release_writes_is_left_out(obj: dict[str, Any]) -> None:
    assert occasions_of(obj) == ()


def test_progress_and_promotions_are_told_only_where_they_are_asked_for() -> None:
    assert set(Topic) - set(DEFAULT_KINDS) == {Topic.PROMOTED, Topic.PROGRESS}


def test_reasons_by_design_exist() -> None:
    assert {"ScaledToZero", "ReplacingInPlace"} <= set(Reason)
