"""What happens to a batch: records are numbered, read, paired, counted, and made rows of."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from model_rollouts.observer.capture.record import Record, RefusedError, record_of
from model_rollouts.observer.capture.sequences import FORGOTTEN_S, Origin, Sequences
from model_rollouts.observer.compare import (
    Answer,
    Case,
    Comparison,
    Outcome,
    Verdict,
    Worst,
    compared,
    rows_of,
)
from model_rollouts.observer.compare.catalogue import LARGEST
from model_rollouts.observer.exporter.counters import Counters, Revision
from model_rollouts.observer.identity import Speaker
from model_rollouts.observer.pairing import Half, Met, Pair, Pairs, Taken
from model_rollouts.observer.protocols import (
    FailedError,
    Tensor,
    TruncatedError,
    UnreadableError,
    protocol_of,
    row_count,
    unpacked,
)
from model_rollouts.observer.protocols.server_timing import stages_of
from model_rollouts.observer.settings import Key, Models, ModelSettings
from model_rollouts.observer.store.chunk import Chunk, Row, Schemas

MOST_ROWS = 1_024
"""Rows of one request that are stored; of more the rest is left out, and the record is cut."""

MOST_SLICES = 50
OTHER_SLICE = "other"
"""Slices of a model that are counted each for itself, and the name of all others."""

_OUTCOMES = {FailedError: Outcome.FAILED, TruncatedError: Outcome.TRUNCATED}

LONGEST_SHOWN = 200
"""Characters of a text that a worst case shows."""


class _Read(NamedTuple):
    answer: Answer
    inputs: list[Tensor]
    outputs: list[Tensor]
    rows: int
    is_unreadable: bool


class Intake:
    """Everything between the receiver and the store. All of it runs in one thread.

    chunk: where the next record is kept, None when there is no room, and `why` then says why.
    ttl_s: how long a half waits; a record that comes later than that is late. `clock` is Unix time.
    """

    def __init__(
        self,
        models: Models,
        counters: Counters,
        sequences: Sequences,
        pairs: Pairs,
        chunk: Callable[[], Chunk | None],
        why: Callable[[], str],
        *,
        ttl_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._models = models
        self._counters = counters
        self._sequences = sequences
        self._pairs = pairs
        self._chunk = chunk
        self._why = why
        self._streams: dict[Revision, int] = {}
        self._silent: dict[Revision, float] = {}
        self._ttl_s = ttl_s
        self._clock = clock
        self._schemas = Schemas()
        self._days: dict[int, str] = {}
        self._candidates: dict[Key, str] = {}
        self._slices: dict[Key, set[str]] = {}
        self.worst: dict[Revision, dict[str, Worst]] = {}
        """By revision and digest of the comparison: distances of two are not of one kind."""

    async def opened(self, speaker: Speaker) -> None:
        """A pod begins to speak: its counters exist from now on. Raises AwayError."""
        key = (speaker.namespace, speaker.model)
        settings = await self._models.load(key, speaker.revision)
        revision = _revision_of(speaker)
        self._begin(revision)
        self._streams[revision] += 1
        self._exist(speaker, settings)
        self._counters.streams.inc()

    def closed(self, speaker: Speaker) -> None:
        """A pod that was opened speaks no longer."""
        self._counters.streams.dec()
        revision = _revision_of(speaker)
        self._streams[revision] -= 1
        if not self._streams[revision]:
            self._silent[revision] = self._clock()

    def refused(self, why: str) -> None:
        """A stream was refused."""
        self._counters.refused.labels(why).inc()

    def take(self, speaker: Speaker, is_shadow: bool, entries: Sequence[Any]) -> None:
        """A batch of HTTPAccessLogEntry of one arm of one pod."""
        key = (speaker.namespace, speaker.model)
        settings = self._models.of(key)
        if is_shadow and speaker.revision != settings.stable:
            self._candidates[key] = speaker.revision
        now = self._clock()
        outcomes: Counter[str] = Counter()
        try:
            for entry in entries:
                outcomes[self._take(speaker, is_shadow, entry, settings, now) or "taken"] += 1
        finally:
            self._count(speaker, is_shadow, outcomes)
        self._give_up(now)

    def settle(self) -> None:
        """What time decides: halves that wait no longer, and records that never come."""
        now = self._clock()
        self._give_up(now)
        for lost in self._sequences.lost(now):
            namespace, model, name, arm, *_ = lost.origin
            self._begin((namespace, model, name))
            self._counters.lost.labels(namespace, model, name, arm).inc(lost.records)
        self._counters.pending.set(len(self._pairs))
        for revision, since in list(self._silent.items()):
            if self._streams[revision]:
                del self._silent[revision]
            elif now - since > FORGOTTEN_S:
                self._forget(revision)
        for key, candidate in list(self._candidates.items()):
            # An objective may have come, or changed, since the stream was opened.
            for each in self._models.of(key).comparisons:
                self._counters.pairs.labels(*key, candidate, each.digest, "")
                self._counters.disagreements.labels(*key, candidate, each.digest, "")

    def _begin(self, revision: Revision) -> None:
        """Count a revision from now on, unless it is counted already."""
        if revision not in self._streams:
            self._counters.begin(revision, self._clock())
            self._streams[revision] = 0
            self._silent[revision] = self._clock()

    def _forget(self, revision: Revision) -> None:
        """No pod of a revision has spoken for long: it is gone, and so are its series."""
        del self._silent[revision], self._streams[revision]
        self._counters.forget(revision)
        self.worst.pop(revision, None)
        if self._candidates.get(revision[:2]) == revision[2]:
            del self._candidates[revision[:2]]

    def _take(
        self,
        speaker: Speaker,
        is_shadow: bool,
        entry: Any,
        settings: ModelSettings,
        now: float,
    ) -> str:
        """What is special about a record, "" for nothing."""
        arm = "shadow" if is_shadow else "live"
        try:
            record = record_of(entry)
        except RefusedError:
            return "refused"
        if record.sequence:
            origin = Origin(
                speaker.namespace, speaker.model, speaker.revision, arm, speaker.uid, record.boot
            )
            if not self._sequences.came(origin, record.sequence, now):
                return "repeated"
        self._time(speaker, arm, record)
        read = _read(record, settings)
        outcome = _outcome(record, read)
        verdict: Verdict | None = None
        # Of a request that was not sampled no version's answer is known.
        if settings.comparisons and record.request_id:
            if now - record.start_s - record.latency_ms / 1e3 > self._ttl_s:
                outcome = "late"
            elif record.boot:
                half = Half(
                    (speaker.namespace, speaker.model),
                    is_shadow,
                    speaker.revision,
                    record.request_id,
                    read.answer,
                    self._slice(speaker, record.slice),
                    record.prediction_id,
                )
                met = self._pairs.add(half, asks_twice=settings.asks_twice)
                if met is Taken.REPEATED:
                    return "repeated"
                if isinstance(met, Met):
                    verdict = self._vote(met.pair, settings) if met.is_new else None
                    self._vote_beside_itself(met, settings)
        self._store(speaker, arm, record, read, settings, verdict, outcome, now)
        return outcome

    def _time(self, speaker: Speaker, arm: str, record: Record) -> None:
        """Count how long stages took, as far as the model said."""
        if not record.server_timing:
            return
        revision = _revision_of(speaker)
        try:
            stages = stages_of(record.server_timing)
        except UnreadableError:
            self._counters.bad_timings.labels(*revision, arm).inc()
            return
        for stage, seconds in stages.items():
            self._counters.stages.labels(*revision, stage, arm).observe(seconds)

    def _vote(self, pair: Pair, settings: ModelSettings) -> Verdict | None:
        """Count a pair in each comparison; the verdict of the first."""
        stable, candidate = pair
        (namespace, model), revision = candidate.model, candidate.revision
        first: Verdict | None = None
        for each in settings.comparisons:
            if stable.revision == revision:
                verdict = Verdict(left_out="same_revision")
            else:
                verdict = compared(stable.answer, candidate.answer, each, candidate.request_id)
            first = first or verdict
            if verdict.left_out:
                self._counters.unpaired.labels(namespace, model, revision, verdict.left_out).inc()
            elif not each.against_itself:
                self._count_vote(revision, pair, each, verdict.disagrees)
                self._keep_worst(pair, each, verdict, settings)
        return first

    def _vote_beside_itself(self, met: Met, settings: ModelSettings) -> None:
        """Count a request that stable answered twice: who differs where the other one does not.

        Both votes are of one request, and each is counted of its own revision.
        """
        pair, itself = met.pair, met.itself
        if itself is None:
            return
        stable, candidate = pair
        (namespace, model), revision = candidate.model, candidate.revision
        for each in settings.comparisons:
            if not each.against_itself:
                continue
            one, other = (
                compared(stable.answer, half.answer, each, candidate.request_id)
                for half in (candidate, itself)
            )
            if one.left_out:
                # Counted with the pair.
                continue
            if other.left_out:
                reason = other.left_out.replace("candidate_", "itself_")
                self._counters.unpaired.labels(namespace, model, revision, reason).inc()
                continue
            self._count_vote(revision, pair, each, one.disagrees and not other.disagrees)
            differs = other.disagrees and not one.disagrees
            self._count_vote(stable.revision, pair, each, differs)
            if not other.disagrees:
                self._keep_worst(pair, each, one, settings)

    def _count_vote(
        self, revision: str, pair: Pair, comparison: Comparison, disagrees: bool
    ) -> None:
        labels = (*pair.candidate.model, revision, comparison.digest, pair.stable.slice)
        self._counters.pairs.labels(*labels).inc()
        disagreed = self._counters.disagreements.labels(*labels)
        if disagrees:
            disagreed.inc()

    def _keep_worst(
        self, pair: Pair, comparison: Comparison, verdict: Verdict, settings: ModelSettings
    ) -> None:
        if not verdict.disagrees:
            return
        of_revision = self.worst.setdefault((*pair.candidate.model, pair.candidate.revision), {})
        worst = of_revision.setdefault(comparison.digest, Worst())
        is_shown = _is_shown(comparison, settings)
        worst.add(_case(pair, comparison.digest, verdict, is_shown=is_shown))

    def _store(
        self,
        speaker: Speaker,
        arm: str,
        record: Record,
        read: _Read,
        settings: ModelSettings,
        verdict: Verdict | None,
        outcome: str,
        now: float,
    ) -> None:
        chunk = self._chunk()
        if chunk is None:
            self._counters.dropped.labels(*_revision_of(speaker), self._why()).inc()
            return
        inputs, outputs, schema = _kept(read.inputs, settings.inputs), read.outputs, None
        outputs = _kept(outputs, settings.outputs)
        if inputs or outputs:
            schema = self._schemas.of(speaker.namespace, speaker.model, inputs, outputs)
            if schema is None:
                self._counters.dropped.labels(*_revision_of(speaker), "schemas").inc()
                inputs, outputs = [], []
            elif schema.digest not in chunk.schemas:
                chunk.schemas[schema.digest] = schema
        chunk.records[speaker.namespace, speaker.model, speaker.revision, arm] += 1
        rows = max(min(read.rows, MOST_ROWS), 1) if schema is not None else 1
        for index in range(rows):
            chunk.add(
                Row(
                    record.prediction_id,
                    record.request_id,
                    index,
                    int(record.start_s * 1e6),
                    self._date(now),
                    speaker.namespace,
                    speaker.model,
                    settings.version_of(speaker.revision),
                    speaker.revision,
                    speaker.pod,
                    arm,
                    record.slice,
                    record.answered_by,
                    record.status,
                    record.flags,
                    record.latency_ms,
                    record.request_length,
                    record.answer_length,
                    outcome or read.answer.outcome.value,
                    schema.digest if schema is not None else "",
                    settings.comparisons[0].digest if verdict is not None else "",
                    _distance(verdict, index),
                ),
                inputs,
                outputs,
            )

    def _date(self, now: float) -> str:
        """The day of the partition: that of the arrival, whatever clock a proxy has."""
        day = int(now // 86_400)
        if day not in self._days:
            self._days = {day: datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")}
        return self._days[day]

    def _slice(self, speaker: Speaker, name: str) -> str:
        """The slice; a client names it, so that there may not be any number of them."""
        known = self._slices.setdefault((speaker.namespace, speaker.model), set())
        if name in known or len(known) < MOST_SLICES:
            known.add(name)
            return name
        return OTHER_SLICE

    def _give_up(self, now: float) -> None:
        for half in self._pairs.expired(now):
            namespace, model = half.model
            if half.is_shadow:
                if half.revision == self._models.of(half.model).stable:
                    # A second answer of stable without the first one is nobody's pair.
                    continue
                labels = (namespace, model, half.revision, "stable_missing")
            elif (revision := self._candidates.get(half.model, half.revision)) != half.revision:
                labels = (namespace, model, revision, "candidate_missing")
            else:
                continue
            self._counters.unpaired.labels(*labels).inc()

    def _count(self, speaker: Speaker, is_shadow: bool, outcomes: Mapping[str, int]) -> None:
        arm = "shadow" if is_shadow else "live"
        for outcome, records in outcomes.items():
            self._counters.records.labels(*_revision_of(speaker), arm, outcome).inc(records)

    def _exist(self, speaker: Speaker, settings: ModelSettings) -> None:
        labels = (speaker.namespace, speaker.model, speaker.revision)
        for each in settings.comparisons:
            self._counters.pairs.labels(*labels, each.digest, "")
            self._counters.disagreements.labels(*labels, each.digest, "")
        for arm in ("live", "shadow"):
            self._counters.records.labels(*labels, arm, "taken")
            self._counters.lost.labels(*labels, arm)


def _revision_of(speaker: Speaker) -> Revision:
    return speaker.namespace, speaker.model, speaker.revision


def _read(record: Record, settings: ModelSettings) -> _Read:
    """The bodies of a record as rows; what is not wanted is not read."""
    outcome, outputs, is_unreadable = _outcome_of(record), [], False
    answers = {}
    wanted = settings.wanted_outputs
    if outcome is Outcome.ANSWERED and record.answer is not None and wanted != frozenset():
        try:
            text = unpacked(record.answer.data, is_base64=record.answer.is_base64)
            declared = settings.answer
            read = declared.read if declared else protocol_of(record.path, text).read_answer
            outputs = read(text, wanted, record.answer_header)
            row_count(outputs)
        except UnreadableError as error:
            outcome, outputs = _OUTCOMES.get(type(error), Outcome.UNREADABLE), []
        for each in settings.comparisons:
            try:
                answers[each.digest] = rows_of(outputs, each)
            except UnreadableError:
                continue
    inputs: list[Tensor] = []
    if settings.inputs != frozenset() and record.request is not None and not record.request.is_cut:
        try:
            text = unpacked(record.request.data, is_base64=record.request.is_base64)
            declared = settings.request
            read = declared.read if declared else protocol_of(record.path, text).read_request
            inputs = read(text, settings.inputs, record.request_header)
            if outputs and row_count(inputs) != row_count(outputs):
                raise UnreadableError("inputs and outputs have different numbers of rows")
        except UnreadableError:
            is_unreadable, inputs = True, []
    rows = row_count(inputs or outputs)
    return _Read(
        Answer(outcome, answers),
        inputs,
        outputs,
        rows,
        is_unreadable or outcome is Outcome.UNREADABLE,
    )


def _outcome_of(record: Record) -> Outcome:
    """What became of the answer, without a look at its values."""
    if not record.answered_by or "DC" in record.flags.split(","):
        return Outcome.BROKEN_OFF
    if record.answered_by == "proxy":
        return Outcome.NO_ANSWER
    if not 200 <= record.status < 300:
        return Outcome.FAILED
    if record.answer is None:
        return Outcome.NOT_CAPTURED
    return Outcome.CUT if record.answer.is_cut else Outcome.ANSWERED


def _outcome(record: Record, read: _Read) -> str:
    bodies = (record.request, record.answer)
    if any(each is not None and each.is_cut for each in bodies) or read.rows > MOST_ROWS:
        return "cut"
    if read.answer.outcome is Outcome.TRUNCATED:
        return "truncated"
    return "unreadable" if read.is_unreadable else ""


def _kept(tensors: list[Tensor], names: frozenset[str] | None) -> list[Tensor]:
    return tensors if names is None else [each for each in tensors if each.name in names]


def _is_shown(comparison: Any, settings: ModelSettings) -> bool:
    return settings.outputs is None or comparison.output in settings.outputs


def _distance(verdict: Verdict | None, row: int) -> float | None:
    if verdict is None or verdict.left_out:
        return None
    if row < len(verdict.distances):
        return verdict.distances[row]
    return LARGEST if verdict.disagrees else None


def _case(pair: Pair, digest: str, verdict: Verdict, *, is_shown: bool) -> Case:
    score = verdict.distances[verdict.furthest] if verdict.distances else LARGEST

    def value(half: Half) -> Any:
        rows = half.answer.rows.get(digest) if is_shown else None
        if not rows or verdict.furthest >= len(rows):
            return None
        found = rows[verdict.furthest]
        return found[:LONGEST_SHOWN] if isinstance(found, str) else found

    return Case(
        pair.stable.prediction_id,
        pair.candidate.request_id,
        pair.stable.slice,
        digest,
        verdict.why,
        score,
        value(pair.stable),
        value(pair.candidate),
    )
