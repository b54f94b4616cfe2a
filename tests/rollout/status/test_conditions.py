"""The conditions of every situation, row by row, and how they change."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from model_rollouts.api.conditions import ConditionType, Reason, find_condition
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import Status
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Failure
from model_rollouts.rollout.status import service_words
from model_rollouts.rollout.status.status import tell
from model_rollouts.rollout.status.summary import StatusInput
from tests.rollout.made_up import situation
from tests.rollout.status.conditions_table import LATER, ROWS, hold, shown, told, waits


@pytest.mark.parametrize(("given", "expected"), ROWS.values(), ids=ROWS)
def test_the_conditions(given: StatusInput, expected: dict[str, str]) -> None:
    assert shown(told(given)) == expected


@pytest.mark.parametrize("name", ROWS)
def test_an_unchanged_situation_gives_an_identical_status(name: str) -> None:
    given, _ = ROWS[name]
    before = told(given)

    assert tell(given, Memory(), before, LATER + 86_400) == before


@pytest.mark.parametrize("first", ROWS)
@pytest.mark.parametrize("second", ["candidate judged", "rolled back", "full", "paused"])
def test_conditions_do_not_depend_on_those_before(first: str, second: str) -> None:
    before = told(ROWS[first][0])
    # Only what a gateway did before it was asked anew, and a forecast at the edge, look back.
    expected = ROWS[second][1]

    assert shown(told(ROWS[second][0], before)) == expected


def test_a_gateway_that_does_not_accept_a_change_goes_on_as_before() -> None:
    before = told(situation(Phase.FULL))

    after = told(situation(Phase.CANARY, 0.05, gateway_accepted=False), before)

    assert shown(after) == waits("GatewayNotAccepted")


def test_the_time_of_a_transition_stays_until_the_next() -> None:
    before = told(situation(Phase.CANARY, 0.05))

    held = situation(Phase.CANARY, 0.25, holds=(hold(Reason.NO_TRAFFIC),))
    after = tell(held, Memory(), before, LATER + 60)
    full = tell(situation(Phase.FULL), Memory(), after, LATER + 120)

    def at(status: Status) -> datetime:
        ready = find_condition(status.conditions, ConditionType.READY)
        assert ready is not None
        return ready.last_transition_time

    assert at(before) == at(after) == datetime.fromtimestamp(LATER, UTC)
    assert at(full) == datetime.fromtimestamp(LATER + 120, UTC)


def test_what_is_not_seen_is_told_beside_all_other_conditions() -> None:
    """Most important last: what can be done has its place behind the longest answers."""
    long = [Failure(f"list {kind}s", "HTTP 403: " + 60 * "forbidden ") for kind in "ABCD"]
    seen = situation(Phase.FULL)
    unseen = told(replace(seen, unseen=service_words.unseen(long)))
    condition = find_condition(unseen.conditions, ConditionType.CHANGES_UNSEEN)

    assert shown(unseen) == {**shown(told(seen)), "ChangesUnseen": "True ChangesUnseen"}
    assert condition is not None
    assert condition.message.startswith("Cannot list As: HTTP 403: forbidden")
    assert condition.message.endswith(service_words.ADVICE_UNSEEN)
    assert service_words.unseen([]) is None
