"""The verdict, explained twice: a sentence for people, and the numbers behind it.

Words never contain e-values; details always do.
"""

from model_rollouts.decision.alternatives import unspent
from model_rollouts.decision.bound import more_requests, upper_bound
from model_rollouts.decision.bracket import no_boundary_of_stable, no_bucket_boundary
from model_rollouts.decision.e_process import EProcess
from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import Compare, Objective, Role, bound_words, promise
from model_rollouts.decision.verdict import (
    Condition,
    Decision,
    ObjectiveVerdict,
    Reason,
    Seen,
    Verdict,
)
from model_rollouts.text import about, count, percent

BURSTY = 20.0
"""Dispersion above which a fixed target takes hours to prove."""


def explain(
    judge: Judge, state: State, toward: float = 1.0, *, weight: float | None = None
) -> Verdict:
    """The decision about going `toward` a weight with everything that led to it.

    `weight` is the one that is really given and told, where it is less than the step that is
    proven: what holds for a step holds for every smaller share.
    `decision` is what `judge.decide` says. Costs a few milliseconds: not for the inner loop.
    """
    decision = judge.decide(state, toward)
    level = judge.level(toward)
    toward = toward if weight is None else weight
    objectives = tuple(
        _objective(judge, index, evidence, level, toward, unspent(state.minute))
        for index, evidence in enumerate(state.evidence)
    )
    conditions = (*_conditions(judge, state), *_degraded(judge, decision, objectives))
    fail = judge.fail_evidence(state)
    return Verdict(
        decision=decision,
        toward=toward,
        fail_evidence=fail,
        fail_needed=judge.fail_needed,
        objectives=objectives,
        conditions=conditions,
        words=_words(judge, decision, toward, objectives, conditions),
        detail=(
            f"{decision} toward weight {percent(toward)}: mean evidence for Fail {fail:.3g} of "
            f"{judge.fail_needed:g}"
            + (f", reached after {state.failed_at:g} s" if state.failed_at is not None else "")
        ),
    )


def _objective(
    judge: Judge, index: int, evidence: Evidence, level: int, toward: float, kept: float
) -> ObjectiveVerdict:
    process = judge.processes[index]
    objective = process.objective
    fail = process.failing.value(evidence, kept)
    proof = process.levels[level]
    pass_evidence = process.passing(evidence, proof)
    if level == 0 and process.far:
        pass_evidence = min(pass_evidence, process.passing(evidence, process.far))
    passed = judge.passes(index, evidence, level)
    more = more_requests(process, evidence, level, judge.pass_needed)
    bound = upper_bound(process, evidence, judge.pass_needed)
    proof_below = process.limit(level)
    return ObjectiveVerdict(
        name=objective.name,
        role=objective.role,
        compare=process.compare,
        passed=passed,
        candidate=Seen(evidence.seen_total, evidence.seen_bad),
        stable=Seen(evidence.seen_stable_total, evidence.seen_stable_bad),
        good=objective.good,
        proof_below=proof_below,
        upper_bound=bound,
        fail_evidence=fail.decides,
        fail_evidence_target=fail.target,
        fail_evidence_stable=fail.stable,
        pass_evidence=pass_evidence,
        pass_needed=judge.pass_needed,
        more_requests=more,
        words=_sentence(process, evidence, proof_below, passed, more, toward),
        detail=_numbers(process, evidence, proof_below, bound)
        + f"; evidence for Fail {fail.decides:.3g} (target {fail.target:.3g}, stable "
        f"{fail.stable:.3g}), for Pass {pass_evidence:.3g} of {judge.pass_needed:g}"
        + (f", about {about(more)} more {_unit(objective)}" if more else ""),
    )


def _unit(objective: Objective) -> str:
    return "pod-minutes" if objective.is_rate else "requests"


def _seen(objective: Objective, total: float, bad: float) -> str:
    if objective.is_rate:
        return f"seen {count(bad)} in {count(total)} pod-minutes"
    return f"seen {count(bad)} of {count(total)} {objective.kind.traits.bad_word}"


def _sentence(
    process: EProcess,
    evidence: Evidence,
    proof_below: float,
    passed: bool,
    more: float | None,
    toward: float,
) -> str:
    objective = process.objective
    seen = _seen(objective, evidence.seen_total, evidence.seen_bad)
    if process.compare is not Compare.TARGET:
        seen += f", stable {count(evidence.seen_stable_bad)} of {count(evidence.seen_stable_total)}"
    said = f"{promise(objective)}; {seen}, {objective.stated(objective.good)} allowed"
    if objective.role is not Role.GATE:
        return f"{said}; never blocks promotion."
    aim = "promotion" if toward == 1 else f"the step to {percent(toward)}"
    under = bound_words(objective, process.compare, proof_below)
    if passed:
        return f"{said}; proven to be under {under}, enough for {aim}."
    if more is None:
        return f"{said}; {aim} needs proof of under {under}, which these numbers will not give."
    return f"{said}; {aim} needs proof of under {under}, about {about(more)} more requests."


def _numbers(process: EProcess, evidence: Evidence, proof_below: float, bound: float | None) -> str:
    objective = process.objective
    parts = [f"{objective.name}: candidate {count(evidence.seen_bad)}/{count(evidence.seen_total)}"]
    if process.compare is not Compare.TARGET:
        stable = f"{count(evidence.seen_stable_bad)}/{count(evidence.seen_stable_total)}"
        parts.append(f"stable {stable}")
    parts.append(f"good {objective.stated(objective.good)}")
    parts.append(f"to prove under {bound_words(objective, process.compare, proof_below)}")
    parts.append(
        "nothing proven yet"
        if bound is None
        else f"proven under {bound_words(objective, process.compare, bound)}"
    )
    return ", ".join(parts)


def _conditions(judge: Judge, state: State) -> list[Condition]:
    found = []
    for process, evidence, dispersion in zip(
        judge.processes, state.evidence, judge.dispersions, strict=True
    ):
        objective = process.objective
        compares = process.compare is not Compare.TARGET

        def add(reason: Reason, message: str, name: str = objective.name) -> None:
            found.append(Condition(reason, name, message))

        if evidence.seen_stable_total > 0 and not evidence.seen_total:
            add(Reason.NO_TRAFFIC, "stable has requests and the candidate none: check the route")
        if compares and evidence.seen_total > 0 and not evidence.seen_stable_total:
            add(Reason.NO_BASELINE, "the candidate has requests and stable none to compare with")
        if evidence.passed_total < evidence.seen_total / 2:
            add(
                Reason.LOW_LOAD,
                f"only {count(evidence.passed_total)} of {count(evidence.seen_total)} answers came "
                "under a load per pod like stable's; the others do not count for promotion",
            )
        if (latency := objective.latency) is not None:
            message = no_bucket_boundary(latency.within, latency.edges)
            if message is None and compares:
                message = no_boundary_of_stable(latency.within, latency.stable)
            if message:
                add(Reason.NO_BUCKET_BOUNDARY, message)
        if not dispersion.known:
            add(
                Reason.DISPERSION_UNKNOWN,
                "no history says whether errors come in bursts; twice the requests are asked for",
            )
        if dispersion.target > BURSTY and process.compare is not Compare.STABLE:
            add(
                Reason.BURSTY_ERRORS,
                f"errors come in bursts ({dispersion.target:.0f} times the variance of independent "
                "ones): proof against a fixed target takes hours, compare with Stable instead",
            )
    return found


def _degraded(
    judge: Judge, decision: Decision, objectives: tuple[ObjectiveVerdict, ...]
) -> list[Condition]:
    acting = [o for o in objectives if o.role is not Role.REPORT]
    alone = sum(
        o.fail_evidence_target if o.compare is Compare.AUTO else o.fail_evidence for o in acting
    )
    if decision is Decision.FAIL or alone / len(acting) < judge.fail_needed:
        return []
    worst = max(acting, key=lambda o: o.fail_evidence_target)
    return [
        Condition(
            Reason.SERVICE_DEGRADED,
            worst.name,
            "the candidate misses the target, but is not shown to be worse than stable: "
            "the service itself is degraded, so this is no reason to roll back",
        )
    ]


def _worst(judge: Judge, objectives: tuple[ObjectiveVerdict, ...]) -> str:
    """The objective with the most evidence for Fail, held against its promise and stable."""
    index, worst = max(
        ((i, o) for i, o in enumerate(objectives) if o.role is not Role.REPORT),
        key=lambda pair: pair[1].fail_evidence,
    )
    objective = judge.rules.objectives[index]
    candidate, stable = worst.candidate, worst.stable
    words = f"{worst.name} is worse than allowed: {promise(objective)}"
    for name, seen in (("it", candidate), ("stable", stable)):
        if seen.total > 0:
            rate = objective.stated(seen.bad / seen.total)
            words += f", {name} had {count(seen.bad)} bad of {count(seen.total)} ({rate})"
    return words


def _words(
    judge: Judge,
    decision: Decision,
    toward: float,
    objectives: tuple[ObjectiveVerdict, ...],
    conditions: tuple[Condition, ...],
) -> str:
    if decision is Decision.PASS:
        return "Every gate is proven: " + (
            "promote." if toward == 1 else f"go on to {percent(toward)}."
        )
    if decision is Decision.FAIL:
        return f"Take it back: {_worst(judge, objectives)}."
    waiting = [o for o in objectives if o.role is Role.GATE and not o.passed]
    known = [o.more_requests for o in waiting if o.more_requests is not None]
    names = " and ".join(o.name for o in waiting)
    words = f"Undecided: {names}"
    if conditions and conditions[-1].reason is Reason.SERVICE_DEGRADED:
        words = f"The service is degraded, judged against stable. {words}"
    if len(known) < len(waiting):
        return f"{words}; these numbers will not prove it."
    return f"{words}; about {about(max(known))} more requests."
