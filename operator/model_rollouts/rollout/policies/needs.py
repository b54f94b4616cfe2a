"""What a plan has to know that is not watched: checks before a start, and the past of a service."""

from dataclasses import dataclass

from model_rollouts.api.status import Phase
from model_rollouts.rollout.policies import route_repair as repair
from model_rollouts.rollout.state import current_trial as trials
from model_rollouts.rollout.state.state import Found
from model_rollouts.rollout.status import history
from model_rollouts.rollout.trial.samples import Past


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose history is asked for: the revision that is to be judged, and those that served.

    `candidate` is None while it has no pods that could be scraped. `others` are the objectives
    besides errors whose past is asked for, each with the revisions that have counted it.
    """

    candidate: str | None
    served: tuple[str, ...]
    others: tuple[tuple[Past, tuple[str, ...]], ...] = ()


def lacks_checks(found: Found) -> bool:
    """Whether a version is to be started, or the route to follow the spec, and none was checked."""
    if found.phase is not Phase.ADMISSION and not repair.follows_spec(found):
        return False
    checked = found.seen.checked
    return checked is None or checked.generation != found.deployment.metadata.generation


def lacks_history(found: Found) -> bool:
    """Whether a candidate is to be judged, or has pods and could be, and nothing is known yet."""
    past = found.seen.history
    if found.seen.metrics_error is not None:
        return False
    if found.phase is Phase.STARTING and not found.goes_all_the_way:
        # Whether or not the version before it is still being watched.
        return past is None or (past.candidate is None and _can_be_scraped(found))
    return past is None and found.judged is not None and found.memory.trial is None


def about(found: Found) -> Asked:
    """What serves now and served before, asked once before it is compared with."""
    told = found.deployment.status.history
    before = [past.revision for past in told if past.outcome in history.SERVES]
    known = [found.roles.stable, *before]
    names = {name for name in known if name in found.revisions and name != found.wanted.name}
    served = tuple(sorted(filter(None, names)))
    starting = found.phase is Phase.STARTING
    return Asked(
        candidate=None if starting and not _can_be_scraped(found) else found.wanted.name,
        served=served,
        others=tuple(
            (each, _counted_by(found, each, served))
            for each in trials.pasts(trials.candidates_rules(found))
        ),
    )


def _can_be_scraped(found: Found) -> bool:
    candidate = found.candidate()
    return candidate is not None and candidate.is_ready


def _counted_by(found: Found, past: Past, served: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `served` whose pods have counted it."""
    return tuple(
        name for name in served if past.edge is None or past.edge in found.revisions[name].counted
    )
