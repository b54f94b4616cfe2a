"""Where a rollout is in one pass. The next move and everything that status tells follow from it."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from model_rollouts.api.conditions import Reason
from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.status import Past, Phase
from model_rollouts.decision import Forecast
from model_rollouts.rollout.memory import Clocks, Trial
from model_rollouts.rollout.state.capacity import Step


@dataclass(frozen=True, slots=True)
class Standing:
    """One revision as it runs. `builder` is the version of the builder that rendered it.

    `replicas` are asked for, `ready` answer; `needed` is what its share of users takes.
    """

    revision: str
    version: str
    builder: int
    replicas: int
    ready: int
    needed: int
    trouble: str | None = None
    """What the Deployment says is wrong with its pods, None when nothing."""

    @property
    def is_ready(self) -> bool:
        """Whether it has the pods that its share of users takes."""
        return self.ready >= self.needed


class Roles(NamedTuple):
    """Who has which role, as the route records it.

    `candidate` stays named after it was taken back: `phase` says which. `previous` is what was
    stable before, while it is kept warm for the watch. `weight` is the candidate's share of users.
    `mirror` is the share of stable's requests, in percent, of which it gets copies, `hurt` the
    share at which stable suffered from that, None while it has not, and `since` when it got the
    first copy (Unix seconds).
    """

    stable: str | None
    candidate: str | None
    previous: str | None
    phase: Phase
    weight: Fraction
    attempt: int
    verdict: str | None
    sequence: int
    mirror: int = 0
    hurt: int | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Why the rollout does not move by itself now.

    `stalls`: nothing happens until a person acts. What is not `told` holds all the same: it is
    expected to pass within seconds.
    """

    reason: Reason
    message: str
    stalls: bool = False
    told: bool = True


@dataclass(frozen=True, slots=True)
class Situation:
    """What one pass found.

    `phase` is where the wanted version is, `Paused` when the spec says so. `weight` is the share of
    users that the candidate has by the route (0 to 1), `step` the one of `strategy.canary.steps`
    that it is on, from 1; None outside of a canary. `holds` are sorted by importance. `history` has
    the newest first, what this pass ended included. `watching` says that a promoted version is
    under observation, `accepted` that the gateway took the route as it stands. `steps` are those
    that its pods allow the candidate. `leaving` is not wanted and still has users (`weight`);
    `decided` says that the candidate gets all users, in exchange for pods of stable.
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
    accepted: bool
    steps: tuple[Step, ...] = ()
    leaving: Standing | None = None
    decided: bool = False
    plan: str | None = None
    """What is before the candidate, with its times; None when it is not known now."""
    expected: Forecast | None = None
    """What was expected of its canary before it began."""
