"""What one pass has to decide on: everything that was seen, read and put in relation."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from model_rollouts.api import duration, ratio
from model_rollouts.api.deployment import ModelDeployment, Spec
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.strategy import Action, StrategyMode
from model_rollouts.metrics.requests import DEFAULT_WARMUP_MS
from model_rollouts.rollout.memory import Clocks, Memory
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.standing import Roles, Standing
from model_rollouts.rollout.state import capacity, shadow_stages
from model_rollouts.rollout.state.capacity import Step
from model_rollouts.rollout.state.revisions import Revision, Wanted, standing
from model_rollouts.routes.record import RecordedVerdict, is_open, outlives_override

GROWING_SECONDS = 2.0
"""How long the ready pods of a Deployment are not believed after it was given more."""

_ALL = Fraction(1)

_JUDGED_OR_OPEN = (None, RecordedVerdict.PASS, RecordedVerdict.PASS_WITH_BOUND)
"""What a version that is judged may have in its record."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a shadow may go, the same for every rollout.

    A stage of the mirror lasts `stage_seconds` at least, and copies to a pod count `warmup_ms`
    after its start.
    """

    stage_seconds: float = shadow_stages.STAGE_SECONDS
    warmup_ms: int = DEFAULT_WARMUP_MS


@dataclass(frozen=True, slots=True)
class RolloutState:
    """One ModelDeployment in one pass, before anything is decided.

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
    keeps_route: bool = False
    """Whether the spec asks for another route that is not admitted: the present one stays."""
    spec_fault: str | None = None
    """What is wrong with the spec, in one sentence; None when nothing is."""

    @property
    def spec(self) -> Spec:
        """The spec."""
        return self.deployment.spec

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.deployment.metadata.namespace}/{self.deployment.metadata.name}"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the canary that its pods allow, ascending, and all at the end."""
        asked = map(ratio.share, self.spec.strategy.canary.steps)
        return capacity.steps(asked, self.serving(), self.max_extra_pods)

    @property
    def next_step(self) -> Step:
        """The first step above the weight that the candidate has."""
        weight = self.roles.weight if self.phase.shares_traffic else Fraction(0)
        return next(step for step in self.steps if step.weight > weight)

    @property
    def step(self) -> int | None:
        """The step of the canary that the candidate is on, from 1."""
        if not self.phase.shares_traffic:
            return None
        return max(1, sum(step.weight <= self.roles.weight for step in self.steps))

    @property
    def max_extra_pods(self) -> int | None:
        """Pods that the rollout may run beyond those of stable, None for no bound."""
        return self.spec.strategy.max_extra_replicas

    @property
    def is_short(self) -> bool:
        """Whether stable and another version cannot both have pods for all users."""
        return self.max_extra_pods is not None and self.max_extra_pods < self.serving()

    @property
    def exchanging(self) -> bool:
        """Whether two versions have users, each with pods for its share alone."""
        decided = not self.roles.phase.shares_traffic or not is_open(self.roles.verdict)
        return self.roles.candidate is not None and self.roles.weight > 0 and decided

    @property
    def promotion_verdict(self) -> str | None:
        """The verdict with which the wanted version gets all users, pod by pod."""
        decided = self.phase.shares_traffic and not is_open(self.roles.verdict)
        return self.roles.verdict if decided else None

    @property
    def leaving(self) -> str | None:
        """The revision that was rolled back and still has users, until pods are ready for them."""
        taken_back = self.exchanging and not self.roles.phase.shares_traffic
        return self.roles.candidate if taken_back else None

    @property
    def watching(self) -> bool:
        """Whether what serves was promoted and is still under observation."""
        return self.roles.phase is Phase.FULL and self.roles.verdict != RecordedVerdict.SETTLED

    @property
    def judged(self) -> str | None:
        """The revision on trial, which can be rolled back; None when there is none."""
        if self.roles.phase.is_judged:
            return self.roles.candidate
        return self.roles.stable if self.watching else None

    @property
    def settled(self) -> str | None:
        """The revision that serves with no other on trial, its own watch over; None before.

        Its requests are judged too, at the slow pace: nothing can be rolled back by them.
        """
        return self.roles.stable if self.judged is None else None

    @property
    def routed_at(self) -> float | None:
        """When the route was written last (Unix seconds), None when nobody recorded it."""
        return None if self.roles.written is None else self.roles.written.ms / 1000

    @property
    def is_on_the_way(self) -> bool:
        """Whether pods of the wanted version start, or it is judged."""
        return self.phase is Phase.STARTING or self.phase.is_judged

    @property
    def shadows(self) -> bool:
        """Whether the wanted version is judged on copies of requests before it gets users."""
        return (
            (self.phase.is_preparing or self.phase.mirrors)
            and self.roles.stable is not None
            and not self.skips_judging
            and shadow_stages.percent(self.spec) > 0
            and not self.override(Action.SKIP_SHADOW, self.wanted.name)
        )

    @property
    def mirror_percent(self) -> int:
        """Percent of stable's requests of which the wanted version gets copies now."""
        return self.roles.mirror_percent if self.phase.mirrors else 0

    @property
    def suffered_at_percent(self) -> int | None:
        """The share of copies, in percent, at which stable suffered in this attempt."""
        same = self.phase.mirrors and self.roles.attempt == self.spec.strategy.attempt
        return self.roles.suffered_at_percent if same else None

    @property
    def max_mirror_percent(self) -> int:
        """The largest share of requests that is copied, in percent, unless stable suffers."""
        return shadow_stages.allowed(self.spec, self.serving())

    @property
    def stages(self) -> tuple[int, ...]:
        """The shares of requests that may be copied, in percent, ascending."""
        return shadow_stages.stages(self.max_mirror_percent, self.suffered_at_percent)

    @property
    def copies_arrive(self) -> bool:
        """Whether copies have come for as long as a stage lasts, as many as they should be."""
        split = self.memory.split
        return (
            self.clocks.step >= self.pace.stage_seconds
            and split is not None
            and split.candidate >= shadow_stages.FEW
            and split.mismatch is None
        )

    @property
    def leaves_shadow(self) -> bool:
        """Whether copies have shown enough: on the last stage, and what the first step asks for."""
        return (
            self.phase.mirrors
            and bool(self.stages)
            and self.mirror_percent >= self.stages[-1]
            and self.copies_arrive
            and shadow_stages.is_proven(self.spec, self.memory.trial, self.clocks)
        )

    @property
    def attempt(self) -> int:
        """The attempt of what is judged."""
        return self.roles.attempt if self.watching else self.spec.strategy.attempt

    def override(self, action: Action, revision: str | None) -> bool:
        """Whether a person asks for `action` on `revision`."""
        return is_asked(self.spec, action, revision)

    @property
    def known_good(self) -> bool:
        """Whether the wanted version has served all users, and was not found worse since."""
        if self.wanted.name == self.roles.previous:
            return True
        ended = (
            past for past in self.deployment.status.history if past.revision == self.wanted.name
        )
        last = next((past for past in ended if past.outcome is not Outcome.SUPERSEDED), None)
        return last is not None and last.outcome.serves

    @property
    def skips_judging(self) -> bool:
        """Whether the wanted version, once ready, gets all users without being judged."""
        if not (self.phase.is_preparing or self.phase.is_judged):
            return False
        first_or_known = self.phase.is_preparing and (self.roles.stable is None or self.known_good)
        return (
            first_or_known
            or self.promotion_verdict not in _JUDGED_OR_OPEN
            or self.spec.strategy.mode is StrategyMode.IMMEDIATE
            or self.override(Action.PROMOTE, self.wanted.name)
        )

    def stable(self) -> Standing | None:
        """How stable runs."""
        if self.roles.stable is None:
            return None
        share = 1 - self.roles.weight if self.exchanging else _ALL
        needed = capacity.least(capacity.carrying(self.spec.replicas, share))
        return self._standing(self.roles.stable, needed)

    def candidate(self) -> Standing | None:
        """How the wanted version runs, when it is not stable; None while it is not stored."""
        if self.wanted.revision is None or self.wanted.name == self.roles.stable:
            return None
        return self._standing(self.wanted.name, self.needed())

    def previous(self) -> Standing | None:
        """How what was stable before runs, while it is kept warm."""
        if self.roles.previous is None:
            return None
        return self._standing(self.roles.previous, capacity.least(self.spec.replicas))

    def on_trial(self) -> Standing | None:
        """How what is judged runs; None when nobody is judged."""
        if self.judged is None:
            return None
        return self._standing(self.judged, capacity.least(self.spec.replicas))

    @property
    def is_unwanted(self) -> bool:
        """Whether a version has users beside stable that nobody wants, or that was rolled back.

        While a rollout is paused it has them for as long.
        """
        return self.leaving is not None or self.roles.candidate != self.wanted.name

    def sharing_traffic(self) -> Standing | None:
        """How the version runs that has users beside stable, wanted or not."""
        if self.roles.candidate is None or not self.roles.weight:
            return None
        needed = capacity.carrying(self.spec.replicas, self.roles.weight)
        return self._standing(self.roles.candidate, needed)

    def _standing(self, name: str, needed: int) -> Standing:
        at, before = self.memory.grown.get(name, (0.0, 0))
        # Just after a Deployment was given more pods its status may still be about those before.
        most_ready = before if self.now - at < GROWING_SECONDS else None
        return standing(self.revisions[name], self.observed.children, needed, most_ready)

    def serving(self) -> int:
        """Pods that serve all users now, or should: a share of users is a share of these."""
        stable = self.stable()
        return max(self.spec.replicas, 0 if stable is None else stable.replicas)

    def needed(self) -> int:
        """Pods that the wanted version needs for what it may get next, copies or users."""
        if self.promotion_verdict is not None:
            return min(self.spec.replicas, self._beside_stable())
        late = self.past_deadline and self.phase.shares_traffic
        share = _ALL if self.skips_judging or late else self.next_step.weight
        # Without a stable the first version is what serves, and nothing beyond it.
        extra = None if self.roles.stable is None else self.max_extra_pods
        users = capacity.pods(self.serving(), share, extra)
        if not self.shadows:
            return users
        peak, top = shadow_stages.peak_factor(self.spec), max(self.stages, default=0)
        copied = capacity.mirrored(self.serving(), top, peak, extra)
        # A pod more for users would take from the load of a peak.
        return copied if peak is not None and not self.leaves_shadow else max(copied, users)

    @property
    def max_pods(self) -> int | None:
        """Pods that all revisions together may have, None for no bound."""
        return None if self.max_extra_pods is None else self.spec.replicas + self.max_extra_pods

    def _beside_stable(self) -> int:
        if self.max_pods is None:
            return self.spec.replicas
        return self.max_pods - capacity.carrying(self.spec.replicas, 1 - self.roles.weight)

    @property
    def past_deadline(self) -> bool:
        """Whether shadow and canary have lasted longer than they may without a decision."""
        return (
            self.phase.is_judged
            and self.promotion_verdict is None
            and self.clocks.phase >= seconds(self.spec.strategy.deadline)
        )


def is_asked(spec: Spec, action: Action, revision: str | None) -> bool:
    """Whether a person asks for `action` on `revision`."""
    asked = spec.strategy.override
    return asked is not None and asked.action is action and asked.revision == revision


def phase_of(spec: Spec, wanted: Wanted, now: Roles) -> Phase:
    """Where the wanted version is, by the roles that the route records."""
    if wanted.name == now.stable:
        return Phase.FULL
    if wanted.name == now.candidate:
        if now.phase.is_judged:
            return now.phase
        tried = now.phase.has_ended and now.attempt >= spec.strategy.attempt
        final = outlives_override(now.verdict)
        if tried and (final or not is_asked(spec, Action.PROMOTE, wanted.name)):
            return now.phase
    return Phase.ADMISSION if wanted.revision is None else Phase.STARTING


def seconds(text: str) -> float:
    """A duration of the spec in seconds."""
    return duration.span(text).total_seconds()
