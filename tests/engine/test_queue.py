"""No key is lost, none is worked on twice at once, and each comes when it is due."""

import asyncio
import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from model_rollouts.engine.backoff import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    LONGEST_URGENT_BACKOFF_S,
)
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.store import Key

A, B, C = (Key("shop", name) for name in "abc")


class Clock:
    """A clock that stands until it is moved."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def queue() -> tuple[KeyedQueue, Clock]:
    """A queue without jitter, and its clock."""
    clock = Clock()
    return KeyedQueue(clock, jitter=lambda: 1.0), clock


def test_keys_come_in_the_order_in_which_they_became_due() -> None:
    keyed, clock = queue()
    keyed.add(B, after=2)
    keyed.add(A, after=1)
    clock.now += 3

    assert [keyed.take(), keyed.take(), keyed.take()] == [A, B, None]


def test_an_earlier_time_wins() -> None:
    keyed, clock = queue()
    keyed.add(A, after=60)
    keyed.add(A, after=5)
    keyed.add(A, after=30)

    assert keyed.next_due() == clock.now + 5


def test_what_is_urgent_goes_first() -> None:
    keyed, _ = queue()
    for key in (A, B, C):
        keyed.add(key)
    assert keyed.depth == 3
    keyed.add(C, urgent=True)

    assert [keyed.take(), keyed.take(), keyed.take()] == [C, A, B]


def test_news_during_a_pass_wait_for_its_end() -> None:
    keyed, _ = queue()
    keyed.add(A)
    assert keyed.take() == A
    keyed.add(A)
    assert keyed.take() is None
    keyed.done(A)

    assert keyed.take() == A


def test_each_failure_doubles_the_wait_up_to_a_minute() -> None:
    keyed, clock = queue()
    waits = []
    for _ in range(10):
        keyed.add(A)
        clock.now = keyed.next_due() or math.nan
        assert keyed.take() == A
        waits.append(keyed.done(A, failed=True))

    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def fail(keyed: KeyedQueue, clock: Clock, times: int, *, urgent: bool = False) -> list[float]:
    """Seconds that A is backed off for after each of so many failures, as each becomes due."""
    waits = []
    for _ in range(times):
        keyed.add(A)
        clock.now = keyed.next_due() or math.nan
        assert keyed.take() == A
        waits.append(keyed.done(A, failed=True, urgent=urgent))
    return waits


def test_events_do_not_shorten_a_backoff() -> None:
    keyed, clock = queue()
    fail(keyed, clock, 6)
    keyed.add(A)

    clock.now += 15.9
    assert keyed.take() is None
    clock.now += 0.1
    assert keyed.take() == A


def test_what_protects_is_tried_again_within_seconds() -> None:
    keyed, clock = queue()

    assert fail(keyed, clock, 7, urgent=True) == [0.5, 1, 2, 4, 5, 5, 5]
    assert keyed.next_due() == clock.now + 5
    clock.now += 5
    assert keyed.take(urgent=True) == A


def test_what_is_urgent_goes_before_the_backoff_of_what_failed_before() -> None:
    keyed, clock = queue()
    fail(keyed, clock, 9)
    clock.now += 1
    keyed.add(A, urgent=True)

    assert keyed.next_due() == clock.now + 4
    clock.now += 30
    keyed.add(B)
    assert [keyed.take(), keyed.take()] == [A, B]


def test_a_reserved_worker_takes_what_is_urgent_and_nothing_else() -> None:
    keyed, _ = queue()
    keyed.add(A)
    keyed.add(B)
    assert keyed.take(urgent=True) is None
    keyed.add(B, urgent=True)

    assert keyed.take(urgent=True) == B
    assert keyed.take(urgent=True) is None
    assert keyed.take() == A


def test_a_reserved_worker_leaves_a_key_to_one_that_is_idle() -> None:
    async def test() -> None:
        keyed = KeyedQueue()
        reserved = asyncio.create_task(keyed.get(urgent=True))
        idle = asyncio.create_task(keyed.get())
        await asyncio.sleep(0)
        keyed.add(A, urgent=True)
        assert await idle == A
        assert not reserved.done()
        keyed.add(B, urgent=True)
        assert await reserved == B
        # Of two at once, each gets one.
        idle, reserved = (
            asyncio.create_task(keyed.get()),
            asyncio.create_task(keyed.get(urgent=True)),
        )
        await asyncio.sleep(0)
        keyed.done(A)
        keyed.add(A, urgent=True)
        keyed.add(C, urgent=True)
        assert {await idle, await reserved} == {A, C}

    asyncio.run(asyncio.wait_for(test(), 10))


def test_a_reserved_worker_hears_of_what_becomes_urgent_while_it_waits() -> None:
    async def test() -> None:
        keyed = KeyedQueue()
        reserved = asyncio.create_task(keyed.get(urgent=True))
        keyed.add(A)
        await asyncio.sleep(0)
        assert keyed.depth == 1
        keyed.add(A, urgent=True)
        assert await reserved == A
        # Not even what was urgent when it was not due yet is overlooked.
        reserved = asyncio.create_task(keyed.get(urgent=True))
        await asyncio.sleep(0)
        keyed.add(B, after=0.01, urgent=True)
        assert await reserved == B

    asyncio.run(asyncio.wait_for(test(), 10))


def test_a_changed_spec_ends_a_backoff() -> None:
    keyed, _ = queue()
    keyed.add(A)
    keyed.take()
    keyed.done(A, failed=True)
    keyed.forgive(A)
    keyed.add(A)

    assert keyed.take() == A


def test_a_success_forgets_failures() -> None:
    keyed, clock = queue()
    for failed in (True, True, False, True):
        keyed.add(A)
        clock.now += LONGEST_BACKOFF_S
        keyed.take()
        waited = keyed.done(A, failed=failed)

    assert waited == FIRST_BACKOFF_S


def test_the_pass_that_makes_no_progress_is_known() -> None:
    keyed, clock = queue()
    for key in (A, B):
        keyed.add(key)
        keyed.take()
    clock.now += 7
    assert keyed.longest_running == 7

    keyed.progressed(A)
    clock.now += 2
    assert keyed.longest_running == 9
    keyed.done(B)
    assert keyed.longest_running == 2


def test_a_waiter_gets_what_is_added_later_and_nothing_once_it_is_closed() -> None:
    async def test() -> None:
        keyed = KeyedQueue()
        waiters = [asyncio.create_task(keyed.get()) for _ in range(3)]
        await asyncio.sleep(0)
        keyed.add(A)
        keyed.add(B, after=0.01)
        done, waiting = await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 2:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        keyed.close()
        (last,) = waiting

        assert {task.result() for task in done} == {A, B}
        assert await last is None

    asyncio.run(asyncio.wait_for(test(), 10))


class Asked(KeyedQueue):
    """Counts how often somebody looked whether there is a key."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def take(self, *, urgent: bool = False) -> Key | None:
        """A key that is due."""
        self.times += 1
        return super().take(urgent=urgent)


async def settle() -> None:
    """Let everybody go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("after", [0.0, 0.01])
def test_one_key_wakes_one_worker(after: float) -> None:
    async def test() -> None:
        keyed = Asked()
        workers = [asyncio.create_task(keyed.get()) for _ in range(12)]
        reserved = [asyncio.create_task(keyed.get(urgent=True)) for _ in range(4)]
        await settle()
        before = keyed.times
        keyed.add(A, after=after)
        done, _ = await asyncio.wait([*workers, *reserved], return_when=asyncio.FIRST_COMPLETED)
        await settle()

        assert [each.result() for each in done] == [A]
        assert keyed.times == before + 1
        keyed.close()
        assert [await each for each in (*workers, *reserved)].count(None) == 15

    asyncio.run(asyncio.wait_for(test(), 10))


@pytest.mark.parametrize("urgent", [True, False])
@pytest.mark.parametrize("woken", [True, False])
def test_the_key_of_a_worker_that_is_cancelled_goes_to_another(
    *, urgent: bool, woken: bool
) -> None:
    async def test() -> None:
        keyed = KeyedQueue()
        first, second = (
            asyncio.create_task(keyed.get()),
            asyncio.create_task(keyed.get(urgent=True)),
        )
        await settle()
        third = asyncio.create_task(keyed.get())
        await settle()
        if woken:
            keyed.add(A, urgent=urgent)
            first.cancel()
        else:
            first.cancel()
            keyed.add(A, urgent=urgent)
        assert await third == A
        keyed.add(B, urgent=True)
        assert await second == B
        assert first.cancelled()

    asyncio.run(asyncio.wait_for(test(), 10))


class Model(RuleBasedStateMachine):
    """Every key that was added is given out at its time, to one worker at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.keyed, self.clock = queue()
        self.due: dict[Key, float] = {}
        self.not_before: dict[Key, float] = {}
        self.urgent_from: dict[Key, float] = {}
        self.urgent: set[Key] = set()
        self.running: set[Key] = set()
        self.failures: dict[Key, int] = {}

    keys = st.sampled_from([A, B, C])

    @rule(key=keys, after=st.sampled_from([0.0, 1.0, 30.0]), urgent=st.booleans())
    def add(self, key: Key, after: float, urgent: bool) -> None:
        self.keyed.add(key, after=after, urgent=urgent)
        self.due[key] = min(self.due.get(key, math.inf), self.clock.now + after)
        if urgent:
            self.urgent.add(key)

    @rule(key=keys)
    def forgive(self, key: Key) -> None:
        self.keyed.forgive(key)
        self.not_before.pop(key, None)
        self.urgent_from.pop(key, None)
        self.failures.pop(key, None)

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(urgent=st.booleans())
    def take(self, urgent: bool) -> None:
        ready = self.ready()
        key = self.keyed.take(urgent=urgent)
        if key is None:
            assert not (ready & self.urgent if urgent else ready)
            return
        assert key in ready
        assert key not in self.running
        assert key in self.urgent or not ready & self.urgent
        self.running.add(key)
        self.urgent.discard(key)
        del self.due[key]

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def hand_on(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.running.remove(key)
        assert self.keyed.done(key, unfinished=True) == 0
        self.due[key] = min(self.due.get(key, math.inf), self.clock.now)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), failed=st.booleans(), urgent=st.booleans())
    def done(self, data: st.DataObject, failed: bool, urgent: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.running.remove(key)
        self.failures[key] = self.failures.get(key, 0) + 1 if failed else 0
        backoff = self.keyed.done(key, failed=failed, urgent=urgent)
        if not failed:
            self.not_before.pop(key, None)
            self.urgent_from.pop(key, None)
            return
        if urgent:
            self.urgent.add(key)
        doubled = FIRST_BACKOFF_S * 2 ** (self.failures[key] - 1)
        self.not_before[key] = self.clock.now + min(doubled, LONGEST_BACKOFF_S)
        self.urgent_from[key] = self.clock.now + min(doubled, LONGEST_URGENT_BACKOFF_S)
        assert backoff == pytest.approx(self.allowed(key) - self.clock.now)
        self.due[key] = min(self.due.get(key, math.inf), self.allowed(key))

    def allowed(self, key: Key) -> float:
        return (self.urgent_from if key in self.urgent else self.not_before).get(key, 0.0)

    def ready(self) -> set[Key]:
        now = self.clock.now
        return {
            key
            for key, due in self.due.items()
            if key not in self.running and max(due, self.allowed(key)) <= now
        }

    @invariant()
    def depth_is_what_waits(self) -> None:
        assert self.keyed.depth == len(self.ready())


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
