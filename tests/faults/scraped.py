"""Prometheus at the level of samples: the real intake reads what was scraped, or part of it."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.sources import Listener
from model_rollouts.prometheus.errors import QueryError
from model_rollouts.prometheus.reader import SampleReader
from tests.engine.standin_prometheus import Pod, StandinPrometheus
from tests.faults.prometheus import AWAY, Condition, CountedMs, difference
from tests.faults.users import SCRAPE_S, Users
from tests.faults.virtual_time import NOON, now
from tests.rollout.simulated_cluster import Answered

_QUERY_S = 0.01


class Scraped:
    """What the replicas of Prometheus have of the pods of one ModelDeployment."""

    def __init__(
        self,
        namespace: str,
        users: Users,
        condition: Condition,
        counted_ms: CountedMs,
        dice: random.Random,
        pods: Callable[[str], Sequence[str]],
    ) -> None:
        """`pods` gives the names of the pods of a revision, the oldest first."""
        self._pods = pods
        self._users = users
        self._condition = condition
        self._counted_ms = counted_ms
        self._dice = dice
        self._replicas = [StandinPrometheus(namespace) for _ in range(users.replicas)]
        self._before: dict[tuple[str, Listener], Answered] = {}
        self._started: dict[str, float] = {}
        users.scraped = self._scrape

    def readers(self, grid: Grid, phases_ms: range, *, sparing: bool) -> Mapping[int, SampleReader]:
        """A reader for each phase, as the operator has them."""

        def intake(phase: int) -> Intake:
            return Intake(replace(grid, phase_ms=phase), sparing=sparing)

        return {phase: SampleReader(self._ask, intake(phase), now) for phase in phases_ms}

    def _scrape(self, revision: str, replica: int, at: float) -> None:
        users, started = self._users, self._users.started[revision]
        if self._started.get(revision) != started:
            # Counters of pods that have just started are at zero.
            self._started[revision] = started
            for listener in Listener:
                self._before[revision, listener] = users.counted[revision, listener]
        live, shadow = (
            difference(users.counted[revision, each], self._before[revision, each])
            for each in (Listener.LIVE, Listener.SHADOW)
        )
        version = users.versions[revision]
        pod = Pod(
            revision,
            version,
            NOON + started,
            self._counted_ms(revision),
            live.requests,
            live.bad,
            shadow.requests,
            shadow.bad,
            {
                (listener.value, seconds): float(number)
                for listener, given in ((Listener.LIVE, live), (Listener.SHADOW, shadow))
                for seconds, number in given.slow.items()
            },
        )
        standin = self._replicas[replica]
        standin.doubled = {version} if self._condition.scrapes_twice else set()
        # One pod shows what all of them counted.
        first, *others = self._pods(revision) or [pod.name]
        shown = [replace(pod, known_as=first)]
        shown += [
            Pod(revision, version, pod.born, pod.counted_ms, known_as=name) for name in others
        ]
        if self._condition.other_cluster:
            shown.append(_elsewhere(pod))
        for each in shown[: len(shown) - self._condition.unscraped_pods]:
            standin.take(each, round(NOON + at, 3))

    async def _ask(self, text: str, at_ms: int, namespace: str) -> bytes:
        await asyncio.sleep(_QUERY_S)
        if self._condition.is_away:
            raise QueryError(AWAY)
        self._users.settle()
        split = self._condition.is_split
        replica = self._dice.choice(self._replicas) if split else self._replicas[0]
        result = replica.select(text, at_ms / 1000)
        visible = NOON + now() - self._condition.visible_after_s
        if self._dice.random() < self._condition.partial:
            # Of what is older it has all, whenever it is asked about that.
            visible = min(visible, NOON + now() - SCRAPE_S)
        kept = [
            {**each, "values": [value for value in each["values"] if value[0] <= visible]}
            for each in result
        ]
        data = {"resultType": "matrix", "result": [each for each in kept if each["values"]]}
        return msgspec.json.encode({"status": "success", "data": data})


def _elsewhere(pod: Pod) -> Pod:
    """A pod of an equal revision in another cluster: it answers as many, and fails them all."""
    asked, copies = 2 * pod.requests, 2 * pod.copies
    return Pod(
        pod.revision,
        pod.version,
        pod.born,
        pod.counted_ms,
        asked,
        asked,
        copies,
        copies,
        known_as=f"{pod.revision}-elsewhere",
    )
