"""Upper bounds on the candidate's rate, and how many more requests a proof needs.

Both read the evidence for Pass: a bound is a rate that this evidence excludes, a forecast is
where the evidence goes if the counts keep their present rates.
"""

from model_rollouts.decision.e_process import EProcess, counted
from model_rollouts.decision.evidence import Evidence, Proof
from model_rollouts.decision.objective import LARGEST_BAD_SHARE

_BOUND_HALVINGS = 32
"""A ten-thousandth of the smallest rate that anybody promises."""
_WAIT_HALVINGS = 20
"""Told in two digits."""
_MOST_REQUESTS = 1e12


def upper_bound(process: EProcess, evidence: Evidence, needed: float) -> float | None:
    """The smallest rate q such that the evidence against "q or worse" is at least `needed`.

    Where stable is compared with, it reads "q, or the same multiple of stable's rate": that part
    of the evidence is known at the levels of `process` only and is a step function of q.
    None when not even the largest rate is excluded.
    """
    low = process.objective.good
    high = 1000 * process.objective.bad if process.objective.is_rate else LARGEST_BAD_SHARE
    if _against(process, evidence, high) < needed:
        return None
    for _ in range(_BOUND_HALVINGS):
        middle = (low + high) / 2
        # The evidence grows with q above the good limit, except that it stays below 1.
        if _against(process, evidence, middle) >= needed:
            high = middle
        else:
            low = middle
    return high


def _against(process: EProcess, evidence: Evidence, rate: float) -> float:
    """The e-value against "the candidate's rate is `rate` or more"."""
    bad = process.objective.bad
    below = [
        (multiple, level)
        for level, multiple in enumerate(process.multiples)
        # A bound is about all users; a step proves less than that.
        if multiple * bad <= rate * (1 + 1e-12) and not process.levels[level].any_load
    ]
    level = max(below)[1] if below else None
    return process.passing(evidence, process.proof(rate, level))


def more_requests(process: EProcess, evidence: Evidence, level: int, needed: float) -> float | None:
    """Candidate requests still to come until the evidence at `level` reaches `needed`.

    Assumes that rates and split stay as seen so far, whether or not the requests count for the
    proof, the candidate's pulled towards the good limit by as many requests as bring one bad one
    there: a first error should not forecast disaster, nor a first hundred good answers perfection.
    None when it would never pass.
    """
    alone = (False, True) if level == 0 and evidence.last else (False,)
    waits = [
        _wait(process, evidence, proof, needed, in_last_step=each)
        for proof in process.needed(level)
        for each in alone
    ]
    known = [wait for wait in waits if wait is not None]
    return max(known) if len(known) == len(waits) else None


def _wait(
    process: EProcess, evidence: Evidence, proof: Proof, needed: float, *, in_last_step: bool
) -> float | None:
    if process.passing(evidence, proof, in_last_step=in_last_step) >= needed:
        return 0.0
    # The dual boundary has to stay below the good limit, and is taken as half as often crossed.
    share = 0.5 if proof.is_far else 1
    _, bad = counted(evidence, proof)
    uncounted = 0.0 if proof.any_load else evidence.seen_bad - evidence.passed_bad
    rate = (bad + share * (uncounted + 1)) / (evidence.seen_total + 1 / process.objective.good)
    split = stable_rate = 0.0
    if evidence.seen_total > 0 and evidence.seen_stable_total > 0:
        split = evidence.seen_stable_total / evidence.seen_total
        stable_rate = evidence.seen_stable_bad / evidence.seen_stable_total
    logs = process.logs(evidence, proof, in_last_step=in_last_step)
    growths = process.growth(proof, rate, split, stable_rate)
    of_target, of_stable = (
        tuple(zip(*pair, strict=True)) for pair in zip(logs, growths, strict=True)
    )

    def passes(requests: float) -> bool:
        target = [log + requests * growth for log, growth in of_target]
        stable = [log + requests * growth for log, growth in of_stable]
        return process.combine(target, stable) >= needed

    high = 1.0
    while not passes(high):
        high *= 2
        if high > _MOST_REQUESTS:
            return None
    low = high / 2
    for _ in range(_WAIT_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high
