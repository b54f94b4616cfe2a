"""What the next move waits for, as sentences: requests, time, pods, or nothing that will come."""

from collections.abc import Iterator, Sequence

from model_rollouts.api.conditions import Reason
from model_rollouts.api.deployment import Spec
from model_rollouts.api.duration import span
from model_rollouts.api.status import ObjectiveStatus, Verdict
from model_rollouts.api.strategy import OnDeadline
from model_rollouts.decision import Decision
from model_rollouts.rollout.state import pod_limit
from model_rollouts.rollout.status.progress import Progress, step_ahead
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial.trial import counted_copies
from model_rollouts.text import about, capitalized, count, duration, observed, percent

_AT_DEADLINE = {
    OnDeadline.PROMOTE_WITH_BOUND: "It is then promoted if what is not ruled out is acceptable.",
    OnDeadline.HOLD: "The weight then stays until you decide.",
    OnDeadline.ROLLBACK: "It is then rolled back.",
}


def failure(objectives: Sequence[ObjectiveStatus], spec: Spec) -> str:
    """Which of the objectives in `spec` failed, as a clause."""
    failed = next((each for each in objectives if each.verdict is Verdict.FAIL), None)
    if failed is None or not failed.total:
        return "an objective failed"
    share = observed(failed.bad / failed.total)
    # An answer that is another one did not fail.
    compared = {each.name for each in spec.objectives if each.disagreement is not None}
    verb = "disagreed in" if failed.name in compared else "failed"
    what = "requests" if failed.slice is None else f"requests of slice {failed.slice}"
    return f"{failed.name} {verb} {count(failed.bad)} of {count(failed.total)} {what} ({share})"


def few_mirrored(given: StatusInput) -> Iterator[str]:
    """Why fewer requests are mirrored than the spec asks, unless that made stable worse."""
    words = pod_limit.of_copies(given.deployment.spec, _users(given))
    if words is not None and given.roles.suffered_at_percent is None:
        yield f"{capitalized(words)}."


def reduced(given: StatusInput) -> Iterator[str]:
    """Why a step, this one or the next, is smaller than the spec asks."""
    following = step_ahead(given)
    near = (step for step in given.steps if step == following or float(step.weight) == given.weight)
    step = next((step for step in near if step.is_reduced), None)
    if step is not None:
        extra = given.deployment.spec.strategy.max_extra_replicas
        words = pod_limit.of_step(step, _users(given), extra)
        if words is not None:
            yield f"{capitalized(words)}."


def _users(given: StatusInput) -> int:
    """The pods that serve all users, as they are now or are to be."""
    stable = given.stable
    return max(given.users, 0 if stable is None else stable.replicas)


def shadow_needs(given: StatusInput, progress: Progress | None) -> Iterator[str]:
    """What the first users wait for: mirrored requests, by count, by time, or for an objective."""
    asked, trial = given.deployment.spec.strategy.shadow, given.trial
    silent = not given.roles.mirror_percent or any(
        hold.reason is Reason.MIRROR_NOT_OBSERVED for hold in given.holds
    )
    if asked is None or trial is None or progress is None or silent:
        return
    if progress.failed:
        yield f"It is being rolled back: {failure(progress.objectives, given.deployment.spec)}."
        return
    seen, slowest = counted_copies(trial), progress.slowest
    if not seen:
        yield "No mirrored request counted yet: a pod's first minute is warm-up."
    elif slowest is None:
        yield (
            f"Every gate passed; {count(seen)} of at least {count(asked.min_requests)} mirrored "
            f"requests, for at least {asked.min_duration}."
        )
    else:
        more, what = slowest.more_requests, slowest.unit
        if slowest.unit != "requests":
            seen = round(slowest.candidate.total)
        if slowest.unit != "pairs":
            what = f"mirrored {what}"
        yield _more(slowest.name, seen, more, what, "the canary")


def canary_needs(given: StatusInput, progress: Progress | None) -> Iterator[str]:
    """What the next move waits for, and whether the deadline comes first."""
    if progress is None:
        return
    explained, strategy, slowest = (
        progress.explained,
        given.deployment.spec.strategy,
        progress.slowest,
    )
    aim = "promotion" if explained.toward == 1 else percent(explained.toward)
    if explained.decision is Decision.FAIL:
        yield f"It is being rolled back: {failure(progress.objectives, given.deployment.spec)}."
        return
    if any(hold.reason is Reason.LOW_LOAD for hold in given.holds):
        return  # More requests prove nothing; what does is said already.
    if slowest is None:
        shortest = strategy.canary.min_step_duration
        yield f"Every gate passed for {aim}; a step lasts at least {shortest}."
        return
    seen, more = slowest.candidate.total, slowest.more_requests
    left = span(strategy.deadline).total_seconds() - given.clocks.phase
    wait = None
    if more is not None and progress.rate and given.weight:
        wait = more / (progress.rate * given.weight * progress.parts.get(slowest.name, 1.0))
    if more is not None and wait is not None and wait > left > 0:
        yield (
            f"{slowest.name} is not expected to pass for {aim} before the deadline in "
            f"{duration(left)} ({count(seen)} of about {about(seen + more)} {slowest.unit})."
        )
        yield _AT_DEADLINE[strategy.on_deadline]
        return
    time = "" if wait is None else f", about {duration(wait)}"
    yield _more(slowest.name, seen, more, slowest.unit, aim, time)
    if more is None and left > 0:
        yield f"The deadline comes in {duration(left)}."
        yield _AT_DEADLINE[strategy.on_deadline]


def _more(name: str, seen: float, more: float | None, what: str, aim: str, time: str = "") -> str:
    """How many more requests an objective needs, out of how many."""
    if more is None:
        return f"{name} cannot pass for {aim} at these rates ({count(seen)} {what} so far)."
    needs, whole = about(more), about(seen + more)
    if needs == "0" or whole == about(seen):
        return f"{name} needs a few more {what} for {aim} ({count(seen)} so far){time}."
    return (
        f"{name} needs about {needs} more {what} for {aim} ({count(seen)} of about {whole}){time}."
    )
