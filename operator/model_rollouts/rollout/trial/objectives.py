"""What the spec promises, as the judge takes it: the objectives with their limits and edges."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from model_rollouts import decision
from model_rollouts.api.deployment import Spec
from model_rollouts.api.disagreement import Against, Disagreement, comparison
from model_rollouts.api.duration import span
from model_rollouts.api.objectives import Counters, Latency, Limits, Matcher, Objective
from model_rollouts.api.ratio import share
from model_rollouts.api.runtimes import (
    ROWS,
    SERVER_TIMING,
    Row,
    Runtime,
    Unit,
    exported,
    rows_of,
)
from model_rollouts.api.strategy import Assurance
from model_rollouts.resources.edges import LADDER_MS

OwnBuckets = Mapping[tuple[str, str], tuple[float, ...]]
"""The bucket edges (seconds) of histograms of the model server's own, as they were scraped, by the
key of the histogram and the revision."""


class Edges(NamedTuple):
    """The latency thresholds, in seconds, that the pods of each revision count exactly.

    Those of stable may have been rendered before the objectives were as they are now. `own` are
    those of the model server's own histograms, by their key, in the same order; `slices` those of
    slices, by their name, None for stable where its pods do not count that slice.
    """

    candidate: tuple[float, ...]
    stable: tuple[float, ...]
    own: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = MappingProxyType({})
    slices: Mapping[str, tuple[tuple[float, ...], tuple[float, ...] | None]] = MappingProxyType({})


_LADDER = tuple(each / 1000 for each in LADDER_MS)
LADDER = Edges(_LADDER, _LADDER)
"""What every revision counts, whatever the objectives were when it was made."""


def milliseconds(within: str) -> int:
    """The time of a latency objective."""
    return round(span(within).total_seconds() * 1000)


def selection(matchers: Sequence[Matcher]) -> decision.Matchers:
    """The matchers of a metric as they are judged by: the same set is always the same text."""
    return tuple(sorted((each.label, tuple(sorted(each.values))) for each in matchers))


_UNITS = {Unit.SECONDS: 1.0, Unit.MILLISECONDS: 1e-3, Unit.MICROSECONDS: 1e-6}


def of_row(row: Row) -> decision.Histogram:
    """The histogram of a row of the table of model servers."""
    return decision.Histogram(row.metric, row.matchers, _UNITS[row.unit])


def possible_histograms(
    name: str, latency: Latency, runtime: Runtime | None
) -> tuple[decision.Histogram, ...]:
    """The model server's own histograms that the objective `name` may be read from.

    None for one that the proxy counts; several for a stage of a server that has to be recognised.
    Raises ObjectiveError for what the CRD refuses.
    """
    own, stage = latency.histogram, latency.stage
    if own is not None and stage is not None:
        raise decision.ObjectiveError(
            f"objective '{name}', latency.stage: found both stage and histogram, write one of them"
        )
    if own is not None:
        return (decision.Histogram(own.metric, selection(own.matchers), _UNITS[own.unit]),)
    if stage is None:
        return ()
    rows = rows_of(stage, runtime)
    if not rows and runtime is not None:
        raise decision.ObjectiveError(
            f"objective '{name}', latency.stage: found {stage}, which runtime {runtime} does not "
            f"export, {exported(runtime)}"
        )
    found = tuple(map(of_row, rows))
    if len(found) == 1:
        return found
    names = tuple(f"{row.metric} ({row.runtime})" for row in rows)
    return tuple(replace(each, stage=stage.value, possible=names) for each in found)


def _recognised(
    possible: tuple[decision.Histogram, ...], edges: Edges
) -> decision.Histogram | None:
    """The one that the candidate exports; without a name while that is none, or several.

    What a server exports itself is of all of its requests: it comes before what its answers tell.
    """
    if len(possible) < 2:
        return possible[0] if possible else None
    there = [each for each in possible if edges.own.get(each.key, ((), ()))[0]]
    there = [each for each in there if each.metric != SERVER_TIMING] or there
    return there[0] if len(there) == 1 else possible[0].unrecognised


def own_histograms(
    objectives: Iterable[Objective], runtime: Runtime | None
) -> Mapping[tuple[decision.Histogram, ...], tuple[float, ...]]:
    """The model server's own histograms that are asked for, each with the times in seconds.

    Of those in one key, one is read: they are of a stage of a server that has to be recognised.
    """
    found: dict[tuple[decision.Histogram, ...], tuple[float, ...]] = {}
    for each in objectives:
        if each.latency is None:
            continue
        own = possible_histograms(each.name, each.latency, runtime)
        if own:
            time = milliseconds(each.latency.within) / 1000
            found[own] = (*found.get(own, ()), time)
    return found


class TimedStages(NamedTuple):
    """What a model server times: stages, each with its name for people, and the `whole` request."""

    stages: tuple[tuple[str, decision.Histogram], ...]
    whole: decision.Histogram | None


def timed_stages(judged: Iterable[decision.Objective], spec: Spec) -> TimedStages:
    """The histograms of objectives as they are judged, and all of a model server that is known.

    Who it is, the spec names, or the histogram that was recognised does.
    """
    found: dict[str, decision.Histogram] = {}
    asked = {each.name: each.latency for each in spec.objectives if each.latency is not None}
    runtime = spec.runtime
    for each in judged:
        own = None if each.latency is None else each.latency.histogram
        if own is None or not own.metric:
            continue
        stage = None if each.name not in asked else asked[each.name].stage
        found[stage.value if stage is not None else own.text] = replace(own, stage="", possible=())
        if own.possible and runtime is None:
            runtime = next(row.runtime for row in ROWS if row.metric == own.metric)
    of_server = [row for row in ROWS if row.runtime is runtime]
    for row in of_server:
        if row.stage is not None:
            found.setdefault(row.stage.value, of_row(row))
    whole = next((of_row(row) for row in of_server if row.stage is None), None)
    return TimedStages(tuple(found.items()), whole)


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
    objective: Objective,
    assurance: Assurance,
    edges: Edges,
    runtime: Runtime | None = None,
) -> decision.Objective:
    """The objective as it is judged; `runtime` is the model server, None while nobody named it.

    Raises ValueError for one that the CRD refuses, such as one without the member of its type.
    """
    sure = decision.Assurance(assurance.value)
    compare = decision.Compare(objective.compare.value)
    role = decision.Role(objective.acting_role.value)
    sliced, known = _slice(objective, edges)
    match objective:
        case Objective(availability=found) if found is not None:
            return decision.errors(
                objective.name,
                float(share(found.target)),
                assurance=sure,
                compare=compare,
                role=role,
                slice=sliced,
            )
        case Objective(latency=Latency(within=within, share=of_all) as timed):
            own = _recognised(possible_histograms(objective.name, timed, runtime), edges)
            if own is not None:
                known = edges.own.get(own.key, ((), ()))
            return decision.latency(
                objective.name,
                milliseconds(within) / 1000,
                float(share(of_all)),
                known[0],
                stable_edges=known[1],
                histogram=own,
                assurance=sure,
                compare=compare,
                role=role,
                slice=sliced,
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


def _slice(
    objective: Objective, edges: Edges
) -> tuple[decision.Slice | None, tuple[tuple[float, ...], tuple[float, ...]]]:
    """The slice that an objective is on, and the edges of both arms.

    A slice that the candidate's pods do not count has no requests, so that its objective is never
    decided: such as one that the CRD would have refused.
    """
    name = objective.slice
    if name is None:
        return None, edges[:2]
    candidate, stable = edges.slices.get(name, ((), None))
    # Proxies that were made before the objective may count the slice, and no time of it.
    by_stable = stable is not None and (objective.latency is None or len(stable) > 0)
    return decision.Slice(name, by_stable=by_stable), (candidate, stable or ())
