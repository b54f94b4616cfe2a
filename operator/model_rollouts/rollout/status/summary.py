"""Where a rollout is in one pass. The next move and everything that status tells follow from it."""

from dataclasses import dataclass

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import Past
from model_rollouts.decision import Forecast
from model_rollouts.rollout.memory import Clocks, Trial
from model_rollouts.rollout.standing import Hold, Roles, Standing
from model_rollouts.rollout.state.capacity import Step


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
    plan: str | None = None
    """What is before the candidate, with its times; None when it is not known now."""
    expected: Forecast | None = None
    """What was expected of its canary before it began."""
    failing: str | None = None
    """That most requests of users fail, as a sentence; None while they do not."""
    degraded: str | None = None
    """How stable misses its objectives, as a sentence, where there is no way back from it."""
