"""What the engine holds of each ModelDeployment from one pass to the next."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from model_rollouts.engine.answers import NEVER, Absent, Answered, Measured, Remembered, pods_of
from model_rollouts.engine.failures import Failures, Origin
from model_rollouts.engine.store import AsOf, Key
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.requests import MeasuredRollout, Request
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import (
    Children,
    FallbackSeen,
    InputsSeen,
    Latencies,
    Memory,
    MirroredSizes,
    Need,
    Observed,
    Pod,
    Rest,
    ScrapedBuckets,
    WorstCases,
)

Take = Callable[[Memory, Counted | Unavailable, float], Memory]
"""`rollout.take_counts`."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Delivery:
    request: Request
    counted: Counted | Unavailable
    weight: float


@dataclass(slots=True)
class Session:
    """One ModelDeployment, for as long as its uid lives.

    Counts of a tick become memory between passes only: a pass hands on the memory that it began
    with, as its plan changed it, so what came in meanwhile waits for its end.
    """

    key: Key
    uid: str
    take: Take
    moved: Callable[["Session"], None]
    """Told of each change of what is measured."""
    memory: Memory = field(default_factory=Memory)
    _measures: Request | None = None
    rest: Rest | None = None
    """For which counts no pass has to be made, as the last plan says it; None for none."""
    answered: Answered | None = None
    history: Remembered | None = None
    measured: Measured | None = None
    absent: Absent | None = None
    sizes: MirroredSizes | None = None
    cases: WorstCases | None = None
    buckets: ScrapedBuckets | None = None
    fallback: FallbackSeen | None = None
    latencies: Latencies | None = None
    inputs: InputsSeen | None = None
    weight: tuple[tuple[AsOf, str], float] | None = None
    """The share of users (0 to 1) that the route as of then gave to a revision."""
    asked: dict[Need, float] = field(default_factory=dict)
    """The questions that are open, each with when it was first asked (Unix seconds)."""
    failures: Failures = field(default_factory=Failures)
    generation: int = 0
    """Of the spec that the last pass saw."""
    metrics_error: str | None = None
    past_failed: bool = False
    """Whether `metrics_error` is that of the last question about the past."""
    restless: int = 0
    """Passes in a row that found something to do and did it."""
    acted: frozenset[str] = frozenset()
    """What the last pass did, by the names of actions."""
    phase: str = ""
    serves_spec: bool = False
    available: bool = False
    failing: bool = False
    degraded: bool = False
    falls_back: bool = False
    _busy: bool = False
    _inbox: list[_Delivery] = field(default_factory=list)

    @property
    def measures(self) -> Request | None:
        """What a ticker has to count, None for nothing."""
        return self._measures

    @measures.setter
    def measures(self, asked: Request | None) -> None:
        self._measures = asked
        self.moved(self)

    def observed(self, model: Object, children: Children, pods: tuple[Pod, ...] | None) -> Observed:
        """What a plan for `model` is made from."""
        return Observed(
            obj=model,
            children=children,
            checked=None if self.answered is None else self.answered.checked,
            history=None if self.history is None else self.history.history,
            metrics_error=self.metrics_error,
            asked_since=min(self.asked.values(), default=None),
            failures=self.failures.told(),
            pods=pods,
            absent=frozenset() if self.absent is None else self.absent.names,
            sizes=self.sizes,
            cases=self.cases,
            buckets=self.buckets,
            fallback=self.fallback,
            latencies=self.latencies,
            inputs=self.inputs,
        )

    def forget_generation(self, generation: int) -> None:
        """What was answered for another generation than this one is asked anew."""
        if generation != self.generation:
            self.failures.settle(Origin.CHECK)
            self.generation = generation
        if self.answered is not None and self.answered.checked.generation != generation:
            self.answered = None
        if self.history is not None and self.history.generation != generation:
            self.history = None

    def again_at(self, children: Children) -> float:
        """When something that is known is to be asked again (Unix seconds), or `answers.NEVER`."""
        times = [self.past_again_at(children)]
        if self.answered is not None:
            times.append(self.answered.again_at)
        if self.absent is not None:
            times.append(self.absent.again_at)
        return min(times)

    def past_again_at(self, children: Children) -> float:
        """When the past is asked about again (Unix seconds), or `answers.NEVER`."""
        past, trial = self.history, self.memory.trial
        if past is None:
            return NEVER
        begun = trial is not None and trial.revision == past.asked.candidate
        return past.again_at(pods_of(past.asked.candidate, children.deployments), begun=begun)

    def begin(self) -> None:
        """A pass begins."""
        self._busy, self.rest = True, None

    def keep(self, memory: Memory, measures: Request | None, rest: Rest | None = None) -> None:
        """The pass hands on what it knows, what is to be measured now, and how long it rests."""
        self.memory = memory.at_rest()
        self.measures = _gone_on(measures, self.measures)
        self.rest = rest

    def end(self) -> None:
        """The pass has ended."""
        self._busy = False
        self._settle()

    def deliver(self, asked: Request, counted: Counted | Unavailable, weight: float) -> bool:
        """Take what a tick has counted; False when something else is measured by now."""
        now = self.measures
        if now is None or now.since != asked.since or not _is_same(now.rollout, asked.rollout):
            return False
        if isinstance(counted, Counted):
            if not self.past_failed:
                # That of the past ends with its question: one that alternates is never at rest.
                self.metrics_error = None
            self.measures = replace(now, since=counted.watermark)
        elif not asked.rollout.sparing:
            # At the slow pace nothing waits for an answer, and the next one comes late.
            self.metrics_error, self.past_failed = counted.finding.message, False
        self._inbox.append(_Delivery(asked, counted, weight))
        if not self._busy:
            self._settle()
        return True

    @property
    def has_waiting(self) -> bool:
        """Whether counts wait for the end of the pass: users may have to be protected."""
        return bool(self._inbox)

    @property
    def has_news(self) -> bool:
        """Whether what was counted changes what is to be told, or may once a pass has ended."""
        return self._busy or self.memory.has_news

    def is_stirred(self, now: float) -> bool:
        """Whether a pass has to follow what was counted, at `now` (Unix seconds)."""
        return self._busy or self.rest is None or not self.rest.holds(self.memory, now)

    def refuse(self, error: Exception) -> None:
        """Counts could not be taken: it is told, and the rollout holds until there are others."""
        self.past_failed, self.rest = False, None
        self.metrics_error = f"the counts could not be judged: {type(error).__name__}: {error}"

    def _settle(self) -> None:
        inbox, self._inbox = self._inbox, []
        for each in inbox:
            # A pass may have begun another trial since.
            if self.measures is not None and _is_same(self.measures.rollout, each.request.rollout):
                try:
                    self.memory = self.take(self.memory, each.counted, each.weight)
                except Exception as error:
                    _log.exception("%s: counts were not judged", each.request.rollout.key)
                    self.refuse(error)


class Sessions:
    """All of them, by key."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._all: dict[Key, Session] = {}
        self._rolled_out: dict[Key, Session] = {}
        """Those that are counted at the pace of scrapes: few, and asked for twice in a second."""
        self._any = {sparing: asyncio.Event() for sparing in (False, True)}

    def of(self, key: Key, uid: str) -> Session:
        """The rollout of that object; a fresh one for another uid, which is another object."""
        known = self._all.get(key)
        if known is None or known.uid != uid:
            known = self._all[key] = Session(key, uid, self._take, self._moved)
            self._moved(known)
        return known

    def get(self, key: Key) -> Session | None:
        """The rollout, None when none is known."""
        return self._all.get(key)

    def forget(self, key: Key) -> None:
        """Its object is gone."""
        self._all.pop(key, None)
        self._rolled_out.pop(key, None)
        self._tell()

    async def wait_for_any(self, *, sparing: bool) -> None:
        """Return once there are rollouts at the pace: without any, no ticker has to wake."""
        await self._any[sparing].wait()

    def number(self, *, sparing: bool) -> int:
        """How many there are at the pace, with those of which nothing is measured yet."""
        rolled_out = len(self._rolled_out)
        return len(self._all) - rolled_out if sparing else rolled_out

    def measured(self, *, sparing: bool) -> Iterator[tuple[Key, Session, Request]]:
        """What is counted at the pace of scrapes, or at the slow one."""
        found = self._all if sparing else self._rolled_out
        for key, session in list(found.items()):
            request = session.measures
            if request is not None and request.rollout.sparing is sparing:
                yield key, session, request

    def _moved(self, session: Session) -> None:
        if self._all.get(session.key) is not session:
            return
        request = session.measures
        if request is None or request.rollout.sparing:
            self._rolled_out.pop(session.key, None)
        else:
            self._rolled_out[session.key] = session
        self._tell()

    def _tell(self) -> None:
        for sparing, there in self._any.items():
            if self.number(sparing=sparing):
                there.set()
            else:
                there.clear()

    def __iter__(self) -> Iterator[tuple[Key, Session]]:
        """Key and rollout of each."""
        return iter(list(self._all.items()))


def _gone_on(planned: Request | None, known: Request | None) -> Request | None:
    """What is to be measured next: as planned, from where a tick has come to meanwhile."""
    if planned is None or known is None or not _is_same(planned.rollout, known.rollout):
        return planned
    ahead = known.since is not None and (
        planned.since is None or planned.since.at_ms < known.since.at_ms
    )
    return replace(planned, since=known.since) if ahead else planned


def _is_same(one: MeasuredRollout, other: MeasuredRollout) -> bool:
    """Whether counts of the one are counts of the other."""
    return (one.arms, one.objectives, one.started_ms) == (
        other.arms,
        other.objectives,
        other.started_ms,
    )
