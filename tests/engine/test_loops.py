"""An error that nobody foresaw touches one turn of one loop, and never the process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest

from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.kinds import DEPLOYMENT
from model_rollouts.cluster.watch import Changed
from model_rollouts.engine import engine as engines
from model_rollouts.engine import loops
from model_rollouts.engine.engine import Core, Engine
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.store import Key
from model_rollouts.engine.ticker import Beat
from model_rollouts.metrics.counts import Counted, IntervalCounts, Unavailable
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.objectives import errors
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.rollout.actions import Apply, Need
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.plan import Plan
from tests.api.objects import changed
from tests.engine import planners
from tests.engine.conftest import NoHistory
from tests.engine.memory_cluster import MemoryCluster, Silent
from tests.kubernetes_clients import until

ARRIVAL, DEPARTURE = Key("shop", "arrival"), Key("shop", "departure")


class Reader:
    """One interval more for everybody at each tick."""

    delay_ms = 0

    def __init__(self) -> None:
        self.at_ms = 0

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        """The next interval."""
        self.at_ms += 5_000
        interval = IntervalCounts(self.at_ms - 5_000, self.at_ms, {}, ())
        counted = Counted((interval,), Watermark(self.at_ms), behind=False)
        return {request.rollout.key: counted for request in requests}


class Judge:
    """Takes counts; those of some fail."""

    def __init__(self) -> None:
        self.taken = 0
        self.fails = False

    def take(self, memory: Memory, counted: Any, weight: float) -> Memory:
        """Notes that they were taken."""
        if self.fails:
            raise ValueError("interval, start: found 5 s, but everything up to 10 s is counted")
        self.taken += 1
        return Memory(last_request_ms=self.taken)


def plan(observed: Observed, memory: Memory, now: float) -> Plan:
    """Needs a check, then serves, and is measured all the time."""
    model = observed.obj
    name = model["metadata"]["name"]
    arms = (Arm("candidate", f"{name}-2"),)
    rollout = MeasuredRollout(f"shop/{name}", "shop", arms, (errors("errors"),), 0)
    needs = frozenset({Need.CHECK}) if observed.checked is None else frozenset()
    found = planners.plan(observed, memory, now)
    return Plan(
        () if needs else found.actions,
        memory,
        needs=needs,
        tries=Apply(planners.deployment(model)),
        measures=Request(rollout),
        follows_pods=True,
    )


class Operator:
    """An engine at work over a cluster in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loops, "FIRST_DELAY_S", 0.01)
        self.cluster, self.reader, self.judge = MemoryCluster(), Reader(), Judge()
        self.instruments = OperatorMetrics("test")
        client: Any = self.cluster
        self.planner: Callable[[Observed, Memory, float], Plan] = plan
        self.engine = Engine(
            core=Core(lambda *seen: self.planner(*seen), self.judge.take),
            client=client,
            source=client,
            pod_source=Silent(),
            recorder=EventRecorder(client, "test", self.instruments.events_dropped.inc),
            beats=(Beat(Grid(step_ms=50), {0: self.reader}),),
            historian=NoHistory(),
            instruments=self.instruments,
            settle_s=0.0,
        )

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Its run, which must not end before it is told to."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.engine.run(stop))
        try:
            yield
            assert not running.done()
        finally:
            stop.set()
            await running

    def apply(self, key: Key, **changes: Any) -> None:
        """Somebody applies a ModelDeployment."""
        place = {"metadata.namespace": key.namespace, "metadata.name": key.name}
        more = {"metadata.generation": 1, "spec.replicas": 2, **changes}
        self.cluster.put(changed({**place, **more}))

    async def serves(self, key: Key) -> None:
        """Return once everything was done for it: it was checked, told, recorded and counted."""

        def done() -> bool:
            session = self.engine.rollouts.get(key)
            status = self.cluster.objects["ModelDeployment", key.name].get("status")
            events = [name for kind, name in self.cluster.objects if kind == "Event"]
            return (
                session is not None
                and status is not None
                and session.memory.last_request_ms is not None
                and session.metrics_error is None
                and any(name.startswith(key.name) for name in events)
            )

        await until(done, f"{key} does not serve", 10)

    def value(self, name: str, **labels: str) -> float:
        """A counter of the operator."""
        return (
            self.instruments.registry.get_sample_value(f"model_rollouts_{name}_total", labels) or 0
        )


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Operator:
    """One that is not at work yet."""
    return Operator(monkeypatch)


def breaking(monkeypatch: pytest.MonkeyPatch, of: object, name: str) -> list[str]:
    """Have the next call of a method fail, and all after it not; all of them are noted."""
    method, calls = getattr(of, name), []

    def broken(*args: Any, **options: Any) -> Any:
        calls.append(name)
        if len(calls) == 1:
            raise ValueError("nobody foresaw this")
        return method(*args, **options)

    monkeypatch.setattr(of, name, broken)
    return calls


PARTS: dict[str, Callable[[Engine], tuple[object, str]]] = {
    "listing": lambda engine: (engine.supervisor, "list_all"),
    "watching": lambda engine: (engine.supervisor, "_keep_watching"),
    "ticker": lambda engine: (engine._tickers[0], "tick"),
    "recorder": lambda engine: (engine._recorder, "run"),
    "asker": lambda engine: (engine.questions, "_is_answered"),
    "questions": lambda engine: (engine.questions, "run"),
    "worker": lambda engine: (engine.queue, "get"),
    "informer": lambda engine: (engine.supervisor, "run"),
    "pod lists": lambda engine: (engine._pod_reader, "_is_listed"),
    "pod watch": lambda engine: (engine._pod_reader, "_keep_watching"),
    "pod events": lambda engine: (engine.pods.unexplained, "get"),
    "pods": lambda engine: (engine._pod_reader, "run"),
    "budgets": lambda engine: (engine.budgets, "_list"),
}


@pytest.mark.parametrize("part", PARTS)
def test_every_task_of_the_engine_outlives_an_error(
    part: str, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        operator.apply(DEPARTURE)
        calls = breaking(monkeypatch, *PARTS[part](operator.engine))
        async with operator.at_work():
            operator.apply(ARRIVAL)
            # Others go on, whichever of the two it touched.
            await until(lambda: len(calls) > 1, f"the {part} does not go on")
            operator.apply(ARRIVAL, **{"spec.replicas": 3})
            operator.apply(DEPARTURE, **{"spec.replicas": 3})
            await operator.serves(ARRIVAL)
            await operator.serves(DEPARTURE)

    asyncio.run(test())
    assert operator.value("internal_errors", part=part) == 1


def test_the_parts_that_are_tested_are_all_that_there_are(operator: Operator) -> None:
    async def test() -> list[str]:
        async with operator.at_work():
            await until(lambda: operator.engine.supervisor.deaf_for == 0, "no watch")
            coroutines = [task.get_coro() for task in asyncio.all_tasks()]
            frames = [getattr(each, "cr_frame", None) for each in coroutines]
            return [
                frame.f_locals["part"]
                for frame in frames
                if frame is not None and frame.f_code is loops.lasting.__code__
            ]

    parts = asyncio.run(test())
    assert set(parts) == set(PARTS)
    assert parts.count("worker") == engines.WORKERS + engines.URGENT_WORKERS


def test_a_reader_that_fails_is_asked_again_at_the_next_beat_and_its_rollouts_are_told(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str | None] = []

    def noting(observed: Observed, memory: Memory, now: float) -> Plan:
        told.append(observed.metrics_error)
        return plan(observed, memory, now)

    async def test() -> None:
        operator.planner = noting
        breaking(monkeypatch, operator.reader, "tick")
        operator.apply(ARRIVAL)
        async with operator.at_work():
            await operator.serves(ARRIVAL)

    asyncio.run(test())
    assert "the samples could not be read: ValueError: nobody foresaw this" in told
    assert operator.value("ticks", outcome="failed") == 1
    assert operator.value("ticks", outcome="read") >= 1


def test_a_request_that_is_refused_ends_no_beat(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> Any:
        monkeypatch.undo()
        raise InputError("key", "x", "another")

    async def test() -> None:
        monkeypatch.setattr(operator.reader, "tick", refuse)
        operator.apply(ARRIVAL)
        async with operator.at_work():
            await operator.serves(ARRIVAL)

    asyncio.run(test())
    assert operator.value("ticks", outcome="refused") == 1


def test_counts_that_cannot_be_judged_hold_one_rollout_until_the_next_interval(
    operator: Operator,
) -> None:
    told: set[str | None] = set()

    def noting(observed: Observed, memory: Memory, now: float) -> Plan:
        told.add(observed.metrics_error)
        return plan(observed, memory, now)

    async def test() -> None:
        operator.planner, operator.judge.fails = noting, True
        operator.apply(ARRIVAL)
        async with operator.at_work():
            await until(lambda: any(told), "nobody is told")
            operator.judge.fails = False
            await operator.serves(ARRIVAL)

    asyncio.run(test())
    (message,) = told - {None}
    assert message is not None
    assert message.startswith("the counts could not be judged: ValueError: interval, start: ")


def test_counts_that_cannot_be_handed_on_touch_one_rollout(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Reader.tick

    async def forgetful(
        self: Reader, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        found = dict(await real(self, requests, now_ms))
        found.pop(str(ARRIVAL), None)
        return found

    async def test() -> None:
        monkeypatch.setattr(Reader, "tick", forgetful)
        for key in (ARRIVAL, DEPARTURE):
            operator.apply(key)
        async with operator.at_work():
            await operator.serves(DEPARTURE)
            session = operator.engine.rollouts.get(ARRIVAL)
            assert session is not None
            await until(lambda: session.metrics_error, "nobody is told")

    asyncio.run(test())


def test_an_event_that_cannot_be_written_is_dropped_and_the_next_one_is_not(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        breaking(monkeypatch, operator.engine._recorder, "_write")
        operator.apply(ARRIVAL)
        async with operator.at_work():
            await until(lambda: operator.value("events_dropped"), "it was not dropped")
            operator.apply(DEPARTURE)
            await operator.serves(DEPARTURE)

    asyncio.run(test())
    assert operator.value("events_dropped") == 1


@pytest.mark.parametrize("listed", [True, False])
def test_an_object_that_is_none_is_left_out(operator: Operator, listed: bool) -> None:
    odd: Any = {"metadata": {"namespace": "shop", "name": "odd", "resourceVersion": "x"}}

    async def test() -> None:
        operator.apply(ARRIVAL)
        if listed:
            operator.cluster.objects["Deployment", "odd"] = odd
        async with operator.at_work():
            operator.engine.supervisor.on(Changed(DEPLOYMENT, odd))
            await operator.serves(ARRIVAL)

    asyncio.run(test())
    assert operator.value("internal_errors", part="store") >= 1
    assert not operator.engine.store.has(DEPLOYMENT, "shop", "odd")


def test_slow_writes_of_others_hold_up_no_urgent_pass(operator: Operator) -> None:
    """A rollback has workers of its own, however many others wait for the API server."""
    hanging = asyncio.Event()
    waiting: list[str] = []

    async def hang(verb: str, kind: Any, name: str) -> None:
        if verb == "create" and name.startswith("slow"):
            waiting.append(name)
            await hanging.wait()

    async def test() -> None:
        async with operator.at_work():
            operator.apply(ARRIVAL)
            await operator.serves(ARRIVAL)
            operator.cluster.hook = hang
            for number in range(engines.WORKERS + 5):
                operator.apply(Key("shop", f"slow-{number}"))
            await until(lambda: len(waiting) == engines.WORKERS, "they do not hang")
            planned: list[str] = []

            def noting(observed: Observed, memory: Memory, now: float) -> Plan:
                planned.append(observed.obj["metadata"]["name"])
                return plan(observed, memory, now)

            operator.planner = noting
            # Counts come with each tick.
            await until(lambda: "arrival" in planned, "nobody looks at what they mean")
            assert operator.engine.alive() is None
            hanging.set()

    asyncio.run(test())


def test_a_question_that_hangs_is_no_reason_to_restart(operator: Operator) -> None:
    never = asyncio.Event()

    async def hang(verb: str, kind: Any, name: str) -> None:
        if verb == "list" and kind.name == "HTTPRoute" and operator.engine.rollouts.get(ARRIVAL):
            await never.wait()

    async def test() -> None:
        operator.cluster.hook = hang
        async with operator.at_work():
            operator.apply(ARRIVAL)
            await until(lambda: operator.engine.questions.is_open(ARRIVAL, Need.CHECK), "not asked")
            await asyncio.sleep(0)
            assert operator.engine.queue.longest_running < 1
            assert operator.engine.alive() is None

    asyncio.run(test())
