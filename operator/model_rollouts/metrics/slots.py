"""Which counters a rollout needs, and how their increments add up to tallies.

Each counter of each revision gets a slot in a flat list of increments, and each objective of each
arm becomes sums over slots. That is worked out once for all rollouts that differ only in the names
of their revisions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from model_rollouts.metrics.objectives import (
    CountedObjective,
    Template,
    Term,
    template_of,
)
from model_rollouts.metrics.requests import MeasuredRollout
from model_rollouts.metrics.series import Schema
from model_rollouts.metrics.sources import Listener, Source
from model_rollouts.metrics.watermark import carry_key

MOST_SCHEMAS = 512
"""Of which a layout knows the places: pods show few, but for answers of many different statuses."""

Sum = tuple[tuple[int, int], ...]
"""(slot, sign) pairs."""


@dataclass(frozen=True, slots=True)
class ObjectiveSums:
    """One objective of one arm: the sums, and under which key the excess of each level waits."""

    name: str
    total: Sum
    bad: tuple[Sum, ...]
    carries: tuple[str, ...]
    of_warm_pods: bool
    """Whether what cold pods added is left out."""
    is_beside: bool
    """Whether it is counted by the observer, which is asked by nobody."""
    groups: frozenset[str]
    """The groups of series without which its counts would be wrong, not just fewer."""


@dataclass(frozen=True, slots=True)
class Places:
    """Which series of a schema are counted: their places in it, and the slot of each.

    `totals` are the places among those counted of the totals of objectives.
    """

    counted: tuple[int, ...]
    slots: tuple[int, ...]
    totals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ArmSums:
    """One arm, and the objectives it can be judged by."""

    name: str
    revision: str
    listener: Listener
    objectives: tuple[ObjectiveSums, ...]


class Slots:
    """The slots and sums of one rollout."""

    def __init__(self, rollout: MeasuredRollout) -> None:
        self._revisions = tuple(dict.fromkeys(arm.revision for arm in rollout.arms))
        self._places = {name: place for place, name in enumerate(self._revisions)}
        arms = tuple(
            _Arm(arm.name, self._places[arm.revision], arm.listener) for arm in rollout.arms
        )
        self._layout = layout = _layout(arms, rollout.objectives)
        self.arms = tuple(
            ArmSums(arm.name, arm.revision, arm.listener, sums)
            for arm, sums in zip(rollout.arms, layout.arms, strict=True)
        )
        self.totals = layout.totals
        self.sources = layout.sources
        """Those that each pod of a revision has."""

    def __len__(self) -> int:
        return len(self._layout.slots)

    def places(self, revision: str, schema: Schema) -> "Places":
        """Where the counts of a scrape of `revision` go that shows what `schema` has."""
        return self._layout.places(self._places.get(revision, -1), schema)

    def required(self, revision: str, source: Source) -> frozenset[str]:
        """The groups of series that each scrape of an exporter of `revision` has."""
        return self._layout.required.get((self._places.get(revision, -1), source.name), _NOTHING)

    @cached_property
    def templates(self) -> Mapping[Template, tuple[str, ...]]:
        """What must be queried, and for which revisions; clocks of the sources included."""
        return {each: self._named(places) for each, places in self._layout.templates.items()}

    @cached_property
    def by_source(self) -> Sequence[tuple[frozenset[Template], tuple[str, ...]]]:
        """What one query selects: all templates of a source, and the revisions it is read for."""
        return [(templates, self._named(places)) for templates, places in self._layout.by_source]

    def _named(self, places: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self._revisions[place] for place in places)


_NOTHING: frozenset[str] = frozenset()


class _Arm(NamedTuple):
    """An arm as far as its sums depend on it: its revision is a place among those of a rollout."""

    name: str
    revision: int
    listener: Listener


class _Layout:
    """The slots and sums of all rollouts with the same objectives and arms."""

    def __init__(self, arms: Sequence[_Arm], objectives: Sequence[CountedObjective]) -> None:
        self.slots: dict[tuple[int, Template], int] = {}
        self._totals: set[int] = set()
        self.arms = tuple(self._arm(arms, arm, objectives) for arm in arms)
        self.templates = self._templates()
        self.totals = frozenset(self._totals)
        self.by_source = self._by_source()
        self.required = self._required()
        self.sources = frozenset(
            each.source for each in self.templates if not each.source.is_beside
        )

        self._of_schemas: dict[tuple[int, int], tuple[Schema, Places]] = {}

    def places(self, revision: int, schema: Schema) -> Places:
        """Always the same ones for a revision and a schema."""
        # By identity: it is asked for each pod, and a schema is long. It is kept, so that no other
        # one is taken for it.
        known = self._of_schemas.get((revision, id(schema)))
        if known is not None:
            return known[1]
        counted = [
            (place, slot)
            for place, template in enumerate(schema.templates)
            if not template.is_clock and (slot := self.slots.get((revision, template))) is not None
        ]
        found = Places(
            tuple(place for place, _ in counted),
            tuple(slot for _, slot in counted),
            tuple(at for at, (_, slot) in enumerate(counted) if slot in self.totals),
        )
        if len(self._of_schemas) >= MOST_SCHEMAS:
            self._of_schemas.clear()
        self._of_schemas[revision, id(schema)] = schema, found
        return found

    def _arm(
        self,
        arms: Sequence[_Arm],
        arm: _Arm,
        objectives: Sequence[CountedObjective],
    ) -> tuple[ObjectiveSums, ...]:
        on_copies = any(each.listener is Listener.SHADOW for each in arms)
        shared = any(other.revision == arm.revision for other in arms if other != arm)
        return tuple(
            self._objective(arm, objective)
            for objective in objectives
            # Where a revision serves users and copies, a counter of both tells of neither.
            if (objective.tells_listeners_apart or not shared)
            and (on_copies or not objective.of_copies)
        )

    def _objective(self, arm: _Arm, objective: CountedObjective) -> ObjectiveSums:
        total = self._sum(arm, objective, objective.total)
        self._totals.update(slot for slot, sign in total if sign > 0)
        terms = (*objective.total, *(each for level in objective.bad for each in level))
        return ObjectiveSums(
            objective.name,
            total,
            tuple(self._sum(arm, objective, level) for level in objective.bad),
            tuple(carry_key(arm.name, objective.name, n) for n in range(len(objective.bad))),
            # Of copies nothing counts until a pod is warm: nobody is waiting for them.
            objective.of_warm_pods or arm.listener is Listener.SHADOW,
            objective.source.is_beside,
            frozenset(
                self._template(arm, objective.source, term).group
                for term in terms
                if term.counter.from_start
            ),
        )

    def _sum(self, arm: _Arm, objective: CountedObjective, terms: Sequence[Term]) -> Sum:
        return tuple((self._slot(arm, objective.source, term), term.sign) for term in terms)

    def _slot(self, arm: _Arm, source: Source, term: Term) -> int:
        template = self._template(arm, source, term)
        return self.slots.setdefault((arm.revision, template), len(self.slots))

    def _template(self, arm: _Arm, source: Source, term: Term) -> Template:
        listener = arm.listener if term.counter.listener_label is not None else None
        return template_of(source, term.counter, listener, term.edge)

    def _required(self) -> Mapping[tuple[int, str], frozenset[str]]:
        found: dict[tuple[int, str], set[str]] = {}
        for template, revisions in self.templates.items():
            for revision in revisions if template.counter.from_start else ():
                found.setdefault((revision, template.source.name), set()).add(template.group)
        return {key: frozenset(groups) for key, groups in found.items()}

    def _templates(self) -> Mapping[Template, tuple[int, ...]]:
        found: dict[Template, list[int]] = {}
        for revision, template in self.slots:
            found.setdefault(template, []).append(revision)
            source = template.source
            if source.clock is not None:
                clock = template_of(source, source.clock, is_clock=True)
                revisions = found.setdefault(clock, [])
                if revision not in revisions:
                    revisions.append(revision)
        return {template: tuple(revisions) for template, revisions in found.items()}

    def _by_source(self) -> tuple[tuple[frozenset[Template], tuple[int, ...]], ...]:
        found: dict[Source, tuple[set[Template], dict[int, None]]] = {}
        for template, revisions in self.templates.items():
            templates, asked = found.setdefault(template.source, (set(), {}))
            templates.add(template)
            asked |= dict.fromkeys(revisions)
        return tuple((frozenset(each), tuple(asked)) for each, asked in found.values())


@lru_cache(maxsize=128)
def _layout(arms: tuple[_Arm, ...], objectives: tuple[CountedObjective, ...]) -> _Layout:
    """Always the same one: thousands of rollouts have the same objectives and arms."""
    return _Layout(arms, objectives)


def total_of(sums: Sum, increments: Sequence[int]) -> int:
    """The sum of the signed increments."""
    total = 0
    for slot, sign in sums:
        total += sign * increments[slot]
    return total
