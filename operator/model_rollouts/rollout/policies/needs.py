"""What a plan has to know that is not watched: checks before a start, and the past of a service."""

from dataclasses import dataclass, field, replace

from model_rollouts.api.phase import Phase
from model_rollouts.decision import Histogram
from model_rollouts.rollout.objects.route import follows_spec
from model_rollouts.rollout.observed import (
    BucketsQuery,
    CasesQuery,
    FallbackQuery,
    LatencyQuery,
    Observed,
)
from model_rollouts.rollout.state import current_service, current_trial, second_chances
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial.guards import guards_latency
from model_rollouts.rollout.trial.objectives import LADDER, own_histograms, timed_stages
from model_rollouts.rollout.trial.samples import Past
from model_rollouts.rollout.trial.traffic_split import doublings, left_out
from model_rollouts.rollout.trial.worst_cases import cases_of


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Whose history is asked for: the revision that is to be judged, and those that served.

    `candidate` is None while it has no pods that could be scraped. `others` are the objectives
    besides errors whose past is asked for, each with the revisions that have counted it. `edges`
    are the times in seconds that all of them count, one of which is asked for: the first above the
    p99 of what served. None are when nobody needs it. `pods` are the names of all pods that the
    cluster has, or had lately, None where nobody knows them: other pods make no other question.
    """

    candidate: str | None
    served: tuple[str, ...]
    others: tuple[tuple[Past, tuple[str, ...]], ...] = ()
    edges: tuple[float, ...] = ()
    pods: frozenset[str] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SizesQuery:
    """Of which revisions it is asked how large requests are, and since when (Unix milliseconds).

    `looked` and `pods` are as in `MirroredSizes` and `HistoryQuery`.
    """

    stable: str
    candidate: str
    since_ms: int
    looked: int
    pods: frozenset[str] | None = field(default=None, compare=False)


WAITING_SECONDS = 5.0
"""What a gateway may take to accept a route, or an answer to come, before anybody is told."""


def waits_long(observed: Observed, now: float) -> bool:
    """Whether a question is open for so long that it is worth telling."""
    since = observed.asked_since
    return since is not None and now - since >= WAITING_SECONDS


def lacks_checks(state: RolloutState) -> bool:
    """Whether a version is to be started, or the route to follow the spec, and none was checked.

    Also whether it is not known yet if what is asked for is a new version at all.
    """
    if state.spec_fault is not None:
        return False
    is_new = state.phase is Phase.ADMISSION or state.wanted.is_presumed
    if not is_new and not follows_spec(state):
        return False
    return state.observed.checked_now is None


def lacks_history(state: RolloutState) -> bool:
    """Whether a candidate is to be judged, or has pods and could be, and nothing is known yet."""
    past = state.observed.history
    if state.observed.metrics_error is not None:
        return False
    if state.phase is Phase.STARTING and not state.skips_judging:
        # Whether or not the version before it is still being watched.
        return past is None or (past.candidate is None and _can_be_scraped(state))
    return past is None and state.judged is not None and state.memory.trial is None


def asks_history(state: RolloutState) -> bool:
    """Whether what is lacking is asked for now: whose past it is may be known in a moment.

    Nobody has users of a candidate then, and it gets none meanwhile.
    """
    awaits = state.phase is Phase.STARTING and state.observed.awaits_pods
    return lacks_history(state) and not awaits


def sizes_query(state: RolloutState) -> SizesQuery | None:
    """What is asked about requests that were not mirrored; None when nothing is, or it is known.

    It is asked again each time that twice as many have been mirrored, so what is known when the
    first users come is of most of them, and no shadow asks often.
    """
    roles, split, known = state.roles, state.memory.split, state.observed.sizes
    if not state.phase.mirrors or split is None or not (roles.stable and roles.candidate):
        return None
    if left_out(split) is None:
        return None
    looked = doublings(split)
    if known is not None and (known.since_ms, known.looked) == (split.since_ms, looked):
        return None
    pods = _own_pods(state)
    return SizesQuery(roles.stable, roles.candidate, split.since_ms, looked, pods)


def buckets_query(state: RolloutState) -> BucketsQuery | None:
    """Of which histograms the buckets are asked, None when all are known or it was asked lately."""
    return None if buckets_again_at(state) is not None else _lacking_buckets(state)


def buckets_again_at(state: RolloutState) -> float | None:
    """When buckets are asked for again that were not there (Unix seconds); None for not later."""
    query, known = _lacking_buckets(state), state.observed.buckets
    if query is None or known is None or known.asked != query or state.now >= known.again_at:
        return None
    return known.again_at


def _lacking_buckets(state: RolloutState) -> BucketsQuery | None:
    """The histograms of which no edges are known of what is judged, or of stable beside it.

    The model server may export a histogram only once it has answered a request, so it is asked
    while what is judged has users or mirrored requests.
    """
    judged = state.judged
    if judged is None or state.spec_fault is not None:
        return None
    # What it is compared with is asked as well, for as long as it is compared.
    beside = state.roles.stable if state.roles.phase.is_judged else None
    names = tuple(dict.fromkeys(filter(None, (judged, beside))))
    known = state.memory.buckets
    lacking: dict[Histogram, tuple[float, ...]] = {}
    for possible, times in own_histograms(state.spec.objectives, state.spec.runtime).items():
        there = [own for own in possible if (own.key, judged) in known]
        if not all(any((own.key, name) in known for own in there) for name in names):
            lacking |= dict.fromkeys(there or possible, times)
    if not lacking:
        return None
    return BucketsQuery(tuple(lacking.items()), names, _own_pods(state))


def fallback_query(state: RolloutState) -> FallbackQuery | None:
    """What is asked about fallbacks; None when nothing is, or it was asked lately."""
    query = second_chances.query(state)
    if query is None or second_chances.again_at(state) is not None:
        return None
    return replace(query, pods=_own_pods(state))


FEWEST_TIMED = 16
"""Requests of what is judged, before it is asked how long they took."""


def latency_query(state: RolloutState) -> LatencyQuery | None:
    """What is asked about how long requests took; None when nothing is, or it is known.

    It is asked again each time that twice as many were counted, so that no rollout asks often.
    """
    trial, known, stable = state.memory.trial, state.observed.latencies, state.roles.stable
    if trial is None or not state.phase.is_judged or state.spec_fault is not None:
        return None
    counted = round(max((each.seen_total for each in trial.requests), default=0.0))
    if trial.revision != state.judged or stable is None or counted < FEWEST_TIMED:
        return None
    histograms = timed_stages(trial.judge.rules.objectives, state.spec)
    query = LatencyQuery(
        (trial.revision, stable),
        state.phase.mirrors,
        trial.entered_ms,
        counted.bit_length(),
        histograms.stages,
        histograms.whole,
        _own_pods(state),
    )
    return None if known is not None and known.asked == query else query


def cases_query(state: RolloutState) -> CasesQuery | None:
    """What the observer is asked about the answers of a candidate; None when nothing is."""
    memory, known = state.memory, state.observed.cases
    query = None
    if state.phase.mirrors and memory.trial is not None:
        query = cases_of(memory.trial)
    elif state.phase.has_ended and memory.ended is not None:
        query = cases_of(memory.ended, is_last=True)
    if query is None or query.revision != state.roles.candidate:
        return None
    return None if known is not None and known.asked == query else query


def inputs_query(state: RolloutState) -> str | None:
    """The digest of the reference that inputs are asked about; None when nothing is asked now."""
    return None if inputs_again_at(state) is not None else _reference(state)


def inputs_again_at(state: RolloutState) -> float | None:
    """When inputs are asked about again (Unix seconds); None for now, or never."""
    digest, known = _reference(state), state.observed.inputs
    if digest is None or known is None or known.asked != digest or state.now >= known.again_at:
        return None
    return known.again_at


def _reference(state: RolloutState) -> str | None:
    named = None if state.spec_fault is not None else state.spec.model.reference
    return None if named is None else named.digest


def follows_pods(state: RolloutState) -> bool:
    """Whether a version is on its way, judged, or under observation: its pods are then looked at.

    Of what serves after its watch, pods are looked at only while some are not ready, to say why,
    and while others may be in its samples: nothing is kept of any pod of a service that is well.
    """
    if state.phase.is_preparing or state.judged is not None or state.exchanging:
        return True
    stable = state.stable
    lacks_pods = stable is not None and stable.ready < stable.replicas
    return lacks_pods or current_service.doubts_pods(state)


def history_query(state: RolloutState) -> HistoryQuery:
    """What serves now and served before, asked once before it is compared with."""
    told = state.deployment.status.history
    before = [past.revision for past in told if past.outcome.serves]
    known = [state.roles.stable, *before]
    names = {name for name in known if name in state.revisions and name != state.wanted.name}
    served = tuple(sorted(filter(None, names)))
    starting = state.phase is Phase.STARTING
    return HistoryQuery(
        candidate=None if starting and not _can_be_scraped(state) else state.wanted.name,
        served=served,
        others=tuple(
            (each, _counted_by(state, each, served))
            for each in current_trial.pasts(current_trial.candidates_rules(state))
        ),
        edges=_edges(state, served) if guards_latency(state.spec) else (),
        pods=_own_pods(state),
    )


def _own_pods(state: RolloutState) -> frozenset[str] | None:
    pods = state.observed.pods
    ours = () if pods is None else (*state.memory.pods, *(pod.name for pod in pods))
    return frozenset(ours) or None


def _can_be_scraped(state: RolloutState) -> bool:
    candidate = state.candidate
    return candidate is not None and candidate.is_ready


def _edges(state: RolloutState, served: tuple[str, ...]) -> tuple[float, ...]:
    """What the pods of each of `served` count, and those of the candidate as well."""
    counted = [state.revisions[name].counted for name in served]
    return tuple(edge for edge in LADDER.candidate if all(edge in each for each in counted))


def _counted_by(state: RolloutState, past: Past, served: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `served` whose pods have counted it."""
    same = [each for each in state.wanted.given.slices if each.name == past.slice]

    def has(name: str) -> bool:
        revision = state.revisions[name]
        counted = revision.counted
        if past.slice is not None:
            counted = revision.sliced.get(past.slice, ())
            if not same or same[0] not in revision.slices:
                return False
        return past.edge is None or past.edge in counted

    return tuple(filter(has, served))
