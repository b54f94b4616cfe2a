"""What the status of a ModelDeployment says that is worth telling. Pure: an object in, facts out.

A fact has the same id however often it is read, so that a restart and a second list tell nothing
twice.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from model_rollouts.api.conditions import ConditionType, Reason
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.notifications.kinds import Topic

Object = Mapping[str, Any]

ID_DIGITS = 16
LONGEST_SENTENCE = 1_024
MOST_NUMBERS = 5

_ENDED = {
    Outcome.ROLLED_BACK: Topic.ROLLED_BACK,
    Outcome.UNDECIDED: Topic.UNDECIDED,
    Outcome.PROMOTED: Topic.PROMOTED,
    Outcome.PROMOTED_WITH_BOUND: Topic.PROMOTED,
}
_BY_DESIGN = frozenset({Reason.SCALED_TO_ZERO, Reason.REPLACING_IN_PLACE})
"""Reasons for no answers that the spec asks for."""
_UNDER_WAY = frozenset(each.value for each in Phase if each.is_preparing or each.is_judged)
_TOLD_AS_ENDED = frozenset({Reason.ROLLED_BACK, Reason.UNDECIDED})


@dataclass(frozen=True, slots=True)
class Exposure:
    """How many users a version had: the largest share, such as '25%', and since when (Unix s)."""

    share: str
    since: float


@dataclass(frozen=True, slots=True)
class Occasion:
    """One fact about one ModelDeployment. `at` is since when it is so (Unix seconds)."""

    id: str
    kind: Topic
    uid: str
    namespace: str
    name: str
    at: float
    reason: str
    message: str
    """Why, as a sentence."""
    version: str
    """The version that it is about, empty where it is about none."""
    revision: str
    stable: str
    """The version that serves, empty when none does."""
    labels: dict[str, str] = field(default_factory=dict)
    team: str = ""
    channel: str = ""
    runbook: str = ""
    commit: str = ""
    """`spec.model.gitCommit`, only where the spec is about this version."""
    share: str = ""
    """The share of users that the candidate has now, in a Progress."""
    requests: int = 0
    """How many requests of the version were counted."""
    numbers: tuple[str, ...] = ()
    """What failed, in sentences, where the message does not say it."""
    exposure: Exposure | None = None
    has_ended: bool = False
    """Whether it is over already: it stays told when the status forgets it."""

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """The occasion of an `as_json`."""
        known = dict(found)
        known["kind"] = Topic(known["kind"])
        known["numbers"] = tuple(known["numbers"])
        exposure = known["exposure"]
        known["exposure"] = None if exposure is None else Exposure(**exposure)
        return cls(**known)


def occasions_of(obj: Object) -> tuple[Occasion, ...]:
    """Everything in an object that is worth telling, whoever is told of it."""
    found = _Reader(obj)
    return (
        *found.ended(),
        *found.unavailable(),
        *found.fallback(),
        *found.stalled(),
        *found.by_hand(),
        *found.progress(),
    )


def moment(text: Any) -> float:
    """An RFC 3339 time as Unix seconds; 0 for what is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


class _Reader:
    """Reads one object; what a newer release writes and this one does not know is left out."""

    def __init__(self, obj: Object) -> None:
        self._metadata = obj.get("metadata") or {}
        self._spec = obj.get("spec") or {}
        self._status = obj.get("status") or {}
        self._model = self._spec.get("model") or {}
        self._stable = self._status.get("stable") or {}
        self._candidate = self._status.get("candidate") or {}

    def ended(self) -> Iterator[Occasion]:
        """Rollouts that have ended."""
        for number, past in enumerate(self._status.get("history") or ()):
            kind = _ENDED.get(past.get("outcome"))
            if kind is None:
                continue
            revision = str(past.get("revision") or "")
            # Results are of the last one that was judged.
            is_last = number == 0 and revision == self._candidate.get("revision")
            message = str(past.get("message") or "")
            yield self._made(
                kind,
                (revision, past.get("attempt"), past.get("outcome"), past.get("endedAt")),
                at=moment(past.get("endedAt")),
                reason=str(past.get("outcome")),
                message=message,
                version=str(past.get("version") or ""),
                revision=revision,
                requests=self._requests() if is_last else 0,
                numbers=self._failed(message) if is_last else (),
                has_ended=True,
            )

    def unavailable(self) -> Iterator[Occasion]:
        """That users get no answers, unless the spec asks for it or no version ever served."""
        condition = self._condition(ConditionType.AVAILABLE, "False")
        if condition and self._stable and condition.get("reason") not in _BY_DESIGN:
            yield self._holding(Topic.UNAVAILABLE, condition, self._stable)

    def fallback(self) -> Iterator[Occasion]:
        """That a fallback answers in place of the model."""
        condition = self._condition(ConditionType.FALLBACK_ACTIVE, "True")
        if condition:
            yield self._holding(Topic.FALLBACK_ACTIVE, condition, self._stable)

    def stalled(self) -> Iterator[Occasion]:
        """That nothing continues without a change; what has ended is told as that."""
        condition = self._condition(ConditionType.STALLED, "True")
        if condition and condition.get("reason") not in _TOLD_AS_ENDED:
            yield self._holding(Topic.STALLED, condition, self._wanted())

    def by_hand(self) -> Iterator[Occasion]:
        """What was done by hand and is in force; a rollback is told when it is done."""
        if self._status.get("observedGeneration") != self._metadata.get("generation"):
            return
        now = self._changed_at()
        if self._spec.get("paused"):
            yield self._made(
                Topic.BY_HAND,
                ("paused",),
                at=now,
                reason="Pause",
                message="Paused: weights stay as they are, and deadline timers are stopped.",
                **self._of(self._wanted()),
            )
        override = (self._spec.get("strategy") or {}).get("override") or {}
        ignored = self._condition(ConditionType.OVERRIDE_IGNORED, "True")
        if not override or override.get("action") == "Rollback" or ignored:
            return
        action, version = str(override.get("action")), str(override.get("version"))
        yield self._made(
            Topic.BY_HAND,
            ("override", version, action, override.get("reason")),
            at=now,
            reason=action,
            message=f"{action} of version {version} by strategy.override: "
            f"{override.get('reason')}.",
            **self._of({"version": version}),
        )

    def progress(self) -> Iterator[Occasion]:
        """Where a candidate is that is neither promoted nor rolled back."""
        phase = str(self._status.get("phase") or "")
        if phase not in _UNDER_WAY or not self._candidate:
            return
        weight = str(self._candidate.get("weight") or "")
        revision = self._candidate.get("revision")
        attempt = (self._spec.get("strategy") or {}).get("attempt")
        yield self._made(
            Topic.PROGRESS,
            (revision, attempt, phase, weight),
            at=0.0,
            reason=phase,
            message=str(self._status.get("message") or ""),
            share=weight,
            requests=self._requests(),
            **self._of(self._candidate),
        )

    def _holding(self, kind: Topic, condition: Object, arm: Object) -> Occasion:
        since = condition.get("lastTransitionTime")
        return self._made(
            kind,
            (condition.get("type"), condition.get("reason"), since),
            at=moment(since),
            reason=str(condition.get("reason") or ""),
            message=str(condition.get("message") or ""),
            **self._of(arm),
        )

    def _made(
        self, kind: Topic, told_apart_by: tuple[object, ...], *, message: str, **more: Any
    ) -> Occasion:
        uid = str(self._metadata.get("uid") or "")
        owner = self._spec.get("owner") or {}
        is_of_spec = more.get("version") == self._model.get("version")
        return Occasion(
            id=digest(uid, kind.value, *told_apart_by),
            kind=kind,
            uid=uid,
            namespace=str(self._metadata.get("namespace") or ""),
            name=str(self._metadata.get("name") or ""),
            message=message[:LONGEST_SENTENCE],
            stable=str(self._stable.get("version") or ""),
            labels={str(k): str(v) for k, v in (self._metadata.get("labels") or {}).items()},
            team=str(owner.get("team") or ""),
            channel=str(owner.get("channel") or ""),
            runbook=str(owner.get("runbook") or ""),
            commit=str(self._model.get("gitCommit") or "") if is_of_spec else "",
            **more,
        )

    def _condition(self, type: ConditionType, status: str) -> Object | None:
        """The condition, if it is there with that status."""
        conditions = self._status.get("conditions") or ()
        found = (each for each in conditions if each.get("type") == type)
        return next((each for each in found if each.get("status") == status), None)

    def _wanted(self) -> Object:
        """The candidate, or what stands for it while it has no pods."""
        return self._candidate or {"version": self._model.get("version")}

    def _of(self, arm: Object) -> dict[str, str]:
        return {
            "version": str(arm.get("version") or ""),
            "revision": str(arm.get("revision") or ""),
        }

    def _requests(self) -> int:
        totals = (
            int(each.get("total") or 0)
            for each in self._status.get("objectives") or ()
            # A guard may count something else than requests.
            if each.get("name") == "breaker"
        )
        return next(totals, 0)

    def _failed(self, message: str) -> tuple[str, ...]:
        """What failed, where the message does not say it already."""
        found = [
            str(each.get("message") or "")[:LONGEST_SENTENCE]
            for each in self._status.get("objectives") or ()
            if each.get("verdict") == "Fail"
        ]
        return tuple(each for each in found if each not in message)[:MOST_NUMBERS]

    def _changed_at(self) -> float:
        """When somebody last wrote the spec, as the API server recorded it; 0 when it did not."""
        times = (
            moment(each.get("time"))
            for each in self._metadata.get("managedFields") or ()
            if not each.get("subresource")
        )
        return max(times, default=0.0)


def digest(*parts: object) -> str:
    """A short name for what these parts say, the same in every process."""
    text = "\x1f".join(str(each) for each in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]
