"""One reading of samples for all rollouts, at its time; and counts that find their rollout."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.cluster.kinds import HTTP_ROUTE
from model_rollouts.decision import Judge, Rules, breaker
from model_rollouts.decision import errors as errors_of
from model_rollouts.engine import ticker
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.sessions import Sessions
from model_rollouts.engine.store import Key, Store
from model_rollouts.engine.ticker import Beat, Ticker
from model_rollouts.metrics.counts import Counted, IntervalCounts, Unavailable
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.grid import Grid, sparing_grid
from model_rollouts.metrics.objectives import errors
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.rollout.memory import Memory, Service, Trial

KEY = Key("shop", "arrival")
NOW_MS = 1_000_000


def measured(started_ms: int = 0, since_ms: int | None = None) -> Request:
    """What `arrival` measures."""
    arms = (Arm("candidate", "arrival-2"), Arm("stable", "arrival-1"))
    rollout = MeasuredRollout(str(KEY), "shop", arms, (errors("errors"),), started_ms)
    return Request(rollout, None if since_ms is None else Watermark(since_ms))


def settled(started_ms: int = 0, since_ms: int | None = None) -> Request:
    """What `arrival` measures when it serves alone after its watch."""
    request = measured(started_ms, since_ms)
    return replace(request, rollout=replace(request.rollout, sparing=True))


def counted(at_ms: int, *, behind: bool = False, empty: bool = False) -> Counted:
    """One interval up to `at_ms`."""
    interval = IntervalCounts(at_ms - 5_000, at_ms, {}, ())
    return Counted(() if empty else (interval,), Watermark(at_ms), behind)


UNAVAILABLE = Unavailable(Finding(Reason.METRICS_UNAVAILABLE, "", (), "prometheus: HTTP 503"))


class Reader:
    """Answers in turn, and remembers what it was asked."""

    delay_ms = 0

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Sequence[Request], int]] = []
        self.meanwhile: Any = lambda: None

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        """The next answer, for each that is asked for."""
        self.asked.append((requests, now_ms))
        answer = self.answers.pop(0)
        self.meanwhile()
        if isinstance(answer, Exception):
            raise answer
        return {request.rollout.key: answer for request in requests}


class World:
    """A ticker with one rollout, whose takes are remembered."""

    def __init__(
        self,
        *answers: Any,
        measures: Request | None = None,
        beat: Beat | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.taken: list[tuple[Any, float]] = []
        self.news = False
        self.reader = Reader(*answers)
        self.store = Store()
        self.queue = KeyedQueue(lambda: 0.0)
        self.rollouts = Sessions(self.take)
        self.rollout = self.rollouts.of(KEY, "u1")
        self.rollout.measures = measures
        self.ticker = Ticker(
            beat=beat or Beat(Grid(5_000), dict.fromkeys(range(0, 5000, 1000), self.reader)),
            store=self.store,
            queue=self.queue,
            rollouts=self.rollouts,
            instruments=OperatorMetrics("test"),
            clock=lambda: NOW_MS / 1000,
            sleep=sleep,
            settle_s=1.0,
        )

    def take(self, memory: Memory, counts: Any, weight: float) -> Memory:
        """Remember what was taken, which may be news of the service."""
        self.taken.append((counts, weight))
        known = memory.service
        return replace(memory, service=replace(known, has_news=self.news)) if known else memory

    def tick(self, phase_ms: int = 0) -> bool:
        """One tick of a phase."""
        return asyncio.run(self.ticker.tick(phase_ms))


class Resting:
    """A plan that holds for all counts, or for none."""

    def __init__(self, *, holds: bool) -> None:
        self._holds = holds

    def holds(self, memory: Memory, now: float) -> bool:
        """Whether it holds."""
        return self._holds


@pytest.mark.parametrize(
    ("rest", "answer", "passes"),
    [
        pytest.param(Resting(holds=True), counted(1_000_000), 0, id="they change nothing"),
        pytest.param(Resting(holds=False), counted(1_000_000), 1, id="they change something"),
        pytest.param(None, counted(1_000_000), 1, id="any may change something"),
        pytest.param(Resting(holds=True), UNAVAILABLE, 1, id="there are none"),
    ],
)
def test_a_pass_follows_counts_that_change_something(rest: Any, answer: Any, passes: int) -> None:
    world = World(answer, measures=measured())
    world.rollout.rest = rest

    world.tick()

    assert len(world.taken) == 1
    assert world.queue.depth == passes


def test_counts_that_come_during_a_pass_have_one_of_their_own() -> None:
    world = World(counted(1_000_000), measures=measured())
    world.rollout.begin()
    world.rollout.rest = Resting(holds=True)  # type: ignore[assignment]

    world.tick()

    assert world.queue.depth == 1


def test_counts_that_cannot_be_judged_end_the_rest() -> None:
    world = World(counted(1_000_000), measures=measured())
    world.rollout.rest = Resting(holds=True)  # type: ignore[assignment]

    def refuses(memory: Memory, counts: Any, weight: float) -> Memory:
        raise ValueError("counts")

    world.rollout.take = refuses

    world.tick()

    assert world.queue.depth == 1


def test_without_rollouts_nothing_is_asked() -> None:
    world = World()

    assert world.tick() is False
    assert world.reader.asked == []


@pytest.mark.parametrize(
    ("now_ms", "pause"), [(1_000_000, 1.0), (1_000_999, 0.001), (1_001_000, 5.0), (1_003_500, 2.5)]
)
def test_an_interval_is_read_a_second_after_its_end(now_ms: int, pause: float) -> None:
    world = World()
    world.ticker._clock = lambda: now_ms / 1000

    assert world.ticker.pause(0) == pytest.approx(pause)


def test_intervals_of_another_phase_end_at_other_times() -> None:
    assert World().ticker.pause(2_000) == pytest.approx(3.0)


def test_a_rollout_is_read_in_the_phase_in_which_its_counting_began() -> None:
    world = World(counted(1_002_000), measures=measured(started_ms=2_300))

    for phase_ms in (0, 1_000, 3_000, 4_000):
        world.tick(phase_ms)
    assert world.reader.asked == []
    world.tick(2_000)
    assert len(world.reader.asked) == 1


def test_the_last_interval_is_asked_for_and_not_the_one_before() -> None:
    world = World(counted(1_000_000), measures=measured())
    world.ticker._clock = lambda: 1_001.0

    world.tick()

    ((_, as_if_ms),) = world.reader.asked
    assert Grid(5_000).closed_until(as_if_ms) == 1_000_000


def test_counts_are_taken_and_wake_the_rollout_first() -> None:
    world = World(counted(1_000_000), measures=measured())
    world.queue.add(Key("shop", "another"))

    world.tick()

    assert [counts for counts, _ in world.taken] == [counted(1_000_000)]
    assert world.queue.take() == KEY
    assert world.rollout.measures == measured(since_ms=1_000_000)


def test_who_is_behind_is_read_again_from_where_it_came() -> None:
    world = World(counted(5_000, behind=True), counted(10_000), measures=measured())

    assert world.tick() is True
    assert world.tick() is False
    assert [requests[0].since for requests, _ in world.reader.asked] == [None, Watermark(5_000)]


def test_nothing_new_wakes_nobody() -> None:
    world = World(counted(0, empty=True), measures=measured())

    world.tick()

    assert world.queue.take() is None


def test_no_answer_is_told_and_moves_nothing() -> None:
    world = World(UNAVAILABLE, counted(5_000), measures=measured())

    world.tick()
    assert world.rollout.metrics_error == "prometheus: HTTP 503"
    assert world.rollout.measures == measured()
    assert world.queue.take() == KEY
    world.tick()
    assert world.rollout.metrics_error is None


def test_an_error_of_ours_does_not_end_the_beat() -> None:
    world = World(InputError("key", "x", "another"), measures=measured())

    assert world.tick() is False


def test_the_weight_is_that_of_the_route() -> None:
    world = World(counted(5_000), measures=measured())
    judge = Judge(Rules((errors_of("errors", 0.999), breaker())))
    trial = Trial("arrival-2", 1, 0, judge, judge.start())
    world.rollout.memory = Memory(trial=trial)
    backends = [{"name": "arrival-1", "weight": 3}, {"name": "arrival-2", "weight": 1}]
    metadata = {"namespace": "shop", "name": "arrival", "uid": "r", "resourceVersion": "1"}
    world.store.put(
        HTTP_ROUTE, {"metadata": metadata, "spec": {"rules": [{"backendRefs": backends}]}}
    )

    world.tick()

    assert [weight for _, weight in world.taken] == [0.25]


def test_counts_that_come_during_a_pass_wait_for_its_end() -> None:
    world = World(counted(5_000), measures=measured())
    world.rollout.begin()

    world.tick()
    assert world.taken == []
    # The plan was made before: it knows nothing of the tick and asks from where it began.
    world.rollout.keep(Memory(last_request_ms=1), measured())
    world.rollout.end()

    assert len(world.taken) == 1
    assert world.rollout.memory == Memory(last_request_ms=1)
    assert world.rollout.measures == measured(since_ms=5_000)


def test_counts_of_a_trial_that_has_ended_are_dropped() -> None:
    world = World(counted(5_000), measures=measured())
    world.rollout.begin()

    world.tick()
    world.rollout.keep(Memory(), measured(started_ms=5_000))
    world.rollout.end()

    assert world.taken == []
    assert world.rollout.measures == measured(started_ms=5_000)


def test_counts_that_do_not_go_on_from_the_watermark_are_dropped() -> None:
    world = World(counted(10_000), measures=measured(since_ms=5_000))
    world.reader.meanwhile = lambda: world.rollout.keep(Memory(), None)

    world.tick()

    assert world.taken == []
    assert world.queue.take() is None


def test_counts_outlive_a_pass_that_failed() -> None:
    world = World(counted(5_000), measures=measured())
    world.rollout.begin()
    world.tick()
    world.rollout.end()

    assert len(world.taken) == 1
    assert world.rollout.measures == measured(since_ms=5_000)


def test_another_object_of_the_same_name_begins_anew() -> None:
    world = World(measures=measured())

    assert world.rollouts.of(KEY, "u2").measures is None


def sparing(*answers: Any, measures: Request, news: bool = False) -> World:
    """A ticker of the slow pace, with one rollout that serves alone after its watch."""
    world = World(measures=measures)
    world.reader.answers += answers
    readers = dict.fromkeys(range(0, 60_000, 5_000), world.reader)
    slow = World(measures=measures, beat=Beat(sparing_grid(Grid(5_000)), readers, sparing=True))
    slow.reader, slow.news = world.reader, news
    slow.rollout.memory = Memory(service=Service("arrival-1", 1, ()))
    return slow


@pytest.mark.parametrize("slow", [True, False])
def test_a_ticker_reads_what_is_of_its_pace(slow: bool) -> None:
    of_scrapes = World(counted(1_000_000), measures=settled() if slow else measured())
    of_minutes = sparing(counted(1_000_000), measures=settled() if slow else measured())

    of_scrapes.tick()
    of_minutes.tick()

    assert (len(of_scrapes.reader.asked), len(of_minutes.reader.asked)) == (not slow, slow)


@pytest.mark.parametrize("slow", [True, False])
def test_a_ticker_wakes_for_rollouts_of_its_pace_alone(slow: bool) -> None:
    async def test() -> None:
        beat = Beat(Grid(5_000), {0: Reader()}, sparing=slow)
        slept: asyncio.Queue[float] = asyncio.Queue()

        async def sleep(seconds: float) -> None:
            slept.put_nowait(seconds)
            await asyncio.Event().wait()

        world = World(measures=measured() if slow else settled(), beat=beat, sleep=sleep)
        running = asyncio.create_task(world.ticker.run())
        for _ in range(5):
            await asyncio.sleep(0)
        assert slept.empty()
        world.rollout.measures = settled() if slow else measured()
        assert 0 < await slept.get() <= 5
        running.cancel()

    asyncio.run(asyncio.wait_for(test(), 10))


@pytest.mark.parametrize(
    ("together", "turn"),
    [
        # 37.5 s after a minute, and 4,000,000 s are 40 s after one.
        pytest.param(0, (40_000 + 37_500) % 60_000 // 5_000, id="many have a part of it each"),
        pytest.param(1, 0, id="few are read together"),
    ],
)
def test_a_service_is_read_once_in_a_minute(
    monkeypatch: pytest.MonkeyPatch, together: int, turn: int
) -> None:
    monkeypatch.setattr(ticker, "TOGETHER", together)
    world = sparing(counted(1_000_000), measures=settled(started_ms=4_000_037_500))

    asked = []
    for phase_ms in range(0, 60_000, 5_000):
        world.tick(phase_ms)
        asked.append(len(world.reader.asked))

    assert (asked.index(1), asked[-1]) == (turn, 1)


@pytest.mark.parametrize(
    ("services", "readings"), [(1, 1), (150, 1), (151, 2), (800, 6), (2_000, 12)]
)
def test_few_services_are_read_together(services: int, readings: int) -> None:
    world = sparing(*[counted(1_000_000)] * 12, measures=settled())
    for number in range(1, services):
        key = Key("shop", f"arrival-{number}")
        request = settled(started_ms=397 * number)
        rollout = replace(request.rollout, key=str(key))
        world.rollouts.of(key, f"u{number}").measures = replace(request, rollout=rollout)

    for phase_ms in range(0, 60_000, 5_000):
        world.tick(phase_ms)

    assert len(world.reader.asked) == readings
    read = [each.rollout.key for requests, _ in world.reader.asked for each in requests]
    assert len(read) == len(set(read)) == services


def test_at_the_slow_pace_counts_wake_nobody() -> None:
    world = sparing(counted(1_000_000), measures=settled())

    world.tick()

    assert [counts for counts, _ in world.taken] == [counted(1_000_000)]
    assert world.rollout.measures == settled(since_ms=1_000_000)
    assert world.queue.take() is None


def test_at_the_slow_pace_news_wake_the_rollout() -> None:
    world = sparing(counted(1_000_000), measures=settled(), news=True)

    world.tick()

    assert world.queue.take() == KEY


def test_at_the_slow_pace_counts_that_come_during_a_pass_are_looked_at_after_it() -> None:
    """Whether they are news is not known before the pass has ended."""
    world = sparing(counted(1_000_000), measures=settled(), news=True)
    world.rollout.begin()

    world.tick()
    world.rollout.keep(world.rollout.memory, settled())
    world.rollout.end()

    assert world.rollout.memory.has_news
    assert world.queue.take() == KEY


def test_at_the_slow_pace_no_answer_holds_nothing() -> None:
    """The next version would wait for the next reading, a minute later."""
    world = sparing(UNAVAILABLE, measures=settled())

    world.tick()

    assert world.rollout.metrics_error is None
    assert world.rollout.measures == settled()
    assert world.queue.take() is None


def test_counts_of_a_watch_that_has_ended_are_dropped() -> None:
    """They come again at the slow pace, which begins where the watch was known to have come."""
    watch = MeasuredRollout(
        str(KEY), "shop", (Arm("candidate", "arrival-1"),), (errors("errors"),), 0
    )
    world = World(counted(1_000_000), measures=Request(watch))
    world.rollout.begin()
    alone = replace(watch, arms=(Arm("stable", "arrival-1"),), started_ms=7, sparing=True)

    world.tick()
    world.rollout.keep(Memory(), Request(alone, Watermark(995_000)))
    world.rollout.end()

    assert world.taken == []
    assert world.rollout.measures == Request(alone, Watermark(995_000))


def test_nothing_is_read_of_an_object_that_was_replaced() -> None:
    world = World(counted(1_000_000), measures=measured())
    before = world.rollout
    world.rollouts.of(KEY, "u2")
    # A pass over the one before ends only now.
    before.measures = measured()

    world.tick()
    assert world.reader.asked == []


def test_nothing_is_read_of_an_object_that_is_gone() -> None:
    world = World(counted(1_000_000), measures=measured())
    world.rollouts.forget(KEY)

    world.tick()
    assert world.reader.asked == []
