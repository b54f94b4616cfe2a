"""Who has which role, how it runs, and why nothing moves: what passes between all the rooms."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.routes.record import RouteWrite, Suspension

SUPERSEDED = "Superseded by another version before it was decided."
"""Why a candidate ended that was dropped."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One revision as it runs. `builder` is the version of the builder that rendered it.

    `replicas` are asked for, `ready` answer; `needed` is what its share of users takes, and `kept`
    what that took before more were asked for, None where that is the same.
    """

    revision: str
    version: str
    builder: int
    replicas: int
    ready: int
    needed: int
    trouble: str | None = None
    """Why pods that are asked for do not serve, None when nothing says so."""
    stuck: bool = False
    """Whether pods do not start at all for that, and not only take their time."""
    in_mesh: bool = False
    """Whether its proxy takes requests from inside the pod, as a mesh delivers them."""
    kept: int | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it has the pods that its share of users takes."""
        return self.ready >= self.needed

    @property
    def serves(self) -> bool:
        """Whether its users have the pods that they had, while those that are added start."""
        return self.ready >= (self.needed if self.kept is None else self.kept)

    @property
    def grows(self) -> bool:
        """Whether it lacks nothing but pods that are added."""
        return self.serves and not self.is_ready


class Roles(NamedTuple):
    """Who has which role, as the route records it.

    `candidate` stays named after it was rolled back: `phase` says which. `previous` is what was
    stable before, while it is kept warm for the watch. `weight` is the candidate's share of users.
    `mirror_percent` is the share of stable's requests that is mirrored to it,
    `itself_percent` the one that another pod of stable gets too, to compare stable with itself.
    `suffered_at_percent` is the one at which stable suffered from that, None while it has not, and
    `since` when it got the first of them (Unix seconds). `suspension` says how it lost its users
    without a verdict, None when it never did. `write` is what was recorded of the write
    that made them, or of one before (see `written`), and `more` what another release of the
    operator has recorded beside them.
    """

    stable: str | None
    candidate: str | None
    previous: str | None
    phase: Phase
    weight: Fraction
    attempt: int
    verdict: str | None
    sequence: int
    mirror_percent: int = 0
    suffered_at_percent: int | None = None
    since: int | None = None
    suspension: Suspension | None = None
    write: RouteWrite | None = None
    more: Mapping[str, Any] = MappingProxyType({})
    itself_percent: int = 0

    @property
    def written(self) -> RouteWrite | None:
        """What the write of these roles means, None when nobody recorded it."""
        known = self.write is not None and self.write.sequence == self.sequence
        return self.write if known else None

    def mirroring(
        self,
        candidate: str,
        percent: int,
        *,
        attempt: int,
        suffered_at_percent: int | None,
        since: int | None,
        itself: int = 0,
    ) -> "Roles":
        """The roles after these, with `percent` of stable's requests mirrored to `candidate`.

        `itself` percent of them go to another pod of stable too.
        """
        return Roles(
            self.stable,
            candidate,
            None,
            Phase.SHADOW,
            Fraction(0),
            attempt,
            None,
            self.sequence + 1,
            percent,
            suffered_at_percent,
            since,
            itself_percent=itself,
        )

    def sharing(
        self, candidate: str, weight: Fraction, *, attempt: int, verdict: str | None
    ) -> "Roles":
        """The roles after these, with a share of stable's users on `candidate`."""
        return Roles(
            self.stable, candidate, None, Phase.CANARY, weight, attempt, verdict, self.sequence + 1
        )

    def before_promotion(self) -> "Roles":
        """These with what is watched as the candidate again, beside the version before it."""
        return self._replace(
            stable=self.previous, candidate=self.stable, previous=None, phase=Phase.CANARY
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """Why the rollout does not move by itself now.

    `message` is the whole of it, for the condition; `brief` the same in one clause, for the status
    sentence. `stalls`: nothing happens until you act. What is not `told` holds all the same: it is
    expected to pass within seconds.
    """

    reason: Reason
    message: str
    brief: str
    stalls: bool = False
    told: bool = True
