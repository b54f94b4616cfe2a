"""One of several processes leads, and no two may write at once, whatever happens to them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.leases import Claim
from model_rollouts.engine.leadership import LEASE_S, RENEW_S, RETRY_S, SPARE_S
from tests.engine.shared_lease import Process, SharedLease, seconds_until
from tests.faults.virtual_time import now, run

TAKEN_OVER_S = LEASE_S + RETRY_S
"""The promise: so long after a leader died, another one leads."""
A_WIRE_S = 0.2
"""A few requests."""


def play(story: Callable[[SharedLease], Awaitable[None]]) -> None:
    """Run a test in virtual time; everything it started ends with it."""

    async def played() -> None:
        await story(SharedLease())
        mine = asyncio.current_task()
        left = [each for each in asyncio.all_tasks() if each is not mine]
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    run(played)


async def leader_and_standby(shared: SharedLease, **clocks: float) -> tuple[Process, Process]:
    """Two processes, the first of which leads."""
    one = Process(shared, "one", booted=-500.0).start()
    await seconds_until(lambda: one.leads)
    other = Process(shared, "other", **clocks).start()
    await asyncio.sleep(3 * RETRY_S)
    assert (one.leads, other.leads) == (True, False)
    return one, other


def test_where_there_never_was_a_lease_a_process_waits_for_one_that_may_lead_unseen() -> None:
    """Somebody may have deleted it a moment ago."""

    async def story(shared: SharedLease) -> None:
        process = Process(shared, "one").start()
        seconds = await seconds_until(lambda: process.leads)
        assert LEASE_S <= seconds <= LEASE_S + A_WIRE_S

    play(story)


def test_one_that_was_given_back_is_taken_at_once() -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        await one.leadership.release()
        assert not one.leads
        assert await seconds_until(lambda: other.leads) <= RETRY_S + A_WIRE_S
        assert not one.leadership.deposed.is_set()

    play(story)


@pytest.mark.parametrize("after", [0.1, 0.7, 1.3, 1.9])
def test_after_a_leader_was_killed_another_one_leads_in_time(after: float) -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        await asyncio.sleep(after)
        one.kill()
        assert await seconds_until(lambda: other.leads) <= TAKEN_OVER_S + A_WIRE_S
        assert other.metric("leader_changes_total") == 0

    play(story)


def test_one_that_is_not_warm_does_not_lead() -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        other.may_lead = False
        one.kill()
        await asyncio.sleep(2 * TAKEN_OVER_S)
        assert not other.leads
        other.may_lead = True
        assert await seconds_until(lambda: other.leads) <= RETRY_S + A_WIRE_S

    play(story)


def test_one_that_is_cut_off_has_ended_its_writes_before_another_begins() -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        one.wire.is_cut = True
        last_write_ends = 0.0
        while not other.leads:
            if one.leads:
                last_write_ends = max(last_write_ends, now() + one.leadership.left())
            await asyncio.sleep(0.05)
        assert last_write_ends + SPARE_S - 0.1 <= now()
        assert not one.leadership.deposed.is_set()
        one.wire.is_cut = False
        await seconds_until(one.leadership.deposed.is_set, RENEW_S + RETRY_S + A_WIRE_S)
        assert other.leads

    play(story)


def test_after_an_outage_for_all_the_same_one_goes_on() -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        for each in (one, other):
            each.wire.is_cut = True
        await asyncio.sleep(300.0)
        assert not one.leads
        # The renewals under way are given up after 10 s; the other may be faster, or not.
        one.wire.is_cut = False
        await seconds_until(lambda: one.leads, RENEW_S + A_WIRE_S)
        other.wire.is_cut = False
        await asyncio.sleep(60.0)
        assert (one.leads, other.leads, one.resumed) == (True, False, 1)

    play(story)


@pytest.mark.parametrize("seconds", [1.0, 3.0, 6.0])
def test_a_slow_api_server_keeps_nobody_from_leading(seconds: float) -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        one.wire.seconds = other.wire.seconds = seconds
        for _ in range(600):
            await asyncio.sleep(0.1)
            assert one.leads
            assert one.leadership.left() >= LEASE_S - SPARE_S - RENEW_S

    play(story)


@pytest.mark.parametrize("becomes", ["gone", "empty"])
def test_a_lease_that_somebody_takes_away_stays_with_its_holder(becomes: str) -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        assert shared.lease is not None
        claim = replace(shared.lease.claim, holder=None)
        shared.put(None if becomes == "gone" else claim)
        for _ in range(400):
            await asyncio.sleep(0.1)
            assert (one.leads, other.leads) == (True, False)
        assert shared.lease is not None
        assert shared.lease.claim.holder == "one"

    play(story)


def test_a_lease_that_is_gone_after_an_outage_deposes() -> None:
    """Nobody knows who led meanwhile."""

    async def story(shared: SharedLease) -> None:
        one, _ = await leader_and_standby(shared)
        one.wire.is_cut = True
        await asyncio.sleep(RENEW_S + RETRY_S)
        shared.put(None)
        one.wire.is_cut = False
        await seconds_until(one.leadership.deposed.is_set, RENEW_S + RETRY_S + A_WIRE_S)

    play(story)


def test_a_lease_that_is_said_to_last_for_years_is_not_waited_for() -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        one.kill()
        assert shared.lease is not None
        shared.put(replace(shared.lease.claim, lasts_s=10**9))
        assert await seconds_until(lambda: other.leads) <= TAKEN_OVER_S + RETRY_S

    play(story)


def test_who_took_it_leads_although_the_answer_was_lost() -> None:
    async def story(shared: SharedLease) -> None:
        process = Process(shared, "one").start()
        await asyncio.sleep(LEASE_S - 1.0)
        process.wire.loses_answers = True
        await seconds_until(lambda: "take" in process.wire.done)
        process.wire.loses_answers = False
        assert not process.leads
        assert await seconds_until(lambda: process.leads) <= RENEW_S + RETRY_S + A_WIRE_S

    play(story)


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_a_clock_that_is_far_off_is_told_and_changes_nothing(
    ahead: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared, ahead=ahead)
        assert other.metric("clock_difference_seconds") == pytest.approx(-ahead, abs=RETRY_S)
        one.kill()
        assert await seconds_until(lambda: other.leads) <= TAKEN_OVER_S + A_WIRE_S

    play(story)
    assert sum("the clock of one is" in each.message for each in caplog.records) == 1


def test_clocks_that_step_change_nothing_and_are_told_while_they_differ() -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        for step, told in ((3600.0, 3600.0), (-7200.0, -3600.0), (3600.0, 0.0)):
            one.ahead += step
            for _ in range(200):
                await asyncio.sleep(0.1)
                assert (one.leads, other.leads) == (True, False)
            assert other.metric("clock_difference_seconds") == pytest.approx(told, abs=RETRY_S)

    play(story)


def test_a_lease_that_was_renewed_long_ago_says_nothing_about_clocks() -> None:
    async def story(shared: SharedLease) -> None:
        shared.put(Claim("dead", LEASE_S, -86400.0, 7))
        process = Process(shared, "one").start()
        assert await seconds_until(lambda: process.leads) <= LEASE_S + A_WIRE_S
        assert process.metric("clock_difference_seconds") == 0.0
        assert shared.lease is not None
        assert shared.lease.claim.transitions == 8

    play(story)


def test_who_leads_is_said() -> None:
    async def story(shared: SharedLease) -> None:
        one, other = await leader_and_standby(shared)
        assert one.leadership.said == "leading"
        assert other.leadership.said == "standby, one leads"
        one.wire.is_cut = True
        await asyncio.sleep(RENEW_S + RETRY_S)
        assert one.leadership.said == "leading, but the Lease could not be renewed"

    play(story)


def test_why_it_cannot_stand_by_is_said() -> None:
    async def story(shared: SharedLease) -> None:
        process = Process(shared, "one")

        async def refused() -> None:
            raise ApiError("GET", "lease", 403, "may not get resource leases")

        process.wire.read = refused  # type: ignore[method-assign]
        process.start()
        await asyncio.sleep(1.0)
        said = process.leadership.trouble
        assert said is not None
        assert "model-rollouts/model-rollouts" in said
        assert "may not get resource leases" in said

    play(story)


Blow = tuple[str, int, float]
"""What happens to which process, and how many seconds later the next thing does."""

BLOWS = (
    "cut",
    "heal",
    "slow",
    "fast",
    "lose",
    "keep",
    "kill",
    "start",
    "release",
    "step",
    "gone",
    "empty",
    "cold",
    "warm",
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(BLOWS), st.integers(0, 2), st.floats(0.0, 25.0)),
        min_size=3,
        max_size=15,
    )
)
def test_no_two_may_write_at_once(blows: list[Blow]) -> None:
    """Each process gets a new name when it starts again, and what it may write is over by then."""

    async def story(shared: SharedLease) -> None:
        processes = [Process(shared, f"{i}", booted=-100.0 * i).start() for i in range(3)]
        names = iter(range(3, 1000))
        last: dict[Process, float] = {}

        async def look(seconds: float) -> None:
            for _ in range(max(1, int(seconds / 0.25))):
                for each in processes:
                    if each.leads:
                        others = [end for who, end in last.items() if who is not each]
                        assert max(others, default=0.0) <= now(), "two may write"
                        last[each] = now() + each.leadership.left()
                await asyncio.sleep(0.25)

        for blow, which, seconds in blows:
            hit = processes[which]
            match blow:
                case "cut" | "heal":
                    hit.wire.is_cut = blow == "cut"
                case "slow" | "fast":
                    hit.wire.seconds = 7.0 if blow == "slow" else 0.02
                case "lose" | "keep":
                    hit.wire.loses_answers = blow == "lose"
                case "kill":
                    hit.kill()
                case "start":
                    hit.kill()
                    processes[which] = Process(shared, f"{next(names)}").start()
                case "release":
                    # Who gives it back has ended its writes before.
                    last.pop(hit, None)
                    await asyncio.wait_for(_quietly(hit), 30.0)
                case "step":
                    hit.ahead += 3600.0
                case "gone" | "empty":
                    if shared.lease is None or blow == "gone":
                        shared.put(None)
                    else:
                        shared.put(replace(shared.lease.claim, holder=None))
                case "cold" | "warm":
                    hit.may_lead = blow == "warm"
            await look(seconds)
        for each in processes:
            each.kill()
        fresh = Process(shared, "last").start()
        assert await seconds_until(lambda: fresh.leads) <= TAKEN_OVER_S + 60.0

    play(story)


async def _quietly(process: Process) -> None:
    release = asyncio.ensure_future(process.leadership.release())
    await asyncio.wait({release}, timeout=10.0)
    release.cancel()
