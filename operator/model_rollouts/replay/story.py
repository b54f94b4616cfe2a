"""The story of a replay: interval by interval through the judge, told as events.

The weights of the recorded rollout are history and are not asked for. The replay moves a weight of
its own, as the operator would have: up when the gate is open and the step has lasted long enough.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from model_rollouts.decision import Decision, Judge, Traffic, explain
from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.requests import DEFAULT_WARMUP_MS, Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.replay.recording import Recording
from model_rollouts.rollout import CANDIDATE, SHADOW, STABLE, Counting
from model_rollouts.text import percent


class What(StrEnum):
    """What a replay tells."""

    SHADOW = "Shadow"
    """The first mirrored requests were counted."""
    CANARY = "Canary"
    """The first users were counted."""
    HELD = "Held"
    """Nothing can be decided; the weight stays."""
    RESUMED = "Resumed"
    STEP = "Step"
    """The weight would have gone up."""
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    UNDECIDED = "Undecided"
    """The recording ended first."""


TOLD_AFTER_MS = 60_000
"""A hold is told when it lasts: at little traffic many a single interval counts nothing."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that would have happened at the end of an interval, and why."""

    at_ms: int
    what: What
    weight: float
    words: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One interval, what the evidence for Fail was after it, and the events it brought."""

    record: IntervalCounts
    traffic: Traffic
    fail_evidence: float
    events: tuple[Event, ...]


def intervals(
    recording: Recording, counting: Counting, warmup_ms: int = DEFAULT_WARMUP_MS
) -> Iterator[IntervalCounts]:
    """The counts of a recording, by the same intake that the operator runs.

    `warmup_ms` is that of a `MeasuredRollout`.
    """
    head = recording.header
    arms = [Arm(CANDIDATE, head.candidate), Arm(SHADOW, head.candidate, Listener.SHADOW)]
    if head.stable is not None:
        arms.insert(0, Arm(STABLE, head.stable, compared_with=head.candidate))
    rollout = MeasuredRollout(
        key=f"{head.namespace}/{head.candidate}",
        namespace=head.namespace,
        arms=tuple(arms),
        objectives=counting.counted(),
        started_ms=head.from_ms,
        warmup_ms=warmup_ms,
    )
    intake = Intake(head.grid)
    now_ms = head.until_ms + head.step_ms
    since: Watermark | None = None
    behind = True
    while behind:
        tick = intake.plan([Request(rollout, since)], now_ms)
        answers = [recording.answer(query) for query in tick.queries]
        counted = intake.advance(tick, answers)[rollout.key]
        assert isinstance(counted, Counted)  # a recording always answers
        yield from counted.intervals
        since, behind = counted.watermark, counted.behind


class Story:
    """Feeds intervals to a judge and tells what would have happened; ends at a verdict."""

    def __init__(self, judge: Judge, counting: Counting, min_step_s: float) -> None:
        self._judge = judge
        self._counting = counting
        self._min_step_ms = round(min_step_s * 1000)
        self._weights = (*judge.rules.steps, 1.0)
        self._state = judge.start()
        self._traffic = Traffic.SHADOW
        self._step = 0
        self._step_began = 0
        self._started: int | None = None
        self._told_shadow = False
        self._told_held = False
        self._held_since: int | None = None
        self.ended = False

    def tell(self, record: IntervalCounts) -> Moment:
        """Take the next interval."""
        if self._started is None:
            self._started = record.start_ms
        events = list(self._beginnings(record))
        events += self._holds(record)
        interval = self._counting.interval(record, self._started, self._traffic)
        self._state = self._judge.update(self._state, interval)
        events += self._verdict(record.end_ms)
        return Moment(record, self._traffic, self._judge.fail_evidence(self._state), tuple(events))

    def end(self, at_ms: int) -> Event:
        """What is said when the recording ends before a verdict."""
        verdict = explain(self._judge, self._state)
        notes = (f"{each.reason}: {each.message}." for each in verdict.conditions)
        return self._event(at_ms, What.UNDECIDED, " ".join([verdict.words, *notes]))

    def _beginnings(self, record: IntervalCounts) -> Iterator[Event]:
        if self._traffic is Traffic.LIVE:
            return
        if _requests(record, CANDIDATE):
            self._traffic = Traffic.LIVE
            self._step_began = record.start_ms
            words = f"The candidate gets its first users; the replay starts at {self._weight()}."
            yield self._event(record.end_ms, What.CANARY, words)
        elif (
            self._traffic is Traffic.SHADOW and not self._told_shadow and _requests(record, SHADOW)
        ):
            self._told_shadow = True
            yield self._event(record.end_ms, What.SHADOW, "The candidate gets mirrored requests.")

    def _holds(self, record: IntervalCounts) -> Iterator[Event]:
        why = self._counting.held(record, self._traffic)
        if not why:
            self._held_since = None
            if self._told_held:
                self._told_held = False
                words = "Requests can be judged again."
                yield self._event(record.end_ms, What.RESUMED, words)
            return
        if self._held_since is None:
            self._held_since = record.start_ms
        if not self._told_held and record.end_ms - self._held_since >= TOLD_AFTER_MS:
            self._told_held = True
            yield self._event(
                record.end_ms, What.HELD, "; ".join(each.message for each in why) + "."
            )

    def _verdict(self, at_ms: int) -> Iterator[Event]:
        if self._state.failed_at is not None:
            self.ended = True
            words = explain(self._judge, self._state).words
            yield self._event(at_ms, What.ROLLED_BACK, words)
        elif (
            self._traffic is Traffic.LIVE
            and self._held_since is None
            and at_ms - self._step_began >= self._min_step_ms
        ):
            toward = self._weights[self._step + 1]
            if self._judge.decide(self._state, toward) is Decision.PASS:
                words = explain(self._judge, self._state, toward).words
                self._step, self._step_began = self._step + 1, at_ms
                self.ended = toward == 1
                yield self._event(at_ms, What.PROMOTED if self.ended else What.STEP, words)

    def _event(self, at_ms: int, what: What, words: str) -> Event:
        weight = 0.0 if self._traffic is Traffic.SHADOW else self._weights[self._step]
        return Event(at_ms, what, 0.0 if what is What.ROLLED_BACK else weight, words)

    def _weight(self) -> str:
        return percent(self._weights[self._step])


def _requests(record: IntervalCounts, arm: str) -> int:
    return max((tally.total for tally in record.arms[arm].tallies.values()), default=0)
