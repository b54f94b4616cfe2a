"""What one pass has to decide on: everything that was seen, read and put in relation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache

from model_rollouts.api import duration, ratio
from model_rollouts.api.conditions import ConditionType, Reason, find_condition
from model_rollouts.api.deployment import ModelDeployment, Spec
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.strategy import Action, StrategyMode
from model_rollouts.decision import Step, allowed_steps, extra_pods, next_step, pods_for
from model_rollouts.metrics.requests import DEFAULT_WARMUP_MS
from model_rollouts.resources.companions import Companion
from model_rollouts.rollout.memory import Clocks, Memory, Trial
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.standing import Roles, Standing
from model_rollouts.rollout.state import capacity, shadow_stages
from model_rollouts.rollout.state.revisions import Revision, Wanted, standing
from model_rollouts.routes.acceptance import Refusal, refusal_of
from model_rollouts.routes.record import RecordedVerdict, Suspension, is_open, outlives_override

GROWING_SECONDS = 2.0
"""How long the ready pods of a Deployment are not believed after it was given more."""

_ALL = Fraction(1)

_JUDGED_OR_OPEN = (None, RecordedVerdict.PASS, RecordedVerdict.PASS_WITH_BOUND)
"""What a version that is judged may have in its record."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a shadow may go, and samples come: the same for every rollout.

    A stage of the mirror lasts `stage_seconds` at least, and copies to a pod count `warmup_ms`
    after its start. An interval is read `settle_ms` after its end.
    """

    stage_seconds: float = shadow_stages.STAGE_SECONDS
    warmup_ms: int = DEFAULT_WARMUP_MS
    settle_ms: int = 500


@dataclass(frozen=True)
class RolloutState:
    """One ModelDeployment in one pass, before anything is decided.

    What follows from the fields is asked for often in a pass, and worked out once.
    `phase` is where the wanted version is, whether or not the rollout is paused.
    """

    observed: Observed
    deployment: ModelDeployment
    revisions: Mapping[str, Revision]
    wanted: Wanted
    roles: Roles
    phase: Phase
    memory: Memory
    clocks: Clocks
    now: float
    step_ms: int
    pace: Pace = Pace()
    most_weights: Mapping[str, int] = field(default_factory=dict)
    """The largest weights that the administrator gave, by name of the gateway's controller."""
    companions: tuple[Companion, ...] = ()
    """What the administrator wants beside each Service of a revision."""
    keeps_route: bool = False
    """Whether the spec asks for another route that is not admitted: the present one stays."""
    spec_fault: str | None = None
    """What is wrong with the spec, in one sentence; None when nothing is."""
    admitted: bool = False
    """Whether what the spec asks for may start."""

    @cached_property
    def spec(self) -> Spec:
        """The spec."""
        return self.deployment.spec

    @cached_property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.deployment.metadata.namespace}/{self.deployment.metadata.name}"

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the canary that its pods allow, ascending, and all at the end."""
        return _steps(self.spec.strategy.canary.steps, self.serving, self.max_extra_pods)

    @cached_property
    def next_step(self) -> Step:
        """The first step above the share that the candidate has, or had."""
        return next_step(self.steps, self.share)

    @cached_property
    def step(self) -> int | None:
        """The step of the canary that the candidate is on, from 1."""
        if not self.phase.shares_traffic:
            return None
        return max(1, sum(step.weight <= self.share for step in self.steps))

    @cached_property
    def is_suspended(self) -> bool:
        """Whether the candidate is in its canary and has no users for now, without a verdict."""
        return self.phase.shares_traffic and not self.roles.weight

    @cached_property
    def suspension(self) -> Suspension | None:
        """How what has users on trial lost them in this attempt, None when it never did."""
        on_trial = self.roles.phase.shares_traffic or self.watching
        known = self.roles.suspension if on_trial else None
        same = known is not None and known.attempt == self.wanted_attempt
        return known if same else None

    @cached_property
    def share(self) -> Fraction:
        """The share of users that the candidate has, or had before it was suspended."""
        if not self.phase.shares_traffic:
            return Fraction(0)
        if self.roles.weight or self.suspension is None:
            return self.roles.weight
        had = ratio.share(self.suspension.share)
        return had if had < 1 else Fraction(0)

    @cached_property
    def desired(self) -> int:
        """Pods that serve all users while nothing is replaced in place."""
        known = self.memory.replicas
        return self.spec.replicas if known is None else known.pods

    @cached_property
    def users(self) -> int:
        """Pods that serve all users now: one fewer while stable lends it to another version."""
        return self.desired - 1 if self.in_place else self.desired

    @cached_property
    def is_asleep(self) -> bool:
        """Whether no pod is asked for: nothing starts, and nothing is judged."""
        return self.desired == 0

    @cached_property
    def in_place(self) -> bool:
        """Whether pods of stable end so that those of another version can start.

        It begins once the status has told of it, and ends where a version does not start in time.
        """
        begun = self.exchanging or self.roles.phase.is_judged
        return self.replaces and (begun or self._is_told)

    @cached_property
    def replaces(self) -> bool:
        """Whether pods are replaced in place, or are to be once the status has told of it."""
        if self.spec.strategy.max_extra_replicas != 0 or self.roles.stable is None:
            return False
        if self.exchanging or self.roles.phase.is_judged:
            return True
        starts = self.phase is Phase.STARTING and self.admitted and not self.is_late
        return starts and not self.spec.paused and not self.is_asleep

    @cached_property
    def returns(self) -> bool:
        """Whether not all pods are back of those that were replaced in place.

        Until then the users have what the status told them to have, and nothing more is needed.
        """
        if self.spec.strategy.max_extra_replicas != 0 or self.desired <= 1 or self.replaces:
            return False
        told = find_condition(self.deployment.status.conditions, ConditionType.CAPACITY_REDUCED)
        name = self.roles.stable
        return told is not None and name is not None and self._ready(name) < self.desired

    @cached_property
    def swaps(self) -> bool:
        """Whether stable's only pod ends before that of the next version starts."""
        return self.replaces and self.desired == 1

    @cached_property
    def is_late(self) -> bool:
        """Whether the pods of the wanted version were not ready in time."""
        limit = seconds(self.spec.strategy.progress_deadline)
        late = self.clocks.phase >= limit or self._is_told_late
        return self.phase is Phase.STARTING and late

    @cached_property
    def _is_told_late(self) -> bool:
        """Whether the status says so: another operator's timer may have begun before."""
        told = self.deployment.status
        stalled = find_condition(told.conditions, ConditionType.STALLED)
        known = told.candidate is not None and told.candidate.revision == self.wanted.name
        return (
            known
            and stalled is not None
            and stalled.reason == Reason.PROGRESS_DEADLINE_EXCEEDED
            and told.observed_generation == self.deployment.metadata.generation
        )

    @cached_property
    def _is_told(self) -> bool:
        told = self.deployment.status
        reduced = find_condition(told.conditions, ConditionType.CAPACITY_REDUCED)
        named = told.candidate is not None and told.candidate.revision == self.wanted.name
        return named and reduced is not None

    @cached_property
    def max_extra_pods(self) -> int | None:
        """Pods that the rollout may run beyond those of stable, None for no bound."""
        return extra_pods(self.spec.strategy.max_extra_replicas)

    @cached_property
    def is_short(self) -> bool:
        """Whether stable and another version cannot both have pods for all users."""
        return self.max_extra_pods is not None and self.max_extra_pods < self.serving

    @cached_property
    def exchanging(self) -> bool:
        """Whether two versions have users, each with pods for its share alone."""
        decided = not self.roles.phase.shares_traffic or not is_open(self.roles.verdict)
        return self.roles.candidate is not None and self.roles.weight > 0 and decided

    @cached_property
    def promotion_verdict(self) -> str | None:
        """The verdict with which the wanted version gets all users, pod by pod."""
        decided = self.phase.shares_traffic and not is_open(self.roles.verdict)
        return self.roles.verdict if decided else None

    @cached_property
    def leaving(self) -> str | None:
        """The revision that was rolled back and still has users, until pods are ready for them."""
        taken_back = self.exchanging and not self.roles.phase.shares_traffic
        return self.roles.candidate if taken_back else None

    @cached_property
    def watching(self) -> bool:
        """Whether what serves was promoted and is still under observation."""
        return self.roles.phase is Phase.FULL and self.roles.verdict != RecordedVerdict.SETTLED

    @cached_property
    def judged(self) -> str | None:
        """The revision on trial, which can be rolled back; None when there is none."""
        if self.roles.phase.is_judged:
            return self.roles.candidate
        return self.roles.stable if self.watching else None

    @cached_property
    def settled(self) -> str | None:
        """The revision that serves with no other on trial, its own watch over; None before.

        Its requests are judged too, at the slow pace: nothing can be rolled back by them.
        """
        return self.roles.stable if self.judged is None else None

    @cached_property
    def is_on_the_way(self) -> bool:
        """Whether pods of the wanted version start, or it is judged."""
        return self.phase is Phase.STARTING or self.phase.is_judged

    @cached_property
    def shadows(self) -> bool:
        """Whether the wanted version is judged on copies of requests before it gets users."""
        return (
            (self.phase.is_preparing or self.phase.mirrors)
            and self.roles.stable is not None
            and not self.skips_judging
            and shadow_stages.percent(self.spec) > 0
            and not self.override(Action.SKIP_SHADOW, self.wanted.name)
        )

    @cached_property
    def mirror_percent(self) -> int:
        """Percent of stable's requests of which the wanted version gets copies now."""
        return self.roles.mirror_percent if self.phase.mirrors else 0

    @cached_property
    def suffered_at_percent(self) -> int | None:
        """The share of copies, in percent, at which stable suffered in this attempt."""
        same = self.phase.mirrors and self.roles.attempt == self.wanted_attempt
        return self.roles.suffered_at_percent if same else None

    @cached_property
    def compared_share(self) -> float:
        """The share of mirrored requests of which the answers are compared, 0 for none."""
        capture = self.wanted.given.capture
        return 0.0 if capture is None or capture.sample is None else float(capture.sample)

    @cached_property
    def max_mirror_percent(self) -> int:
        """The largest share of requests that is copied, in percent, unless stable suffers."""
        return shadow_stages.allowed(self.spec, self.serving)

    @cached_property
    def stages(self) -> tuple[int, ...]:
        """The shares of requests that may be copied, in percent, ascending."""
        return shadow_stages.stages(self.max_mirror_percent, self.suffered_at_percent)

    @cached_property
    def refusal(self) -> Refusal | None:
        """Why the gateway has not taken the route as it stands; None when it has, or has none."""
        route = self.observed.children.route
        return None if route is None else refusal_of(route, self.observed.absent)

    @cached_property
    def copies_arrive(self) -> bool:
        """Whether copies have come for as long as a stage lasts, as many as they should be."""
        split = self.memory.split
        return (
            self.clocks.step >= self.pace.stage_seconds
            and split is not None
            and split.candidate >= shadow_stages.FEW
            and split.mismatch is None
        )

    @cached_property
    def leaves_shadow(self) -> bool:
        """Whether copies have shown enough: on the last stage, and what the first step asks for."""
        return (
            self.phase.mirrors
            and bool(self.stages)
            and self.mirror_percent >= self.stages[-1]
            and self.copies_arrive
            and shadow_stages.is_proven(self.spec, self.memory.trial, self.clocks)
        )

    @cached_property
    def attempt(self) -> int:
        """The attempt of what is judged."""
        return self.roles.attempt if self.watching else self.wanted_attempt

    @cached_property
    def wanted_attempt(self) -> int:
        """The attempt of the wanted version."""
        return attempt_at(self.spec, self.wanted.name, self.roles)

    def override(self, action: Action, revision: str | None) -> bool:
        """Whether a person asks for `action` on `revision`."""
        asked = self.spec.strategy.override
        return asked is not None and asked.action is action and self.overridden == revision

    @cached_property
    def overridden(self) -> str | None:
        """The revision that an override is about; None without one, or where none has its version.

        Of several with that version it is the candidate: whoever writes it wants to end a rollout.
        """
        asked = self.spec.strategy.override
        if asked is None:
            return None
        roles = self.roles
        candidate = None if self.wanted.name == roles.stable else self.wanted.name
        have = {name: each.version for name, each in self.revisions.items()}
        have.setdefault(self.wanted.name, self.wanted.given.version)
        first = (candidate, roles.candidate, roles.stable, roles.previous)
        names = [*filter(None, first), *reversed(have)]
        return next((name for name in names if have.get(name) == asked.version), None)

    @cached_property
    def known_good(self) -> bool:
        """Whether the wanted version has served all users, and was not found worse since."""
        if self.wanted.name == self.roles.previous:
            return True
        ended = (
            past for past in self.deployment.status.history if past.revision == self.wanted.name
        )
        last = next((past for past in ended if past.outcome is not Outcome.SUPERSEDED), None)
        return last is not None and last.outcome.serves

    @cached_property
    def skips_judging(self) -> bool:
        """Whether the wanted version, once ready, gets all users without being judged."""
        if not (self.phase.is_preparing or self.phase.is_judged):
            return False
        first_or_known = self.phase.is_preparing and (self.roles.stable is None or self.known_good)
        return (
            first_or_known
            or self.swaps
            or self.promotion_verdict not in _JUDGED_OR_OPEN
            or self.spec.strategy.mode is StrategyMode.IMMEDIATE
            or self.override(Action.PROMOTE, self.wanted.name)
        )

    @cached_property
    def stable(self) -> Standing | None:
        """How stable runs."""
        if self.roles.stable is None:
            return None
        share = 1 - self.roles.weight if self.exchanging else _ALL
        users = self.users - 1 if self.returns else self.users
        needed = capacity.least(capacity.carrying(users, share))
        known = self.memory.replicas
        had = users if known is None or known.reached is None else min(users, known.reached)
        kept = max(1, capacity.least(capacity.carrying(had, share)))
        return replace(self._standing(self.roles.stable, needed), kept=min(needed, kept))

    @cached_property
    def candidate(self) -> Standing | None:
        """How the wanted version runs, when it is not stable; None while it is not stored."""
        if self.wanted.revision is None or self.wanted.name == self.roles.stable:
            return None
        return self._standing(self.wanted.name, self.needed)

    @cached_property
    def previous(self) -> Standing | None:
        """How what was stable before runs, while it is kept warm."""
        if self.roles.previous is None:
            return None
        return self._standing(self.roles.previous, capacity.least(self.users))

    @cached_property
    def on_trial(self) -> Standing | None:
        """How what is judged runs; None when nobody is judged."""
        if self.judged is None:
            return None
        return self._standing(self.judged, capacity.least(self.users))

    @cached_property
    def is_unwanted(self) -> bool:
        """Whether a version has users beside stable that nobody wants, or that was rolled back.

        While a rollout is paused it has them for as long.
        """
        return self.leaving is not None or self.roles.candidate != self.wanted.name

    @cached_property
    def sharing_traffic(self) -> Standing | None:
        """How the version runs that has users beside stable, wanted or not."""
        if self.roles.candidate is None or not self.roles.weight:
            return None
        needed = capacity.carrying(self.users, self.roles.weight)
        return self._standing(self.roles.candidate, needed)

    def _ready(self, name: str) -> int:
        return self._standing(name, needed=0).ready

    def _standing(self, name: str, needed: int) -> Standing:
        at, before = self.memory.grown.get(name, (0.0, 0))
        # Just after a Deployment was given more pods its status may still be about those before.
        most_ready = before if self.now - at < GROWING_SECONDS else None
        return standing(self.revisions[name], self.observed, needed, self.now, most_ready)

    @cached_property
    def serving(self) -> int:
        """Pods that serve all users now, or should: a share of users is a share of these."""
        stable = self.stable
        return max(self.users, 0 if stable is None else stable.replicas)

    @cached_property
    def needed(self) -> int:
        """Pods that the wanted version needs for what it may get next, copies or users."""
        if self.promotion_verdict is not None:
            return min(self.users, self._beside_stable())
        late = self.past_deadline and self.phase.shares_traffic
        share = _ALL if self.skips_judging or late else self.next_step.weight
        # Without a stable the first version is what serves, and nothing beyond it.
        extra = None if self.roles.stable is None else self.max_extra_pods
        users = pods_for(self.serving, share, extra)
        if not self.shadows:
            return users
        peak, top = shadow_stages.peak_factor(self.spec), max(self.stages, default=0)
        copied = capacity.mirrored(self.serving, top, peak, extra)
        # A pod more for users would take from the load of a peak.
        return copied if peak is not None and not self.leaves_shadow else max(copied, users)

    @cached_property
    def max_pods(self) -> int | None:
        """Pods that all revisions together may have, None for no bound."""
        extra = self.spec.strategy.max_extra_replicas
        return None if extra is None else self.desired + extra

    def _beside_stable(self) -> int:
        if self.max_pods is None:
            return self.users
        return self.max_pods - capacity.carrying(self.users, 1 - self.roles.weight)

    @property
    def interval_ms(self) -> int:
        """How long an interval of counts is (ms): as configured, or as pods are scraped."""
        return interval_ms(self.memory, self.step_ms)

    @cached_property
    def behind_ms(self) -> int:
        """How much older what was counted is than it may be (ms); 0 when it is fresh.

        At rest it is an interval old, and what it takes to be read.
        """
        trial = self.memory.trial
        if trial is None or self.judged is None:
            return 0
        return max(
            0, round(self.now * 1000) - fresh_until_ms(trial, self.memory, self.step_ms, self.pace)
        )

    @cached_property
    def past_deadline(self) -> bool:
        """Whether shadow and canary have lasted longer than they may without a decision."""
        return (
            self.phase.is_judged
            and self.promotion_verdict is None
            and self.clocks.phase >= seconds(self.spec.strategy.deadline)
        )


@lru_cache(maxsize=1024)
def _steps(asked: tuple[str, ...], serving: int, extra: int | None) -> tuple[Step, ...]:
    return allowed_steps(map(ratio.share, asked), serving, extra)


def interval_ms(memory: Memory, step_ms: int) -> int:
    """How long an interval of counts is: as long as scrapes are apart, by their timestamps."""
    return max(step_ms, memory.scraped_every_ms or 0)


def fresh_until_ms(trial: Trial, memory: Memory, step_ms: int, pace: Pace) -> int:
    """Until when (Unix milliseconds) what was counted of a trial says how it stands."""
    at_ms = trial.entered_ms if trial.watermark is None else trial.watermark.at_ms
    return at_ms + 2 * interval_ms(memory, step_ms) + pace.settle_ms + memory.late_ms


def attempt_at(spec: Spec, revision: str | None, now: Roles) -> int:
    """The attempt at `revision`: a lower number than the one on record changes nothing."""
    asked = spec.strategy.attempt
    return max(asked, now.attempt) if revision == now.candidate else asked


def raise_attempt(spec: Spec, now: Roles) -> str:
    """What you do to have the candidate tried again, as the clause of a sentence."""
    behind = spec.strategy.attempt < now.attempt
    return f"raise strategy.attempt above {now.attempt}" if behind else "raise strategy.attempt"


def phase_of(spec: Spec, wanted: Wanted, now: Roles) -> Phase:
    """Where the wanted version is, by the roles that the route records."""
    if wanted.name == now.stable:
        return Phase.FULL
    if wanted.name == now.candidate:
        if now.phase.is_judged:
            return now.phase
        tried = now.phase.has_ended and now.attempt >= spec.strategy.attempt
        final = outlives_override(now.verdict)
        asked = spec.strategy.override
        again = (
            asked is not None
            and asked.action is Action.PROMOTE
            and asked.version == wanted.given.version
        )
        if tried and (final or not again):
            return now.phase
    return Phase.ADMISSION if wanted.revision is None else Phase.STARTING


def seconds(text: str) -> float:
    """A duration of the spec in seconds."""
    return duration.span(text).total_seconds()
