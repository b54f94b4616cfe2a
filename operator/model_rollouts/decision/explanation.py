"""The verdict, explained twice: sentences for people, and the numbers behind them.

Words never contain e-values; details always do.
"""

from model_rollouts.decision.alternatives import unspent
from model_rollouts.decision.bound import more_requests
from model_rollouts.decision.bracket import no_boundary_of_stable, no_bucket_boundary
from model_rollouts.decision.e_process import EProcess
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import (
    Compare,
    Latency,
    Objective,
    Role,
    limit_words,
    promise,
)
from model_rollouts.decision.verdict import (
    Condition,
    Decision,
    ObjectiveVerdict,
    Reason,
    Seen,
    Verdict,
)
from model_rollouts.text import about, capitalized, count, listed, percent

BURSTY = 20.0
"""Dispersion above which a fixed target takes hours to pass."""


def explain(
    judge: Judge,
    state: State,
    toward: float = 1.0,
    *,
    weight: float | None = None,
    candidate: str = "the candidate",
) -> Verdict:
    """The decision about going `toward` a weight with everything that led to it.

    `weight` is the one that is really given and told, where it is less than the step that is
    proven: what holds for a step holds for every smaller share. `candidate` is what the sentences
    call the version that is judged.
    `decision` is what `judge.decide` says. Costs a few milliseconds: not for the inner loop.
    """
    decision = judge.decide(state, toward)
    level = judge.level(toward)
    toward = toward if weight is None else weight
    failed = _failed(judge, state)
    objectives = tuple(
        _objective(judge, index, state, level, toward, candidate, failed=index in failed)
        for index in range(len(state.evidence))
    )
    degraded = _degraded(judge, state, decision, objectives)
    fail = judge.fail_evidence(state)
    why = _why(judge, state, decision, toward, objectives, candidate)
    return Verdict(
        decision=decision,
        toward=toward,
        fail_evidence=fail,
        fail_needed=judge.fail_needed,
        objectives=objectives,
        conditions=(*_conditions(judge, state), *degraded),
        why=why,
        words=_words(decision, why, is_degraded=bool(degraded)),
    )


def _failed(judge: Judge, state: State) -> frozenset[int]:
    """Objectives that are shown to be missed. Those that act fail together, by their mean."""
    kept = unspent(state.minute)
    evidence = {
        index: process.failing.value(each, kept).decides
        for index, (process, each) in enumerate(zip(judge.processes, state.evidence, strict=True))
    }
    enough = {index for index, value in evidence.items() if value >= judge.fail_needed}
    roles = enumerate(each.role for each in judge.rules.objectives)
    acting = {index: evidence[index] for index, role in roles if role is not Role.REPORT}
    if state.failed_at is None:
        return frozenset(enough - acting.keys())
    return frozenset(enough | {judge.worst(acting)})


def _objective(
    judge: Judge,
    index: int,
    state: State,
    level: int,
    toward: float,
    who: str,
    *,
    failed: bool,
) -> ObjectiveVerdict:
    process, evidence = judge.processes[index], state.evidence[index]
    objective = process.objective
    level, is_asked = judge.level_of(index, level), index in judge.asked(state)
    if objective.kind.traits.is_of_copies:
        toward = 1.0
    fail = process.failing.value(evidence, unspent(state.minute))
    pass_evidence = process.proven(evidence, level)
    passed = pass_evidence >= judge.pass_needed
    more = more_requests(process, evidence, level, judge.pass_needed)
    proof_below = process.limit(level)
    candidate = Seen(evidence.seen_total, evidence.seen_bad)
    stable = Seen(evidence.seen_stable_total, evidence.seen_stable_bad)
    against = None if process.compare is Compare.TARGET and not stable.total else stable
    said = _said(objective, candidate, against, who)
    if failed:
        words = f"{_failure(objective, process.compare, candidate, stable, who)}."
    elif passed:
        words = f"{objective.name} passed for {_aim(toward)}: {said}."
    else:
        words = f"{objective.name} is undecided: {said}."
    if not failed:
        waits = is_asked or objective.role is not Role.GATE
        words += (
            f" {_needed(process, candidate, proof_below, passed, more, toward)}."
            if waits or passed
            else " Only mirrored requests show more of it."
        )
    if judge.rules.baseline and objective.slice is not None and not objective.slice.by_stable:
        words += " Stable's pods were made before and do not count it: the target alone decides."
    return ObjectiveVerdict(
        name=objective.name,
        role=objective.role,
        compare=process.compare,
        is_asked=is_asked,
        passed=passed,
        failed=failed,
        candidate=candidate,
        stable=stable,
        good=objective.good,
        proof_below=proof_below,
        fail_evidence=fail.decides,
        fail_evidence_target=fail.target,
        fail_evidence_stable=fail.stable,
        pass_evidence=pass_evidence,
        pass_needed=judge.pass_needed,
        more_requests=more,
        unit=objective.unit,
        limit=limit_words(objective, process.compare, proof_below),
        words=words,
    )


def _aim(toward: float) -> str:
    return "promotion" if toward == 1 else f"the step to {percent(toward)}"


def _said(objective: Objective, candidate: Seen, stable: Seen | None, who: str) -> str:
    """The promise, and what was counted of the candidate and of stable."""
    if not candidate.total and not (stable and stable.total):
        return f"{promise(objective)}; no {objective.unit} were counted yet"
    verb, again = objective.kind.traits.seen_as
    told = [f"{who} had no {objective.unit}"]
    if candidate.total:
        told = [f"{who} {verb}{objective.counted(candidate.total, candidate.bad)}"]
    if stable is not None and not stable.total:
        told.append(f"stable had no {objective.unit}")
    elif stable is not None:
        verb = again if candidate.total else verb
        told.append(f"stable {verb}{objective.counted(stable.total, stable.bad)}")
    return f"{promise(objective)}; {', '.join(told)}"


def _failure(
    objective: Objective, compare: Compare, candidate: Seen, stable: Seen, who: str
) -> str:
    said = _said(objective, candidate, stable if stable.total else None, who)
    if compare is not Compare.STABLE and candidate.bad <= objective.good * candidate.total:
        # Within the limit as a whole, and beyond it from some minute on.
        said += "; for a while the share was above the limit"
    return f"{objective.name} failed: {said}"


def _needed(
    process: EProcess,
    candidate: Seen,
    proof_below: float,
    passed: bool,
    more: float | None,
    toward: float,
) -> str:
    """What a pass means, or what it takes."""
    objective = process.objective
    if objective.role is not Role.GATE:
        return f"{objective.role}s never block promotion"
    limit = limit_words(objective, process.compare, proof_below)
    shown = f"{objective.kind.traits.rate_words} below {limit}"
    if passed:
        return f"That shows {shown}"
    aim = capitalized(_aim(toward))
    if more is None:
        return f"{aim} needs {shown}, which more requests at these rates will not show"
    return f"{aim} needs about {_requests(objective, candidate, more)} to show {shown}"


def _requests(objective: Objective, candidate: Seen, more: float) -> str:
    whole = f"{count(candidate.total)} of about {about(candidate.total + more)}"
    return f"{about(more)} more {objective.unit} ({whole})"


def _conditions(judge: Judge, state: State) -> list[Condition]:
    found = []
    for process, evidence, dispersion in zip(
        judge.processes, state.evidence, judge.dispersions, strict=True
    ):
        objective = process.objective
        compares = process.compare is not Compare.TARGET

        def add(reason: Reason, message: str, name: str = objective.name) -> None:
            found.append(Condition(reason, name, message))

        # A slice may have no requests of a small share.
        if evidence.seen_stable_total > 0 and not evidence.seen_total and objective.slice is None:
            add(
                Reason.NO_TRAFFIC,
                "stable has requests and the candidate has none; check the route",
            )
        if compares and evidence.seen_total > 0 and not evidence.seen_stable_total:
            add(Reason.NO_BASELINE, "the candidate has requests and stable has none")
        if evidence.passed_total < evidence.seen_total / 2:
            add(
                Reason.LOW_LOAD,
                f"only {count(evidence.passed_total)} of {count(evidence.seen_total)} requests met "
                "a pod as busy as those of stable; the others do not count for promotion",
            )
        latency = objective.latency
        if latency is not None and not objective.kind.traits.needs_stable:
            message = _boundary(latency)
            if message is None and compares:
                message = no_boundary_of_stable(latency.within, latency.stable)
            if message:
                add(Reason.NO_BUCKET_BOUNDARY, message)
        if not dispersion.known and not objective.kind.traits.is_of_copies:
            add(
                Reason.DISPERSION_UNKNOWN,
                "no history shows whether errors come in bursts, "
                "so twice as many requests are needed",
            )
        if dispersion.target > BURSTY and process.compare is not Compare.STABLE:
            add(
                Reason.BURSTY_ERRORS,
                f"errors come in bursts ({dispersion.target:.0f} times the variance of independent "
                "errors), so a fixed target takes hours; set the objective's `compare: Stable`",
            )
    return found


def _boundary(latency: Latency) -> str | None:
    """What is lacking of the edges that the candidate is read at; None when nothing is."""
    own = latency.histogram
    if own is not None and not own.metric:
        return (
            f"stage {own.stage} is timed by one of {', '.join(own.possible)}; found buckets of "
            "none of them in Prometheus for this version, or of several, so this objective neither "
            "passes nor fails. It is asked for again while there are none: check that the model "
            "server is scraped. Write `runtime` in the spec if there are several."
        )
    return no_bucket_boundary(latency.within, latency.edges, None if own is None else own.text)


def _degraded(
    judge: Judge, state: State, decision: Decision, objectives: tuple[ObjectiveVerdict, ...]
) -> list[Condition]:
    def by_target(index: int, verdict: ObjectiveVerdict) -> float:
        # A model that does not agree with itself misses nothing that users were promised.
        is_missed = not judge.rules.objectives[index].is_against_itself
        if verdict.compare is Compare.AUTO and is_missed:
            return verdict.fail_evidence_target
        return verdict.fail_evidence

    alone = {
        index: by_target(index, each)
        for index, each in enumerate(objectives)
        if each.role is not Role.REPORT
    }
    unknown = state.unseen_since is not None
    if unknown or decision is Decision.FAIL or judge.mean(alone) < judge.fail_needed:
        return []
    worst = objectives[max(alone, key=lambda index: by_target(index, objectives[index]))]
    return [
        Condition(
            Reason.SERVICE_DEGRADED,
            worst.name,
            "the candidate misses its target but is not clearly worse than stable: the service "
            "itself is degraded, which is no reason to roll back",
        )
    ]


def _why(
    judge: Judge,
    state: State,
    decision: Decision,
    toward: float,
    objectives: tuple[ObjectiveVerdict, ...],
    who: str,
) -> str:
    if decision is Decision.PASS:
        return "every gate passed"
    if decision is Decision.FAIL:
        unseen = "; stable was not scraped" if state.is_alone else ""
        return f"{_worst(judge, objectives, who)}{unseen}"
    waiting = [o for o in objectives if o.is_asked and not o.passed]
    never = [o.name for o in waiting if o.more_requests is None]
    if never:
        return f"{listed(never)} will not pass for {_aim(toward)} if the rates stay as they are"
    slowest = max(waiting, key=lambda each: each.more_requests or 0.0)
    objective = next(o for o in judge.rules.objectives if o.name == slowest.name)
    seen, more = slowest.candidate.total, slowest.more_requests or 0.0
    return (
        f"{listed([each.name for each in waiting])} {'needs' if len(waiting) == 1 else 'need'} "
        f"about {about(more)} more {objective.unit} for {_aim(toward)} "
        f"({count(seen)} of about {about(seen + more)})"
    )


def _worst(judge: Judge, objectives: tuple[ObjectiveVerdict, ...], who: str) -> str:
    """The objective with the most evidence for Fail, held against its promise and stable."""
    index = judge.worst(
        {i: o.fail_evidence for i, o in enumerate(objectives) if o.role is not Role.REPORT}
    )
    objective, worst = judge.rules.objectives[index], objectives[index]
    return _failure(objective, worst.compare, worst.candidate, worst.stable, who)


def _words(decision: Decision, why: str, *, is_degraded: bool) -> str:
    # Other reasons begin with the name of an objective, which stays as it is written.
    sentence = f"{capitalized(why) if decision is Decision.PASS else why}."
    if not is_degraded:
        return sentence
    return f"The service itself is degraded; the candidate is compared with stable only. {sentence}"
