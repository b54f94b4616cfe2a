"""The one next move of the route: an ordered chain, in which what protects users comes first.

Each policy is a pure function of what was found. The first that has a move decides; none of those
after `held` moves anything while the rollout is held.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from model_rollouts.api.conditions import Reason
from model_rollouts.api.ratio import ratio
from model_rollouts.api.status import Phase
from model_rollouts.api.strategy import Action, StrategyMode
from model_rollouts.decision import (
    DeadlineAction,
    DeadlinePolicy,
    Decision,
    at_deadline,
    explain,
)
from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.found import SETTLED, Found, seconds
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.situation import Hold, Roles

_ALL = Fraction(1)
_TAKE_IT_BACK = "Take it back: "
_NONE = Fraction(0)
_BLIND_OR_FROZEN = frozenset(
    {
        Reason.PAUSED,
        Reason.OVERRIDDEN,
        Reason.GATEWAY_NOT_ACCEPTED,
        Reason.METRICS_UNAVAILABLE,
        Reason.SCRAPE_MISSING,
        Reason.DUPLICATE_TARGETS,
        Reason.STABLE_UNAVAILABLE,
    }
)
"""What a deadline waits for. It does not wait for traffic: that may never come."""


@dataclass(frozen=True, slots=True)
class Next:
    """A write of the route: the roles after it, what is said about it, and why it happens."""

    move: Move
    roles: Roles
    reason: str
    note: str
    why: str
    severity: Severity = Severity.NORMAL

    @property
    def protects(self) -> bool:
        """Whether the route is written before anything else, depending on no other write."""
        return self.move in (Move.ROLL_BACK, Move.DROP, Move.REPAIR)


@dataclass(frozen=True, slots=True)
class At:
    """What a policy looks at."""

    found: Found
    holds: tuple[Hold, ...]
    admitted: bool

    @property
    def trial(self) -> Trial | None:
        """The trial of what is judged now, None before it has begun."""
        trial = self.found.memory.trial
        return trial if trial is not None and trial.revision == self.found.judged else None

    def version(self, revision: str | None) -> str:
        """How messages name a revision."""
        known = self.found.revisions.get(revision or "")
        return f"{known.version} ({revision})" if known else str(revision)


Policy = Callable[[At], Next | None]


def _back(at: At, verdict: str, why: str, phase: Phase = Phase.ROLLED_BACK) -> Next:
    """All users to stable."""
    failed = at.found.roles.candidate if at.found.roles.phase is Phase.CANARY else None
    return _away(at, failed or at.found.wanted.name, at.found.roles.stable, verdict, why, phase)


def _back_from_watch(at: At, verdict: str, why: str) -> Next:
    """All users to what was stable before."""
    roles = at.found.roles
    return _away(at, roles.stable, roles.previous, verdict, why, Phase.ROLLED_BACK)


def _away(
    at: At, failed: str | None, stable: str | None, verdict: str, why: str, phase: Phase
) -> Next:
    roles = at.found.roles
    attempt = roles.attempt if failed == roles.stable else at.found.spec.strategy.attempt
    after = Roles(stable, failed, None, phase, _NONE, attempt, verdict, roles.sequence + 1)
    said = f"{at.version(failed)} was taken back, all users get {at.version(stable)}: {why}"
    return Next(Move.ROLL_BACK, after, phase.value, said, why, Severity.WARNING)


def _taken_back_by_hand(at: At) -> Next | None:
    found = at.found
    asked = found.spec.strategy.override
    if asked is None or asked.action is not Action.ROLLBACK:
        return None
    why = f"Decided by strategy.override: {asked.reason}."
    if asked.revision == found.roles.stable and found.roles.previous is not None:
        return _back_from_watch(at, "Overridden", why) if _can_go_back(found) else None
    if found.phase in (Phase.STARTING, Phase.CANARY) and asked.revision == found.wanted.name:
        return _back(at, "Overridden", why) if found.roles.stable is not None else None
    return None


def _dropped(at: At) -> Next | None:
    """A candidate with users that the spec does not ask for any more."""
    found, roles = at.found, at.found.roles
    if roles.phase is not Phase.CANARY or found.phase is Phase.CANARY or found.spec.paused:
        return None
    after = roles._replace(
        candidate=None,
        phase=Phase.FULL,
        weight=_NONE,
        verdict=SETTLED,
        sequence=roles.sequence + 1,
    )
    note = (
        f"{at.version(roles.candidate)} is no longer asked for: all users get "
        f"{at.version(roles.stable)}."
    )
    return Next(Move.DROP, after, "Superseded", note, "Another version came before it was decided.")


def _failed(at: At) -> Next | None:
    trial, found = at.trial, at.found
    if trial is None or found.spec.paused or trial.state.failed_at is None:
        return None
    words = _sentence(explain(trial.judge, trial.state).words.removeprefix(_TAKE_IT_BACK))
    if found.roles.phase is Phase.CANARY:
        return _back(at, "Fail", words)
    return _back_from_watch(at, "Fail", words) if _can_go_back(found) else None


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _can_go_back(found: Found) -> bool:
    """A rollback never lands on fewer pods than serve now."""
    previous = found.previous()
    return previous is not None and previous.is_ready


def _unready(at: At) -> Next | None:
    """A weight on a candidate without pods is an outage that its own metrics do not show."""
    found = at.found
    candidate, stable = found.candidate(), found.stable()
    if found.phase is not Phase.CANARY or found.spec.paused or candidate is None:
        return None
    if candidate.ready > 0 or stable is None or stable.ready == 0:
        return None
    trouble = f" ({candidate.trouble})" if candidate.trouble else ""
    return _back(at, "Unready", f"None of its pods is ready{trouble}, while it had users.")


def _deadline(at: At) -> Next | None:
    found, trial = at.found, at.trial
    if found.phase is not Phase.CANARY or trial is None:
        return None
    if not found.past_deadline:
        return None
    if any(hold.reason in _BLIND_OR_FROZEN for hold in at.holds):
        return None
    policy = DeadlinePolicy(found.spec.strategy.on_deadline.value)
    outcome = at_deadline(trial.judge, trial.state, policy)
    match outcome.action:
        case DeadlineAction.PROMOTE | DeadlineAction.PROMOTE_WITH_BOUND:
            verdict = "Pass" if outcome.action is DeadlineAction.PROMOTE else "PassWithBound"
            return _promoted(at, verdict, outcome.words)
        case DeadlineAction.ROLL_BACK:
            return _back(at, "Deadline", outcome.words)
        case DeadlineAction.END_UNDECIDED:
            return _back(at, "Deadline", outcome.words, Phase.UNDECIDED)
        case DeadlineAction.HOLD:
            return None


def _promoted(at: At, verdict: str, why: str, move: Move = Move.PROMOTE) -> Next | None:
    """All users, once enough pods are ready to serve them."""
    found, roles = at.found, at.found.roles
    candidate = found.candidate()
    if candidate is None or candidate.ready < found.serving():
        return None
    after = Roles(
        stable=found.wanted.name,
        candidate=None,
        previous=roles.stable,
        phase=Phase.FULL,
        weight=_NONE,
        attempt=found.spec.strategy.attempt,
        verdict=verdict,
        sequence=roles.sequence + 1,
    )
    said = f"{at.version(found.wanted.name)} gets all users. {why}"
    return Next(move, after, "Promoted", said, why)


def _promoted_by_hand(at: At) -> Next | None:
    asked = at.found.spec.strategy.override
    if asked is None or at.found.phase not in (Phase.STARTING, Phase.CANARY):
        return None
    if not at.found.override(Action.PROMOTE, at.found.wanted.name):
        return None
    return _promoted(at, "Overridden", f"Decided by strategy.override: {asked.reason}.")


def _first(at: At) -> Next | None:
    if at.found.phase is not Phase.STARTING or at.found.roles.stable is not None:
        return None
    return _promoted(at, "First", "It is the first version.", Move.FIRST)


def _reverted(at: At) -> Next | None:
    if at.found.phase is not Phase.STARTING or not at.found.known_good:
        return None
    why = "It served all users before and was not found worse."
    return _promoted(at, "Reverted", why, Move.REVERT)


def _immediate(at: At) -> Next | None:
    if at.found.phase is not Phase.STARTING:
        return None
    if at.found.spec.strategy.mode is not StrategyMode.IMMEDIATE:
        return None
    return _promoted(at, "Immediate", "strategy.mode is Immediate: it was not judged.")


def _begins(at: At) -> Next | None:
    found, roles = at.found, at.found.roles
    candidate = found.candidate()
    if found.phase is not Phase.STARTING or candidate is None or not candidate.is_ready:
        return None
    weight = found.next_weight
    after = Roles(
        stable=roles.stable,
        candidate=found.wanted.name,
        previous=None,
        phase=Phase.CANARY,
        weight=weight,
        attempt=found.spec.strategy.attempt,
        verdict=None,
        sequence=roles.sequence + 1,
    )
    said = f"{at.version(found.wanted.name)} gets its first users, {ratio(weight)} of them."
    return Next(Move.BEGIN, after, "CanaryStarted", said, said)


def _advances(at: At) -> Next | None:
    found, roles, trial = at.found, at.found.roles, at.trial
    candidate = found.candidate()
    if found.phase is not Phase.CANARY or trial is None or candidate is None:
        return None
    if found.clocks.step < seconds(found.spec.strategy.canary.min_step_duration):
        return None
    weight = found.next_weight
    if not candidate.is_ready or not _passes(trial, weight):
        return None
    why = explain(trial.judge, trial.state, float(weight)).words
    if weight == _ALL:
        return _promoted(at, "Pass", why)
    after = roles._replace(weight=weight, sequence=roles.sequence + 1)
    said = f"{at.version(roles.candidate)} gets {ratio(weight)} of the users. {why}"
    return Next(Move.ADVANCE, after, "Advanced", said, why)


def _passes(trial: Trial, weight: Fraction) -> bool:
    return trial.judge.decide(trial.state, float(weight)) is Decision.PASS


def _settles(at: At) -> Next | None:
    found, roles = at.found, at.found.roles
    if not found.watching or found.phase is not Phase.FULL:
        return None
    if found.clocks.phase < seconds(found.spec.strategy.watch.duration):
        return None
    after = roles._replace(previous=None, verdict=SETTLED, sequence=roles.sequence + 1)
    said = f"The watch of {at.version(roles.stable)} is over."
    return Next(Move.SETTLE, after, "Settled", said, said)


_PROTECTS: tuple[Policy, ...] = (_taken_back_by_hand, _dropped, _failed, _unready)
_EVEN_WITHOUT_TRAFFIC: tuple[Policy, ...] = (_deadline,)
_NOT_WHILE_HELD: tuple[Policy, ...] = (
    _promoted_by_hand,
    _first,
    _reverted,
    _immediate,
    _begins,
    _advances,
    _settles,
)
_LET_PASS = frozenset({Reason.STABLE_UNAVAILABLE, Reason.METRICS_UNAVAILABLE})
"""What does not hold a version that gets all users without being judged: it may be the remedy."""


def find(at: At) -> Next | None:
    """The next move, None when everything stays."""
    for policy in (*_PROTECTS, *_EVEN_WITHOUT_TRAFFIC):
        if (found := policy(at)) is not None:
            return found
    if not at.admitted or _is_held(at):
        return None
    return next((found for policy in _NOT_WHILE_HELD if (found := policy(at)) is not None), None)


def _is_held(at: At) -> bool:
    unjudged = at.found.phase is Phase.STARTING and at.found.goes_all_the_way
    passing = {Reason.WRITE_REFUSED} | (_LET_PASS if unjudged else frozenset())
    return any(hold.reason not in passing for hold in at.holds)
