"""Made-up looks, one by one or together.

Rare requests make most looks of a day empty. Where looks give the same evidence together as one by
one they are judged as one interval: the verdict and its time stay the same, and come sooner.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from model_rollouts.decision import (
    Compare,
    Counts,
    Course,
    Interval,
    Judge,
    Sample,
    Step,
    is_comparable,
)

Draw = Callable[[float, float], Mapping[str, Sample]]
"""Counts of the look that begins at a time in seconds, at a canary weight."""

_MOST = 1000
"""Looks that are drawn ahead: an hour and more."""


class _Look(NamedTuple):
    samples: Mapping[str, Sample]
    requests: float
    stable: float


class Looks:
    """The looks from `now` on, in seconds, each `look` seconds long."""

    def __init__(self, draw: Draw, judge: Judge, look: float, warm_after: float) -> None:
        """Latency has no counts before `warm_after` seconds."""
        self.now = 0.0
        self._draw = draw
        self._look = look
        self._warm_after = warm_after
        self._timed = {each.name for each in judge.rules.objectives if each.kind.traits.has_latency}
        self._comparing = [
            index
            for index, each in enumerate(judge.processes)
            if each.compare is not Compare.TARGET and not each.objective.is_rate
        ]
        self._ahead: deque[_Look] = deque()
        self._weight = 0.0
        self._singly = 0

    def interval(self, step: Step, looks: int) -> tuple[Interval, float]:
        """The next so many looks as one interval, and the candidate's requests in them."""
        self._weight = float(step.weight)
        drawn = [self._peek(index) for index in range(looks)]
        requests = sum([each.requests for each in drawn])
        samples = drawn[0].samples
        if looks > 1:
            samples = {
                name: Sample(
                    _sum([each.samples[name].candidate for each in drawn]),
                    _sum([each.samples[name].stable for each in drawn]),
                )
                for name in samples
            }
        stable = sum([each.stable for each in drawn])
        load = is_comparable(requests, stable, float(step.pods))
        end = self.now + looks * self._look
        return Interval(self.now, end, samples, comparable_load=load), requests

    def pass_by(self, looks: int, *, redraw: bool) -> None:
        """So many were judged; with `redraw` those after them are of another weight."""
        self.now += looks * self._look
        self._singly = max(0, self._singly - looks)
        for _ in range(looks):
            self._ahead.popleft()
        if redraw:
            self._ahead.clear()
            self._singly = 0

    def alike(self, course: Course, horizon: float) -> int:
        """How many looks from now on give the same evidence together as one by one.

        Those in which the candidate has no request, while stable's wait for one of it: counts that
        wait are added up. The last of them is judged by itself, because what a look may win follows
        from what there was before the one before it.
        """
        if self._singly:
            return 1
        for index in self._comparing:
            pair = course.state.evidence[index].pair
            if pair is None or pair.total:
                return 1
        until = horizon if self.now >= self._warm_after else min(horizon, self._warm_after)
        most = min(_MOST, int((until - self.now) / self._look))
        self._weight = float(course.step.weight)
        quiet = next((index for index in range(most) if self._peek(index).requests), most)
        return max(1, quiet - 1)

    def judge_singly(self, looks: int) -> None:
        """The next so many are judged one by one."""
        self._singly = looks

    def _peek(self, index: int) -> _Look:
        while len(self._ahead) <= index:
            start = self.now + len(self._ahead) * self._look
            samples = self._draw(start, self._weight)
            if start < self._warm_after:
                samples = {name: each for name, each in samples.items() if name not in self._timed}
            counts = samples.values()
            self._ahead.append(
                _Look(
                    samples,
                    max((each.candidate.total for each in counts), default=0.0),
                    max((each.stable.total for each in counts), default=0.0),
                )
            )
        return self._ahead[index]


def _sum(counts: Iterable[Counts]) -> Counts:
    fields = zip(*((c.total, c.bad_at_least, c.bad_at_most, c.far) for c in counts), strict=True)
    return Counts(*map(sum, fields))
