"""Grouped, limited, again after a failure, and never twice: with a clock of the test's own."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_rollouts.notifications.counters import Counters
from model_rollouts.notifications.courier import LONGEST_DELAY_S, Courier, Pace
from model_rollouts.notifications.intake import Intake
from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.message import Message, Writer
from model_rollouts.notifications.settings import checked
from model_rollouts.notifications.store import Store, StoreError
from model_rollouts.notifications.targets.target import RefusedError, UnansweredError
from tests.notifications.objects import conditioned, only, rollout, unavailable

NINE = 1_800_003_600.0
"""09:00 UTC on the day of the rollouts."""
PACE = Pace(10.0, 60.0, 30, 86_400.0)
STALLED = ("Stalled", "True", "InvalidTemplate")


class Target:
    """Takes messages, or fails as a test says."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.errors: list[Exception] = []
        self.seen: list[str] = []

    async def send(self, message: Message) -> None:
        self.seen.append(message.id)
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(message)

    async def close(self) -> None:
        """Nothing."""


class Office:
    """Everything from the object to the target, with a file, and time as a test has it."""

    def __init__(self, path: Path | None, pace: Pace = PACE, now: float = NINE) -> None:
        self.now = now
        self.target = Target()
        self.store = Store(path, now)
        target = {"name": "t", "type": "Apprise", "urlFile": "t"}
        settings = checked({"targets": [target]}, Path())
        self.intake = Intake(self.store, settings.targets, 60.0)
        self.counters = Counters()
        self.courier = Courier(
            "t",
            self.target,
            self.store,
            Writer(),
            self.counters,
            pace,
            lambda: self.now,
            lambda: 1.0,
        )

    def take(self, *objects: dict[str, Any]) -> None:
        for each in objects:
            self.intake.take(each, self.now)

    def run(self, seconds: float) -> list[Message]:
        """What was taken in that time."""
        end, before = self.now + seconds, len(self.target.taken)

        async def until_then() -> None:
            while True:
                wait_s = await self.courier.turn()
                if self.now + wait_s > end:
                    return
                self.now += wait_s

        asyncio.run(until_then())
        self.now = end
        return self.target.taken[before:]


Offices = Callable[..., Office]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Offices]:
    """Makes offices with one cursor, which one of them has at a time."""
    made: list[Office] = []

    def one(*arguments: Any, **more: Any) -> Office:
        for each in made:
            each.store.close()
        made.append(Office(tmp_path / "cursor.db", *arguments, **more))
        return made[-1]

    yield one
    for each in made:
        each.store.close()


@pytest.fixture
def office(opened: Offices) -> Office:
    return opened()


def stalled(number: int) -> dict[str, Any]:
    return conditioned(*STALLED, "2027-01-15T09:00:00Z", uid=f"s-{number}", name=f"m{number}")


def test_what_had_ended_before_it_began_is_no_news_and_what_holds_is(office: Office) -> None:
    office.take(rollout(), stalled(1))

    assert [each.title for each in office.run(60)] == [
        "flights/m1: the rollout of version 2 is stalled"
    ]


def test_a_rollback_is_told_once_with_the_users_that_it_had(opened: Offices) -> None:
    office = opened(now=1_800_000_000.0)
    canary = rollout("canary")
    candidate = canary["status"]["candidate"]
    candidate |= {"revision": "arrival-091c23cb9c", "version": "3"}
    office.take(canary)
    office.run(120)
    office.take(rollout(resourceVersion="8"))

    told = office.run(600)
    office.take(rollout(resourceVersion="9"))

    assert len(told) == 1
    assert "Users: version 3 had up to 10 % of users, from 2027-01-15 08:00 UTC on" in told[0].text
    assert office.run(3_600) == []


def test_an_outage_of_a_platform_is_one_message(office: Office) -> None:
    for number in range(100):
        office.take(stalled(number))
        office.run(0.09)

    told = office.run(3_600)

    assert [each.title for each in told] == ["100 ModelDeployments: 100 stalled"]
    assert len(told[0].occasions) == 100


def test_what_trickles_in_is_limited_and_nothing_is_lost(opened: Offices) -> None:
    office = opened(Pace(10.0, 60.0, 4, 86_400.0))
    told: list[Message] = []
    for number in range(120):
        office.take(stalled(number))
        told += office.run(30)

    assert len(told) == 4
    told += office.run(3_600)
    assert sorted(each.name for message in told for each in message.occasions) == sorted(
        f"m{number}" for number in range(120)
    )


def test_users_who_get_answers_again_soon_are_no_page(office: Office) -> None:
    office.take(unavailable())
    assert office.run(50) == []
    office.take(rollout("promoted", resourceVersion="8"))
    assert office.run(600) == []

    office.take(unavailable("2027-01-15T09:20:00Z", resourceVersion="9"))
    (page,) = office.run(1_200)
    assert page.severity == "Page"
    assert page.occasions[0].kind is Topic.UNAVAILABLE


def test_a_stall_that_is_over_soon_is_told_all_the_same(office: Office) -> None:
    office.take(stalled(1))
    office.run(5)
    office.take(rollout("promoted", uid="s-1", name="m1", resourceVersion="8"))

    assert len(office.run(60)) == 1


def test_an_act_by_hand_that_is_undone_and_done_again_is_told_again(office: Office) -> None:
    for number in range(4):
        office.take(rollout(("paused", "promoted")[number % 2], resourceVersion=str(number + 8)))
        office.run(600)

    told = [each.occasions[0].kind for each in office.target.taken]
    assert told == [Topic.BY_HAND, Topic.BY_HAND]


def test_an_older_object_changes_nothing(office: Office) -> None:
    office.take(rollout("promoted", resourceVersion="50"))
    office.take(rollout("paused", resourceVersion="49"))

    assert office.run(600) == []


def test_without_an_answer_the_same_message_is_sent_again(office: Office) -> None:
    office.target.errors = [UnansweredError("no answer within 10 s"), OSError("broken")]
    office.take(stalled(1), stalled(2))
    office.run(11)
    office.take(stalled(3))

    told = office.run(120)

    assert len(office.target.seen) == 4
    assert len(set(office.target.seen[:3])) == 1
    assert [len(each.occasions) for each in told] == [2, 1]


def test_what_is_refused_goes_with_what_has_come_since(office: Office) -> None:
    office.target.errors = [RefusedError("HTTP 403")]
    office.take(stalled(1))
    office.run(11)
    office.take(stalled(2))

    told = office.run(120)

    assert [len(each.occasions) for each in told] == [2]


def test_a_failing_target_is_asked_less_and_less_and_given_up_at_last(office: Office) -> None:
    office.target.errors = [RefusedError("HTTP 403") for _ in range(1_000)]
    office.take(stalled(1))
    office.run(3_600)

    assert 12 < len(office.target.seen) < 24
    office.run(86_400)
    assert office.store.backlog("t").number == 0
    dropped = "model_rollouts_notifications_dropped_total"
    assert office.counters.registry.get_sample_value(dropped, {"target": "t"}) == 1.0
    assert len(office.target.seen) < 86_400 / LONGEST_DELAY_S + 24


def test_a_target_that_asks_for_time_gets_it(office: Office) -> None:
    office.target.errors = [RefusedError("HTTP 429", after_s=900.0)]
    office.take(stalled(1))

    assert office.run(890) == []
    assert len(office.run(60)) == 1


def test_after_a_restart_nothing_is_told_twice_and_nothing_is_lost(opened: Offices) -> None:
    first = opened()
    first.take(stalled(1))
    first.run(60)
    first.take(stalled(2))

    second = opened(now=NINE + 200)
    second.take(stalled(1), stalled(2), stalled(3))
    told = second.run(600)

    assert [[each.name for each in message.occasions] for message in told] == [["m2", "m3"]]


def test_a_message_that_was_begun_has_the_same_id_after_a_restart(opened: Offices) -> None:
    first = opened()
    first.take(stalled(1), stalled(2))
    first.now += 20
    begun = first.store.begin("t", 100, first.now)

    second = opened(now=NINE + 200)
    second.take(stalled(3))
    told = second.run(600)

    assert told[0].id == begun.id
    assert [len(each.occasions) for each in told] == [2, 1]


def test_one_file_is_for_one_process(tmp_path: Path) -> None:
    first = Store(tmp_path / "cursor.db", NINE)

    with pytest.raises(StoreError, match="another process uses it, end that one or write another"):
        Store(tmp_path / "cursor.db", NINE)
    first.close()
    Store(tmp_path / "cursor.db", NINE).close()


def test_what_is_no_cursor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cursor.db"
    path.write_text("no database" * 1_000)

    with pytest.raises(StoreError, match="file is not a database"):
        Store(path, NINE)


def test_what_waits_for_a_target_that_is_gone_is_dropped(office: Office) -> None:
    office.take(stalled(1))

    assert office.store.drop_others(["other"]) == {"t": 1}
    assert office.run(60) == []


def test_what_was_told_is_forgotten_a_month_after_it_can_be_read(opened: Offices) -> None:
    office = opened(now=1_800_000_000.0)
    office.take(rollout())
    office.run(60)
    before = office.store.is_told(only(rollout(), Topic.ROLLED_BACK).id)
    office.now += 31 * 86_400
    without = rollout("promoted", resourceVersion="8")
    without["status"]["history"] = []
    office.take(without)

    assert not office.store.is_told(only(rollout(), Topic.ROLLED_BACK).id)
    assert before
