"""What the engine holds of each ModelDeployment from one pass to the next."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from model_rollouts.engine.store import Key
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.requests import MeasuredRollout, Request
from model_rollouts.rollout import Checked, History, HistoryQuery, Memory

Take = Callable[[Memory, Counted | Unavailable, float], Memory]
"""`judging.take`."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was asked for admission, and when (Unix seconds)."""

    checked: Checked
    at: float

    @property
    def is_clean(self) -> bool:
        """Whether nothing that was found can be cured without a change of the spec."""
        found = self.checked
        return not (found.refusal or found.gateway.conflicts or found.gateway.missing)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found about the past of what `asked` names, and when: nothing of a candidate."""

    asked: HistoryQuery
    history: History
    at: float

    def holds_for(self, query: HistoryQuery) -> bool:
        """Whether the same past is asked about."""
        return (self.asked.served, self.asked.others) == (query.served, query.others)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What Prometheus said of the past of `asked` for one generation of the spec, and when.

    `history` is None when it did not answer.
    """

    asked: HistoryQuery
    generation: int
    history: History | None
    at: float

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing that may come without a change of the spec."""
        if self.history is None:
            return False
        return self.asked.candidate is None or self.history.scraped_ms is not None


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

    uid: str
    take: Take
    memory: Memory = field(default_factory=Memory)
    measures: Request | None = None
    answered: Answered | None = None
    history: Remembered | None = None
    measured: Measured | None = None
    refusal: str | None = None
    """What the API server said about an action of the last plan."""
    metrics_error: str | None = None
    restless: int = 0
    """Passes in a row that found something to do."""
    phase: str = ""
    serves_spec: bool = False
    available: bool = False
    failing: bool = False
    degraded: bool = False
    _busy: bool = False
    _inbox: list[_Delivery] = field(default_factory=list)

    def begin(self) -> None:
        """A pass begins."""
        self._busy = True

    def end(self, memory: Memory | None = None, measures: Request | None = None) -> None:
        """The pass has ended with what its plan handed on, or with nothing when it failed."""
        if memory is not None:
            self.memory = memory
            self.measures = _gone_on(measures, self.measures)
        self._busy = False
        self._settle()

    def deliver(self, asked: Request, counted: Counted | Unavailable, weight: float) -> bool:
        """Take what a tick has counted; False when something else is measured by now."""
        now = self.measures
        if now is None or now.since != asked.since or not _is_same(now.rollout, asked.rollout):
            return False
        if isinstance(counted, Counted):
            self.metrics_error = None
            self.measures = replace(now, since=counted.watermark)
        elif not asked.rollout.sparing:
            # At the slow pace nothing waits for an answer, and the next one comes late.
            self.metrics_error = counted.finding.message
        self._inbox.append(_Delivery(asked, counted, weight))
        if not self._busy:
            self._settle()
        return True

    @property
    def has_news(self) -> bool:
        """Whether what was counted changes what is to be told, or may once a pass has ended."""
        return self._busy or self.memory.has_news

    def _settle(self) -> None:
        for each in self._inbox:
            # A pass may have begun another trial since.
            if self.measures is not None and _is_same(self.measures.rollout, each.request.rollout):
                self.memory = self.take(self.memory, each.counted, each.weight)
        self._inbox.clear()


class Sessions:
    """All of them, by key."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._all: dict[Key, Session] = {}

    def of(self, key: Key, uid: str) -> Session:
        """The rollout of that object; a fresh one for another uid, which is another object."""
        known = self._all.get(key)
        if known is None or known.uid != uid:
            known = self._all[key] = Session(uid, self._take)
        return known

    def get(self, key: Key) -> Session | None:
        """The rollout, None when none is known."""
        return self._all.get(key)

    def forget(self, key: Key) -> None:
        """Its object is gone."""
        self._all.pop(key, None)

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
