"""What a plan has to know that is not watched: checks before a start, and the past of a service."""

from dataclasses import dataclass

from model_rollouts.api.phase import Phase
from model_rollouts.rollout.objects.route import follows_spec
from model_rollouts.rollout.state import current_trial
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial.samples import Past


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Whose history is asked for: the revision that is to be judged, and those that served.

    `candidate` is None while it has no pods that could be scraped. `others` are the objectives
    besides errors whose past is asked for, each with the revisions that have counted it.
    """

    candidate: str | None
    served: tuple[str, ...]
    others: tuple[tuple[Past, tuple[str, ...]], ...] = ()


def lacks_checks(state: RolloutState) -> bool:
    """Whether a version is to be started, or the route to follow the spec, and none was checked."""
    if state.spec_fault is not None:
        return False
    if state.phase is not Phase.ADMISSION and not follows_spec(state):
        return False
    checked = state.observed.checked
    return checked is None or checked.generation != state.deployment.metadata.generation


def lacks_history(state: RolloutState) -> bool:
    """Whether a candidate is to be judged, or has pods and could be, and nothing is known yet."""
    past = state.observed.history
    if state.observed.metrics_error is not None:
        return False
    if state.phase is Phase.STARTING and not state.skips_judging:
        # Whether or not the version before it is still being watched.
        return past is None or (past.candidate is None and _can_be_scraped(state))
    return past is None and state.judged is not None and state.memory.trial is None


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
    )


def _can_be_scraped(state: RolloutState) -> bool:
    candidate = state.candidate()
    return candidate is not None and candidate.is_ready


def _counted_by(state: RolloutState, past: Past, served: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `served` whose pods have counted it."""
    return tuple(
        name for name in served if past.edge is None or past.edge in state.revisions[name].counted
    )
