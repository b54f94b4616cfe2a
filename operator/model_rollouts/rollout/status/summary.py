"""Where a rollout is in one pass. The next move and everything that status tells follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import FallbackStatus, Past, RouteAddress
from model_rollouts.decision import Forecast, Step
from model_rollouts.rollout.memory import Clocks, Trial
from model_rollouts.rollout.observed import Latencies, WorstCases
from model_rollouts.rollout.standing import Hold, Roles, Standing
from model_rollouts.rollout.status.budget_words import BudgetOmitted
from model_rollouts.rollout.status.capacity_words import InPlace, ScaleDown
from model_rollouts.rollout.status.notices import Notice


@dataclass(frozen=True, slots=True)
class StatusInput:
    """What one pass found.

    `phase` is where the wanted version is, `Paused` when the spec says so. `weight` is the share of
    users that the candidate has by the route (0 to 1), `step` the one of `strategy.canary.steps`
    that it is on, from 1; None outside of a canary. `holds` are sorted by importance. `history` has
    the newest first, what this pass ended included. `watching` says that a promoted version is
    under observation, `gateway_accepted` that the gateway took the route as it stands. `steps` are
    those that its pods allow the candidate. `leaving` is not wanted and still has users (`weight`);
    `is_promoting` says that the candidate gets all users, in exchange for pods of stable.
    """

    deployment: ModelDeployment
    phase: Phase
    roles: Roles
    weight: float
    step: int | None
    stable: Standing | None
    candidate: Standing | None
    previous: Standing | None
    holds: tuple[Hold, ...]
    clocks: Clocks
    trial: Trial | None
    history: tuple[Past, ...]
    watching: bool
    gateway_accepted: bool
    steps: tuple[Step, ...] = ()
    leaving: Standing | None = None
    is_promoting: bool = False
    share: float = 0.0
    """The share of users that the candidate has, or had before it was suspended (0 to 1)."""
    plan: str | None = None
    """What is before the candidate, with its times; None when it is not known now."""
    expected: Forecast | None = None
    """What was expected of its canary before it began."""
    desired: int | None = None
    """The pods that serve all users, None for those that the spec asks for."""
    scale_down: ScaleDown | None = None
    """Why more pods run than the spec asks for; None when no more do."""
    in_place: InPlace | None = None
    """What it takes to replace pods of stable in place; None when nothing is replaced so."""
    failing: str | None = None
    """That most requests of users fail, as a sentence; None while they do not."""
    degraded: str | None = None
    """How stable misses its objectives, as a sentence, where there is no way back from it."""
    scrapes: str | None = None
    """How often pods are scraped, in sentences; None while that is as configured."""
    not_counted: str | None = None
    """Which pods' samples are not counted, in sentences; None while all are."""
    dropped: str | None = None
    """Whose evidence counts no more, and why, in sentences; None while all of it does."""
    budget_omitted: BudgetOmitted | None = None
    """Why the operator keeps no PodDisruptionBudget; None while it does, or may."""
    addresses: tuple[RouteAddress, ...] | None = None
    """Where clients reach the model; None while nothing was asked about it."""
    notices: tuple[Notice, ...] = ()
    """What is told beside the rollout, a condition each."""
    fallback: FallbackStatus | None = None
    """What users got from fallbacks lately; None where nothing is known of it."""
    cases: WorstCases | None = None
    """Which answers differ most, as the observer told it last; None while it was not asked."""
    latencies: Latencies | None = None
    """How long requests took, as Prometheus told it last; None while it was not asked."""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    """Histograms that Prometheus could not be asked about, each with what came back."""
    unseen: str | None = None
    """Which changes of objects are not seen, and why, in sentences; None while all are."""

    @property
    def users(self) -> int:
        """Pods that serve all users while nothing is replaced in place."""
        return self.deployment.spec.replicas if self.desired is None else self.desired

    @property
    def is_asleep(self) -> bool:
        """Whether no pod is asked for."""
        return self.users == 0

    @property
    def is_out(self) -> bool:
        """Whether stable's only pod has ended, so that the next one can start."""
        swaps = self.in_place is not None and self.in_place.is_outage
        return swaps and self.stable is not None and self.stable.ready == 0
