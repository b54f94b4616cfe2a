"""Which counters a rollout needs, and how their increments add up to tallies.

Computed once per rollout: each counter of each revision gets a slot in a flat list of increments,
and each objective of each arm becomes sums over slots.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from model_rollouts.metrics.objectives import CountedObjective, Template, Term
from model_rollouts.metrics.requests import Arm, MeasuredRollout
from model_rollouts.metrics.series import Series
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import carry_key

Sum = tuple[tuple[int, int], ...]
"""(slot, sign) pairs."""


@dataclass(frozen=True, slots=True)
class ObjectiveSums:
    """One objective of one arm: the sums, and under which key the excess of each level waits."""

    name: str
    total: Sum
    bad: tuple[Sum, ...]
    carries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArmSums:
    """One arm and the objectives it can be judged by."""

    name: str
    revision: str
    listener: Listener
    objectives: tuple[ObjectiveSums, ...]


class Slots:
    """The slots and sums of one rollout."""

    def __init__(self, rollout: MeasuredRollout, interned: Callable[[Template], Template]) -> None:
        self._interned = interned
        self._slots: dict[tuple[str, Template], int] = {}
        self._totals: set[int] = set()
        self.arms = tuple(self._arm(rollout, arm) for arm in rollout.arms)
        self.templates = self._templates()
        self.totals = frozenset(self._totals)
        self.sources = frozenset(template.source for template in self.templates)
        self.shadow_slots = frozenset(
            slot
            for (_, template), slot in self._slots.items()
            if template.listener is Listener.SHADOW
        )

    def __len__(self) -> int:
        return len(self._slots)

    def slot_of(self, series: Series) -> int | None:
        """The slot that the increments of `series` go to; None when nothing asks for them."""
        return self._slots.get((series.revision, series.template))

    def _arm(self, rollout: MeasuredRollout, arm: Arm) -> ArmSums:
        shared = any(other.revision == arm.revision for other in rollout.arms if other != arm)
        return ArmSums(
            arm.name,
            arm.revision,
            arm.listener,
            tuple(
                self._objective(arm, objective)
                for objective in rollout.objectives
                # Where a revision serves users and copies, a counter of both tells of neither.
                if objective.tells_listeners_apart or not shared
            ),
        )

    def _objective(self, arm: Arm, objective: CountedObjective) -> ObjectiveSums:
        total = self._sum(arm, objective, objective.total)
        self._totals.update(slot for slot, sign in total if sign > 0)
        return ObjectiveSums(
            objective.name,
            total,
            tuple(self._sum(arm, objective, level) for level in objective.bad),
            tuple(carry_key(arm.name, objective.name, n) for n in range(len(objective.bad))),
        )

    def _sum(self, arm: Arm, objective: CountedObjective, terms: Sequence[Term]) -> Sum:
        return tuple((self._slot(arm, objective, term), term.sign) for term in terms)

    def _slot(self, arm: Arm, objective: CountedObjective, term: Term) -> int:
        listener = arm.listener if term.counter.listener_label is not None else None
        template = self._interned(Template(objective.source, term.counter, listener, term.edge))
        return self._slots.setdefault((arm.revision, template), len(self._slots))

    def _templates(self) -> Mapping[Template, tuple[str, ...]]:
        """What must be queried, and for which revisions; clocks of the sources included."""
        found: dict[Template, list[str]] = {}
        for revision, template in self._slots:
            found.setdefault(template, []).append(revision)
            source = template.source
            if source.clock is not None:
                clock = self._interned(Template(source, source.clock, is_clock=True))
                revisions = found.setdefault(clock, [])
                if revision not in revisions:
                    revisions.append(revision)
        return {template: tuple(revisions) for template, revisions in found.items()}


def total_of(sums: Sum, increments: Sequence[int]) -> int:
    """The sum of the signed increments."""
    return sum(sign * increments[slot] for slot, sign in sums)
