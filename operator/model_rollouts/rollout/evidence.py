"""What the status of a rollout knows of its verdict, for people who ask why it is where it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from model_rollouts.api import ratio
from model_rollouts.api.deployment import ModelDeployment, Spec
from model_rollouts.api.guards import LATENCY_AGAINST_STABLE, RESTARTS
from model_rollouts.api.objectives import Objective
from model_rollouts.decision import (
    LOOK,
    Counts,
    Forecast,
    Interval,
    Judge,
    Sample,
    Step,
    Verdict,
    allowed_steps,
    explain,
)
from model_rollouts.metrics.objectives import CountedObjective, Template, Term
from model_rollouts.metrics.selector import selector
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import Listener
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.observed import Children
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state import current_trial, revisions
from model_rollouts.rollout.state.forecast import canary_forecast
from model_rollouts.rollout.state.recorded_roles import read_roles
from model_rollouts.rollout.trial.guards import guards_latency
from model_rollouts.rollout.trial.objectives import Edges
from model_rollouts.rollout.trial.samples import Counting
from model_rollouts.rollout.trial.trial import judge_for, request_rate, slice_shares, trial_rules

MOST_LOOKS = 1_000
"""Intervals after which nothing is looked for any more."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The trial as the status keeps it, and what it is a step toward.

    `explained` is about the next of `steps`. `rate` is requests per second to both versions, None
    before a minute was counted, and `shares` the parts of slices.
    """

    trial: Trial
    roles: Roles
    steps: tuple[Step, ...]
    explained: Verdict
    rate: float | None
    shares: Mapping[str, float]

    @property
    def until_ms(self) -> int:
        """The end of the last scrape that was counted (Unix milliseconds)."""
        mark = self.trial.watermark
        return self.trial.started_ms if mark is None else mark.at_ms

    @property
    def failed_ms(self) -> int | None:
        """The end of the scrape that decided against it; None while none has."""
        failed = self.trial.state.failed_at
        return None if failed is None else self.trial.started_ms + round(1000 * failed)


def stored_evidence(deployment: ModelDeployment, stored: Sequence[Object]) -> Evidence | None:
    """The evidence in the status; None while nothing is judged, or none can be read.

    `stored` are the ControllerRevisions of the ModelDeployment.
    """
    children = Children(revisions=tuple(stored))
    known = revisions.read(children)
    roles = read_roles(children, known, deployment.status)
    named = (roles.stable, roles.candidate, roles.previous)
    known = revisions.with_missing(known, named, deployment.metadata.namespace)
    trial = current_trial.restored(deployment, known, roles).trial
    if trial is None:
        return None
    steps = steps_of(deployment)
    ahead = next((each for each in steps if each.weight > roles.weight), steps[-1])
    explained = (
        explain(trial.judge, trial.state)
        if ahead.is_all or not roles.phase.is_judged
        else explain(trial.judge, trial.state, float(ahead.proof), weight=float(ahead.weight))
    )
    return Evidence(trial, roles, steps, explained, request_rate(trial), slice_shares(trial))


def steps_of(deployment: ModelDeployment) -> tuple[Step, ...]:
    """The steps that its pods allow a candidate, all users at the end."""
    spec, desired = deployment.spec, deployment.status.desired_replicas
    serving = spec.replicas if desired is None else desired
    asked: list[Fraction] = [ratio.share(each) for each in spec.strategy.canary.steps]
    return allowed_steps(asked, max(1, serving), spec.strategy.max_extra_replicas)


def forecast_of(
    deployment: ModelDeployment,
    rate: float,
    known: Evidence | None = None,
) -> Forecast:
    """What to expect of a canary at `rate` requests per second, as the operator forecasts it.

    How errors come in bursts and the shares of slices are those of `known`. Raises ValueError for a
    rate that is not positive, and for objectives that cannot be judged.
    """
    rules = trial_rules(deployment.spec, baseline=True)
    shares = {} if known is None else known.shares
    if known is None:
        judge = judge_for(rules, None)
    else:
        before = known.trial.judge
        bursts = dict(
            zip((each.name for each in before.rules.objectives), before.dispersions, strict=True)
        )
        judge = type(before)(
            rules,
            {each.name: bursts[each.name] for each in rules.objectives if each.name in bursts},
        )
    return canary_forecast(judge, rate, deployment.spec, steps_of(deployment), shares)


@dataclass(frozen=True, slots=True)
class Declared:
    """A spec as recorded samples can judge it: by which judge, and what is left out, by name."""

    judge: Judge
    left_out: tuple[str, ...]


def declared(
    spec: Spec, thresholds: Sequence[float], slices: Sequence[str], *, baseline: bool
) -> Declared:
    """The judge of a spec, for samples that have `slices` and times within `thresholds` (seconds).

    What such samples do not have is left out: restarts of pods, what the observer compares, times
    of slices, histograms of model servers. Raises ValueError when no Gate is left, or the spec is
    one that the CRD refuses.
    """

    def is_replayed(objective: Objective) -> bool:
        timed, slice = objective.latency, objective.slice
        if timed is not None:
            return timed.histogram is None and timed.stage is None and slice is None
        return objective.disagreement is None and (slice is None or slice in slices)

    found = tuple(each for each in spec.objectives if is_replayed(each))
    left_out = [each.name for each in spec.objectives if each not in found]
    known = tuple(thresholds)
    rules = trial_rules(
        spec.model_copy(update={"objectives": found}),
        baseline=baseline,
        edges=Edges(known, known, slices=dict.fromkeys(slices, ((), ()))),
    )
    asked = {each.name for each in rules.objectives}
    left_out += [name for name in (RESTARTS,) if name in asked]
    if baseline and guards_latency(spec):
        left_out.append(LATENCY_AGAINST_STABLE)
    return Declared(judge_for(rules, None), tuple(dict.fromkeys(left_out)))


def failures_to_roll_back(known: Evidence, name: str) -> int | None:
    """After how many requests of the candidate it is rolled back if all of them fail the objective.

    Stable goes on as so far, and both get requests at the rates so far. None when it has failed, or
    `MOST_LOOKS` intervals like these do not roll it back.
    """
    judge, state = known.trial.judge, known.trial.state
    if state.failed_at is not None or not state.elapsed:
        return None
    index = next(i for i, each in enumerate(judge.rules.objectives) if each.name == name)
    seen, shared = state.evidence[index], judge.rules.objectives[index].kind.traits
    share = LOOK / state.elapsed
    total, stable = max(1.0, seen.seen_total * share), seen.seen_stable_total * share
    bad = seen.seen_stable_bad * share
    sample = Sample(Counts.of(total, total), Counts.of(stable, bad))
    # A request that fails is one for every objective that counts failed requests.
    samples = {
        each.name: sample
        for each in judge.rules.objectives
        if each.name == name or (shared.shares_errors_past and each.kind.traits.shares_errors_past)
    }
    for look in range(1, MOST_LOOKS + 1):
        start = state.elapsed
        interval = Interval(start, start + LOOK, samples, comparable_load=True, arm=state.arm)
        state = judge.update(state, interval)
        if state.failed_at is not None:
            return round(look * total)
    return None


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL for what an objective counts: its requests, and those of them that are bad."""

    about: str
    total: str
    bad: str


def queries(
    spec: Spec,
    namespace: str,
    revision: str,
    seconds: int,
    *,
    mirrored: bool,
    at: int | None = None,
) -> tuple[Query, ...]:
    """What to ask Prometheus to see it oneself, for the last `seconds` of a revision.

    `at` (Unix milliseconds) is where they end, None for now.

    The operator counts raw samples; `increase` extrapolates, so that numbers differ a little.
    """
    counted = Counting(trial_rules(spec, baseline=True).objectives).counted()
    listener = Listener.SHADOW if mirrored else Listener.LIVE
    over = f"[{seconds}s]" + ("" if at is None else f" @ {at // 1000}")
    return tuple(_query(each, namespace, revision, listener, over) for each in counted)


def _query(
    counted: CountedObjective, namespace: str, revision: str, listener: Listener, over: str
) -> Query:
    def text(terms: Sequence[Term]) -> str:
        words = ""
        for term in terms:
            heard = listener if term.counter.listener_label is not None else None
            template = Template(counted.source, term.counter, heard, term.edge)
            series = selector(template, (namespace,), (revision,), LabelNames())
            sign = "-" if term.sign < 0 else "+"
            # A counter that has not counted yet has no series: its sum is none, and not zero.
            words += f" {sign} (sum(increase({series}{over})) or vector(0))"
        return words.removeprefix(" + ")

    return Query(counted.name, text(counted.total), text(counted.bad[0]))
