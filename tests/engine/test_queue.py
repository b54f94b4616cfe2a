"""No key is lost, none is worked on twice at once, and each comes when it is due."""

import asyncio
import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from model_rollouts.engine.queue import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, KeyedQueue
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


def test_events_do_not_shorten_a_backoff() -> None:
    keyed, clock = queue()
    keyed.add(A)
    keyed.take()
    keyed.done(A, failed=True)
    keyed.add(A, urgent=True)

    assert keyed.take() is None
    clock.now += FIRST_BACKOFF_S
    assert keyed.take() == A


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


def test_the_oldest_pass_is_known() -> None:
    keyed, clock = queue()
    keyed.add(A)
    keyed.take()
    clock.now += 7

    assert keyed.longest_running == 7


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


class Model(RuleBasedStateMachine):
    """Every key that was added is given out at its time, to one worker at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.keyed, self.clock = queue()
        self.due: dict[Key, float] = {}
        self.not_before: dict[Key, float] = {}
        self.running: set[Key] = set()

    keys = st.sampled_from([A, B, C])

    @rule(key=keys, after=st.sampled_from([0.0, 1.0, 30.0]), urgent=st.booleans())
    def add(self, key: Key, after: float, urgent: bool) -> None:
        self.keyed.add(key, after=after, urgent=urgent)
        self.due[key] = min(self.due.get(key, math.inf), self.clock.now + after)

    @rule(key=keys)
    def forgive(self, key: Key) -> None:
        self.keyed.forgive(key)
        self.not_before.pop(key, None)

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def take(self) -> None:
        ready = self.ready()
        key = self.keyed.take()
        if key is None:
            assert not ready
            return
        assert key in ready
        assert key not in self.running
        self.running.add(key)
        del self.due[key]

    @precondition(lambda self: self.running)
    @rule(data=st.data(), failed=st.booleans())
    def done(self, data: st.DataObject, failed: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.running.remove(key)
        backoff = self.keyed.done(key, failed=failed)
        if failed:
            self.not_before[key] = self.clock.now + backoff
            self.due[key] = min(self.due.get(key, math.inf), self.clock.now + backoff)
        else:
            self.not_before.pop(key, None)

    def ready(self) -> set[Key]:
        now = self.clock.now
        return {
            key
            for key, due in self.due.items()
            if key not in self.running and max(due, self.not_before.get(key, 0.0)) <= now
        }

    @invariant()
    def depth_is_what_waits(self) -> None:
        assert self.keyed.depth == len(self.ready())


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
