"""Everything that fixes how a rollout is judged, before its first request."""

import itertools
import math
from dataclasses import dataclass

from model_rollouts.decision.objective import Objective, ObjectiveError, Role


@dataclass(frozen=True, slots=True)
class Dispersion:
    """How much errors come in bursts: variance / mean of their count, measured on stable's history.

    `target` is for comparisons with a fixed limit, `stable` for comparisons with concurrent
    stable, where shared outages cancel. 1 is independent errors. `plateau` is the time in seconds
    within which errors come together, None when unknown or when they do not. See `dispersion.py`.
    """

    target: float = 1.0
    stable: float = 1.0
    known: bool = True
    plateau: float | None = None

    def __post_init__(self) -> None:
        for field, value in (("target", self.target), ("stable", self.stable)):
            if not 1 <= value < math.inf:
                raise ValueError(f"dispersion, {field}: found {value:g}, write 1 or more")
        if self.plateau is not None and not 0 < self.plateau < math.inf:
            raise ValueError(
                f"dispersion, plateau: found {self.plateau:g} s, write a time above 0 s, or None"
            )


INDEPENDENT = Dispersion()
UNKNOWN = Dispersion(2.0, 2.0, known=False)
"""Used without enough history: twice the requests, which covers mild bursts."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Objectives, steps and error rates of one rollout. Raises ValueError naming the field.

    `steps` are the canary's weights, ascending, without the final 1. `false_rollback` holds for
    all objectives together, `false_promotion` for a version that is bad in any of them.
    `baseline` is whether there is a stable version to compare with. The order of
    objectives does not matter.
    """

    objectives: tuple[Objective, ...]
    steps: tuple[float, ...] = (0.05, 0.25, 0.5)
    false_rollback: float = 0.01
    false_promotion: float = 0.05
    baseline: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", tuple(sorted(self.objectives, key=lambda o: o.name)))
        names = [objective.name for objective in self.objectives]
        for name, next_name in itertools.pairwise(names):
            if name == next_name:
                raise ObjectiveError(
                    f"objectives, name: found two named '{name}', write a different name for each"
                )
        if all(
            objective.role is not Role.GATE or objective.kind.traits.is_of_copies
            for objective in self.objectives
        ):
            raise ObjectiveError(
                f"objectives, role: found no Gate among {names} that users are judged by, so every "
                "version would be promoted; write `role: Gate` for at least one"
            )
        self._refuse_contradictions()
        if not self.steps:
            raise ValueError("steps: found none, write at least one share of users, such as 0.05")
        for step in self.steps:
            if not 0 < step < 1:
                raise ValueError(
                    f"steps: found {step:g}, write shares between 0 and 1, such as 0.05"
                )
        if any(a >= b for a, b in itertools.pairwise(self.steps)):
            raise ValueError(
                f"steps: found {list(self.steps)}, write each share larger than the one before"
            )
        for field, value in (
            ("false_rollback", self.false_rollback),
            ("false_promotion", self.false_promotion),
        ):
            if not 0 < value <= 0.5:
                raise ValueError(
                    f"{field}: found {value:g}, write a probability above 0 and up to 0.5"
                )

    def _refuse_contradictions(self) -> None:
        for breaker in self.objectives:
            for other in self.objectives:
                if (
                    breaker.kind.traits.is_breaker
                    and other.kind.traits.is_under_breaker
                    and other.good > breaker.good
                ):
                    raise ObjectiveError(
                        f"objective '{other.name}', good: found {other.good:g}, but "
                        f"'{breaker.name}' rolls back above {breaker.good:g}; write less than that"
                    )
        timed = [(o.latency, o) for o in self.objectives if o.latency and o.role is Role.GATE]
        for first, one in timed:
            for second, two in timed:
                covers = first.within <= second.within and first.share > second.share
                if one is not two and one.slice == two.slice and covers:
                    raise ObjectiveError(
                        f"objective '{two.name}', share: found {second.share:g} within "
                        f"{second.within:g} s, but '{one.name}' already asks for {first.share:g} "
                        f"within {first.within:g} s; write more than {first.share:g}, or remove "
                        "one of the two"
                    )

    @property
    def multiples(self) -> tuple[float, ...]:
        """Multiples of the bad limits that promotion and the steps need excluded, 1 first.

        At weight w a candidate may be 1 / w times as bad: then at most the bad limit of all
        users' answers is bad because of it.
        """
        return (1.0, *(1 / step for step in reversed(self.steps)))
