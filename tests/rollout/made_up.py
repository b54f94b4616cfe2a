"""Made-up counts and situations that several tests share."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from model_rollouts.api.deployment import ModelDeployment, Spec, read
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.ratio import share
from model_rollouts.api.status import Past
from model_rollouts.decision import Traffic, allowed_steps
from model_rollouts.metrics.counts import ArmCounts, Counted, IntervalCounts, Tally
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.resources.controller_revision import BUILDER_VERSION
from model_rollouts.rollout.memory import Clocks, Memory, Split, Trial
from model_rollouts.rollout.standing import Roles, Standing
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial.samples import CANDIDATE, SHADOW, STABLE, Counting
from model_rollouts.rollout.trial.trial import begin_trial, take_counts, trial_rules
from tests.api.objects import MINIMAL, changed

STEP_MS = 5_000
STARTED_MS = 1_774_965_720_000
"""31 March 2026, 14:02 UTC."""
NOON = STARTED_MS / 1000
V2, V3 = "arrival-2222222222", "arrival-3333333333"


def deployment(changes: dict[str, Any] | None = None, generation: int = 7) -> ModelDeployment:
    """A ModelDeployment that asks for version 3."""
    obj = changed(changes or {}, MINIMAL)
    obj["metadata"] |= {"namespace": "flights", "uid": "1", "generation": generation}
    return read(obj)


def spec(changes: dict[str, Any] | None = None) -> Spec:
    """Its spec."""
    return deployment(changes).spec


def record(
    index: int,
    candidate: tuple[int, int],
    stable: tuple[int, int] | None = None,
    findings: Sequence[Finding] = (),
    *,
    traffic: Traffic = Traffic.LIVE,
    warming: bool = False,
) -> IntervalCounts:
    """The interval number `index` with (requests, bad ones) of each arm, all objectives alike."""

    def arm(counts: tuple[int, int]) -> ArmCounts:
        names = [each.name for each in Counting(()).counted()]
        return ArmCounts({name: Tally(counts[0], (counts[1],)) for name in names}, 1, 0)

    judged = replace(arm(candidate), warming=warming)
    arms = {CANDIDATE if traffic is Traffic.LIVE else SHADOW: judged}
    if stable is not None:
        arms[STABLE] = arm(stable)
    start = STARTED_MS + index * STEP_MS
    return IntervalCounts(start, start + STEP_MS, arms, tuple(findings))


def counted(records: Iterable[IntervalCounts]) -> Counted:
    """A tick that closed these intervals."""
    records = tuple(records)
    return Counted(records, Watermark(records[-1].end_ms), behind=False)


def steady(
    number: int,
    candidate: tuple[int, int] = (50, 0),
    stable: tuple[int, int] | None = (150, 0),
    first: int = 0,
) -> Counted:
    """A tick of intervals that are all alike."""
    return counted(record(first + index, candidate, stable) for index in range(number))


def finding(reason: Reason, arm: str = CANDIDATE) -> Finding:
    """Something found in an interval."""
    return Finding(reason, arm, (), f"{reason} of {arm}")


def shadowed(copies: int, mirror: int = 10, changes: dict[str, Any] | None = None) -> Memory:
    """The memory after a minute in which so many copies and 600 requests came in each interval."""
    judged_by = trial_rules(spec(changes), baseline=True)
    begun = begin_trial(V3, 1, judged_by, None, STARTED_MS, traffic=Traffic.SHADOW)
    records = (record(i, (copies, 0), (600, 0), traffic=Traffic.SHADOW) for i in range(12))
    memory = Memory(trial=begun, split=Split(STARTED_MS - STEP_MS, mirror=mirror))
    return take_counts(memory, counted(records), 0.0)


def trial(changes: dict[str, Any] | None = None, *, baseline: bool = True) -> Trial:
    """The trial of version 3, without evidence."""
    judged_by = trial_rules(spec(changes), baseline=baseline)
    return begin_trial(V3, 1, judged_by, None, STARTED_MS)


def judged(ticks: Counted, *, weight: float = 0.25, of: Trial | None = None) -> Memory:
    """The memory after these ticks."""
    return take_counts(Memory(trial=of or trial()), ticks, weight)


def standing(
    revision: str, replicas: int = 2, ready: int = 2, trouble: str | None = None
) -> Standing:
    """A revision that needs all its replicas."""
    return Standing(revision, revision[-1], BUILDER_VERSION, replicas, ready, replicas, trouble)


def past(outcome: Outcome, message: str, revision: str = V3) -> Past:
    """A rollout that ended at noon."""
    return Past(
        revision=revision,
        version=revision[-1],
        attempt=1,
        outcome=outcome,
        ended_at=datetime.fromtimestamp(NOON, UTC),
        message=message,
    )


def situation(phase: Phase, weight: float = 0.0, **more: Any) -> StatusInput:
    """Version 3 in `phase` beside stable version 2; in Full it is stable itself."""
    full = phase is Phase.FULL
    stable, candidate = (V3, None) if full else (V2, V3)
    asked = deployment(more.pop("spec", None))
    strategy = asked.spec.strategy
    made = StatusInput(
        deployment=asked,
        phase=phase,
        roles=Roles(stable, candidate, None, phase, Fraction(str(weight)), 1, None, 3),
        weight=weight,
        step=1 if phase is Phase.CANARY else None,
        stable=standing(stable),
        candidate=None if candidate is None else standing(candidate, 1, 1),
        previous=None,
        holds=(),
        clocks=Clocks("Canary", NOON + 600, phase=600.0, step=600.0 if weight else 0.0),
        trial=None,
        history=(),
        watching=False,
        gateway_accepted=True,
        steps=allowed_steps(
            map(share, strategy.canary.steps), asked.spec.replicas, strategy.max_extra_replicas
        ),
    )
    return replace(made, **more)
