"""Which rollouts are asked about apart from all others, because a query about more of them failed.

An answer that is too large, or a limit of the server that one tenant exceeds, must not blind the
others of the query. So a query that failed is halved until the guilty rollout is alone, and what
failed stays apart for a while: the next tick begins with the split. A server that is away is not
asked more often than one that answers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from model_rollouts.metrics.answers import Answer, Failed
from model_rollouts.metrics.batching import Batching, Query
from model_rollouts.prometheus.errors import Smaller

EXTRA_QUERIES = 32
"""Queries of one tick that come of splitting: five halvings for each of three guilty rollouts."""

MOST_APART = 24
"""Groups that are remembered; what else fails stays together."""

APART_S = 300.0
"""So long after its last failure a group is still asked about apart."""

QUIET_S = 30.0
"""So long a rollout that failed while others were answered is not asked about again: its answer may
be 64 MiB, or take as long as the timeout, and all others of a tick wait for it. Each failure in a
row doubles it, up to `APART_S`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a query. `smaller` is None where it was answered.

    `root` numbers the query of the plan that it is a part of; `is_split` says that it became one in
    this tick. What was not `asked` failed a moment ago.
    """

    query: Query
    answer: Answer
    smaller: Smaller | None
    root: int
    is_split: bool = False
    asked: bool = True


@dataclass(slots=True)
class _Group:
    source: str
    keys: frozenset[str]
    until: float
    quiet_s: float = 0.0
    quiet_until: float = 0.0
    failure: str = ""
    is_trial: bool = False
    """Whether it is apart only to see whether a smaller question is answered in time."""


class Splits:
    """What is remembered from one tick to the next; `clock` is in seconds."""

    def __init__(self, batching: Batching, clock: Callable[[], float]) -> None:
        self._batching = batching
        self._clock = clock
        self._groups: list[_Group] = []
        self._hopeless_until = 0.0

    def begin(self, queries: Sequence[Query]) -> Iterator[tuple[int, Query]]:
        """The queries of a tick, what failed lately apart, each with the number of its root."""
        now = self._clock()
        self._groups = [group for group in self._groups if group.until > now]
        for root, query in enumerate(queries):
            rest = query
            for group in self._groups:
                if group.source == query.source.name:
                    parts = self._batching.parted(rest, group.keys)
                    if parts is not None:
                        apart, rest = parts
                        yield root, apart
            yield root, rest

    def quiet(self, query: Query) -> Failed | None:
        """Why a query is not asked now, None when it is."""
        now = self._clock()
        for group in self._groups:
            same = group.source == query.source.name and query.keys <= group.keys
            if same and group.quiet_until > now:
                return Failed(group.failure)
        return None

    def halves(self, outcome: Outcome, left: int) -> tuple[Query, Query] | None:
        """What to ask in place of a query that failed, with `left` queries; None for nothing."""
        hopeless = self._clock() < self._hopeless_until
        if outcome.smaller is not Smaller.HELPS or left < 2 or hopeless:
            return None
        return self._batching.halves(outcome.query)

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Remember what came of a tick."""
        now = self._clock()
        asked = [each for each in outcomes if each.asked]
        if any(each.smaller is None for each in asked):
            self._others_answer(asked, now)
        elif asked:
            self._nothing_answers(asked, now)

    def _others_answer(self, asked: Sequence[Outcome], now: float) -> None:
        for group in self._groups:
            group.is_trial = False
        failing_roots = {each.root for each in asked if each.smaller is not None}
        for each in asked:
            if isinstance(each.answer, Failed) and each.smaller is not Smaller.NO_HELP:
                halves = self._batching.halves(each.query)
                if halves is None:
                    self._keep_apart(each.query, now, each.answer.message)
                elif each.smaller is Smaller.HELPS:
                    # There were too many to find: the next tick continues here.
                    self._keep_apart(each.query, now)
                else:
                    # The next tick asks about less: now it would take the same time again.
                    for half in halves:
                        self._keep_apart(half, now)
            elif each.is_split and each.root not in failing_roots:
                # Nobody is guilty: it was too much together.
                self._keep_apart(each.query, now)

    def _nothing_answers(self, asked: Sequence[Outcome], now: float) -> None:
        if any(each.is_split for each in asked):
            self._hopeless_until = now + QUIET_S
        trials = [group for group in self._groups if group.is_trial]
        self._groups = [group for group in self._groups if not group.is_trial]
        if trials:
            return
        for each in asked:
            if each.smaller is Smaller.MAY_HELP and (halves := self._batching.halves(each.query)):
                self._keep_apart(halves[0], now, is_trial=True)

    def _keep_apart(
        self, query: Query, now: float, failure: str = "", *, is_trial: bool = False
    ) -> None:
        """Have the rollouts of a query asked about apart; with a failure, not before a while."""
        source, quiet_s = query.source.name, 0.0
        mine = [g for g in self._groups if g.source == source and g.keys & query.keys]
        if failure:
            before = max((group.quiet_s for group in mine if group.failure), default=0.0)
            quiet_s = min(max(2 * before, QUIET_S), APART_S)
        kept = [group for group in self._groups if group not in mine]
        if len(kept) < MOST_APART:
            until, quiet_until = now + quiet_s + APART_S, now + quiet_s
            kept.append(_Group(source, query.keys, until, quiet_s, quiet_until, failure, is_trial))
        self._groups = kept
