"""Lists that the API server refuses: tried again alone, told to everybody, and in no storm."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from model_rollouts.cluster.kinds import WATCHED
from model_rollouts.cluster.watch import Listening, Sink, SourceError
from model_rollouts.engine.informer import TOLD_PER_S, Informer
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.sight import Sight
from model_rollouts.engine.store import Key, Store
from tests.api.objects import changed
from tests.engine.memory_cluster import MemoryCluster, error
from tests.faults import virtual_time
from tests.faults.virtual_time import now

MANY = 200


class Quiet:
    """A source that listens, and tells of nothing."""

    async def run(self, sink: Sink) -> None:
        """Listen."""
        sink(Listening())
        await asyncio.Event().wait()


class Refused:
    """A source that the API server does not serve until it `works`."""

    def __init__(self) -> None:
        self.works = False

    async def run(self, sink: Sink) -> None:
        """End at once, or listen."""
        if not self.works:
            raise SourceError("the watch ended: HTTP 403: no")
        await Quiet().run(sink)


class Informed:
    """An informer of many ModelDeployments, and whom it wakes when."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.cluster, self.store = MemoryCluster(), Store()
        for number in range(MANY):
            place = {"metadata.namespace": "shop", "metadata.name": f"model-{number}"}
            self.cluster.put(changed({**place, "metadata.uid": f"uid-{number}"}))
        self.sight = Sight(now)
        self.queue = KeyedQueue(now, jitter=lambda: 0.5)

    def informer(self) -> Informer:
        """It, at its beginning."""
        client: Any = self.cluster
        return Informer(
            source=self.source,
            client=client,
            store=self.store,
            queue=self.queue,
            sight=self.sight,
            instruments=OperatorMetrics("test"),
            clock=now,
            jitter=lambda: 0.5,
        )

    def play(self, story: Callable[["Informed"], Any]) -> None:
        """Run it, from the moment when all was listed and nobody waits."""

        async def played() -> None:
            informer = self.informer()
            running = asyncio.create_task(informer.run())
            await asyncio.wait_for(informer.listed.wait(), 100)
            await asyncio.sleep(700)
            self.woken()
            await story(self)
            running.cancel()

        virtual_time.run(played)

    def woken(self) -> list[Key]:
        """Whose turn it is now."""
        found = []
        while (key := self.queue.take()) is not None:
            found.append(key)
            self.queue.done(key)
        return found

    async def woken_within(self, seconds: int) -> list[int]:
        """How many are woken in each second."""
        counts = []
        for _ in range(seconds):
            await asyncio.sleep(1)
            counts.append(len(self.woken()))
        return counts


def test_a_list_that_is_refused_is_tried_again_alone_and_told_to_everybody_once() -> None:
    async def story(world: Informed) -> None:
        world.cluster.faults["list HTTPRoute"] = error(403, "no such right")
        world.cluster.requests.clear()
        await asyncio.sleep(495)
        world.woken()
        counts = await world.woken_within(80)

        listed = Counter(each.split()[1] for each in world.cluster.requests)
        others = {kind.name: 1 for kind in WATCHED if kind.name != "HTTPRoute"}
        assert listed == {**others, "HTTPRoute": listed["HTTPRoute"]}
        assert listed["HTTPRoute"] >= 5
        (failure,) = world.sight.unseen()
        assert (failure.what, failure.answer) == ("list HTTPRoutes", "HTTP 403: no such right")
        assert (sum(counts), max(counts)) == (MANY, TOLD_PER_S)
        assert sum(await world.woken_within(400)) == 0, "it is told once, however long it lasts"

        world.cluster.faults.clear()
        counts = await world.woken_within(90)
        assert world.sight.unseen() == ()
        assert (sum(counts), max(counts)) == (MANY, TOLD_PER_S)

    Informed(Quiet()).play(story)


def test_other_lists_are_made_as_often_as_ever_while_one_is_refused() -> None:
    async def story(world: Informed) -> None:
        world.cluster.faults["list HTTPRoute"] = error(500)
        world.cluster.requests.clear()
        await asyncio.sleep(6_000)

        assert world.cluster.requests.count("list Service ") == 10
        assert world.cluster.requests.count("list HTTPRoute ") <= 6_000 / 15

    Informed(Quiet()).play(story)


def test_a_watch_that_is_refused_is_told_until_it_stands() -> None:
    source = Refused()

    async def story(world: Informed) -> None:
        (failure,) = world.sight.unseen()
        assert (failure.what, failure.answer) == (
            "watch objects",
            "the watch ended: HTTP 403: no",
        )
        source.works = True
        assert sum(await world.woken_within(90)) >= MANY
        assert world.sight.unseen() == ()

    Informed(source).play(story)


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: kind.name)
def test_what_is_known_stays_known_while_a_list_is_refused(kind: Any) -> None:
    async def story(world: Informed) -> None:
        before = len(world.store)
        world.cluster.faults[f"list {kind.name}"] = error(500)
        await asyncio.sleep(3_000)

        assert len(world.store) == before >= MANY

    Informed(Quiet()).play(story)
