"""What the spec promises, as the judge takes it: the objectives with their limits and edges."""

from collections.abc import Sequence
from typing import NamedTuple

from model_rollouts import decision
from model_rollouts.api.disagreement import Against, Disagreement, comparison
from model_rollouts.api.duration import span
from model_rollouts.api.objectives import Counters, Latency, Limits, Matcher, Objective
from model_rollouts.api.ratio import share
from model_rollouts.api.strategy import Assurance
from model_rollouts.resources.edges import LADDER_MS


class Edges(NamedTuple):
    """The latency thresholds, in seconds, that the pods of each revision count exactly.

    Those of stable may have been rendered before the objectives were as they are now.
    """

    candidate: tuple[float, ...]
    stable: tuple[float, ...]


_LADDER = tuple(each / 1000 for each in LADDER_MS)
LADDER = Edges(_LADDER, _LADDER)
"""What every revision counts, whatever the objectives were when it was made."""


def milliseconds(within: str) -> int:
    """The time of a latency objective."""
    return round(span(within).total_seconds() * 1000)


def selection(matchers: Sequence[Matcher]) -> decision.Matchers:
    """The matchers of a metric as they are judged by: the same set is always the same text."""
    return tuple(sorted((each.label, tuple(sorted(each.values))) for each in matchers))


def _pair(name: str, own: Counters) -> decision.CounterPair:
    second = own.total or own.good
    if second is None:
        raise decision.ObjectiveError(
            f"objective '{name}', counters: found neither `total` nor `good`, write one of them"
        )
    return decision.CounterPair(
        own.bad.metric,
        second.metric,
        selection(own.bad.matchers),
        selection(second.matchers),
        total_is_good=own.total is None,
    )


def judged_objective(
    objective: Objective, assurance: Assurance, edges: Edges
) -> decision.Objective:
    """The objective as it is judged.

    Raises ValueError for one that the CRD refuses, such as one without the member of its type.
    """
    sure = decision.Assurance(assurance.value)
    compare = decision.Compare(objective.compare.value)
    role = decision.Role(objective.acting_role.value)
    match objective:
        case Objective(availability=found) if found is not None:
            return decision.errors(
                objective.name,
                float(share(found.target)),
                assurance=sure,
                compare=compare,
                role=role,
            )
        case Objective(latency=Latency(within=within, share=of_all)):
            return decision.latency(
                objective.name,
                milliseconds(within) / 1000,
                float(share(of_all)),
                edges.candidate,
                stable_edges=edges.stable,
                assurance=sure,
                compare=compare,
                role=role,
            )
        case Objective(counters=Counters() as own, limits=Limits() as limits):
            return decision.counters(
                objective.name,
                float(share(limits.good)),
                float(share(limits.bad)),
                metrics=_pair(objective.name, own),
                compare=compare,
                role=role,
            )
        case Objective(disagreement=Disagreement() as compared, limits=Limits() as limits):
            return decision.disagreement(
                objective.name,
                float(share(limits.good)),
                float(share(limits.bad)),
                comparison=comparison(compared),
                against_itself=compared.against is Against.SELF,
                role=role,
            )
        case _:
            raise decision.ObjectiveError(
                f"objective '{objective.name}', type: found {objective.type} without its member, "
                f"write `{objective.type.lower()}` with its numbers"
            )
