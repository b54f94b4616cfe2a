"""When the observer is asked which answers of a candidate differ most."""

from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.observed import CasesQuery


def looked(trial: Trial) -> int:
    """How often the number of disagreements has doubled, summed over what is compared."""
    return sum(bad.bit_length() for _, _, bad in _disagreements(trial))


def cases_of(trial: Trial, *, is_last: bool = False) -> CasesQuery | None:
    """What is asked about a trial; None while no answer differs."""
    found = tuple((name, digest) for name, digest, bad in _disagreements(trial) if bad)
    if not found:
        return None
    return CasesQuery(trial.revision, found, trial.started_ms, looked(trial), is_last)


def _disagreements(trial: Trial) -> list[tuple[str, str, int]]:
    """Name, digest of what is compared, and disagreements of each objective that has these."""
    pairs = zip(trial.judge.rules.objectives, trial.state.evidence, strict=True)
    return [
        (objective.name, objective.comparison, round(evidence.seen_bad))
        for objective, evidence in pairs
        if objective.comparison is not None
    ]
