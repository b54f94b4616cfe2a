"""The table of conditions: situations and the conditions that their status must have."""

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import Status
from model_rollouts.decision import forecast_decision
from model_rollouts.rollout.memory import Memory, Trial
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.status.status import status_body, tell
from model_rollouts.rollout.status.summary import StatusInput
from tests.api.objects import ERRORS, LATENCY
from tests.conditions_check import broken_rules
from tests.rollout.made_up import NOON, V2, V3, judged, situation, standing, steady, trial

LATER = NOON + 600


def told(given: StatusInput, before: Status | None = None, memory: Memory | None = None) -> Status:
    """The status, which must be sound and be read back as it was written."""
    status = tell(given, memory or Memory(), before or Status(), LATER)
    generation = given.deployment.metadata.generation
    assert status.observed_generation == generation
    assert (
        broken_rules(status.conditions, generation=generation, observed_generation=generation) == []
    )
    assert Status.model_validate(status_body(status)) == status
    return status


def shown(status: Status) -> dict[str, str]:
    """Each condition as `True Reason`."""
    return {each.type: f"{each.status} {each.reason}" for each in status.conditions}


def hold(reason: Reason, *, stalls: bool = False) -> Hold:
    return Hold(reason, f"because of {reason}", str(reason), stalls=stalls)


def after(candidate: tuple[int, int], stable: tuple[int, int] | None, number: int = 60) -> Trial:
    """A trial with evidence."""
    begun = trial(baseline=stable is not None)
    ended = judged(steady(number, candidate, stable), of=begun).trial
    assert ended is not None
    return ended


BETWEEN = {
    "spec.objectives": [
        ERRORS,
        {**LATENCY, "latency": {"within": "320ms", "share": "99%"}},
    ]
}
YES = "True StableReady"
WAITS = [
    Reason.NO_TRAFFIC,
    Reason.METRICS_UNAVAILABLE,
    Reason.SCRAPE_MISSING,
    Reason.DUPLICATE_TARGETS,
    Reason.SPLIT_NOT_OBSERVED,
    Reason.ARMS_DIFFER,
    Reason.LOW_LOAD,
    Reason.CAPACITY_PENDING,
    Reason.GATEWAY_NOT_ACCEPTED,
    Reason.OVERRIDDEN,
]
STALLS = [
    Reason.PROVENANCE_MISSING,
    Reason.GATEWAY_INCAPABLE,
    Reason.INVALID_TEMPLATE,
    Reason.NAME_TAKEN,
]


def waits(reason: str, available: str = YES) -> dict[str, str]:
    return {"Available": available, "Ready": f"False {reason}", "Reconciling": f"True {reason}"}


def stalled(reason: str, available: str = YES) -> dict[str, str]:
    return {"Available": available, "Ready": f"False {reason}", "Stalled": f"True {reason}"}


SERVES = {"Available": YES, "Ready": "True Serving"}
SHORT = standing(V2, 2, 1)

ROWS: dict[str, tuple[StatusInput, dict[str, str]]] = {
    "first version checked": (
        situation(Phase.ADMISSION, stable=None, candidate=None),
        waits("Checking", "False Checking"),
    ),
    "first version starting": (
        situation(Phase.STARTING, stable=None),
        waits("Starting", "False Starting"),
    ),
    "candidate checked": (situation(Phase.ADMISSION), waits("Checking")),
    "candidate starting": (situation(Phase.STARTING), waits("Starting")),
    "candidate judged on copies": (situation(Phase.SHADOW), waits("Judging")),
    "candidate judged on copies, route not accepted": (
        situation(Phase.SHADOW, gateway_accepted=False),
        waits("GatewayNotAccepted", "False GatewayNotAccepted"),
    ),
    **{
        f"candidate held in shadow: {reason}": (
            situation(Phase.SHADOW, holds=(hold(reason),)),
            waits(reason),
        )
        for reason in (Reason.MIRROR_NOT_OBSERVED, Reason.SHADOW_HURTS_STABLE)
    },
    "candidate judged": (situation(Phase.CANARY, 0.25), waits("Judging")),
    **{
        f"candidate held: {reason}": (
            situation(Phase.CANARY, 0.25, holds=(hold(reason), hold(Reason.NO_TRAFFIC))),
            waits(reason),
        )
        for reason in WAITS
    },
    "paused": (situation(Phase.PAUSED, 0.25, holds=(hold(Reason.PAUSED),)), waits("Paused")),
    "paused, full": (situation(Phase.PAUSED, stable=standing(V3), candidate=None), waits("Paused")),
    **{
        f"admission: {reason}": (
            situation(Phase.ADMISSION, holds=(hold(reason, stalls=True),)),
            stalled(reason),
        )
        for reason in STALLS
    },
    "first version refused": (
        situation(
            Phase.ADMISSION, stable=None, holds=(hold(Reason.PROVENANCE_MISSING, stalls=True),)
        ),
        stalled("ProvenanceMissing", "False ProvenanceMissing"),
    ),
    "progress deadline": (
        situation(Phase.STARTING, holds=(hold(Reason.PROGRESS_DEADLINE_EXCEEDED, stalls=True),)),
        stalled("ProgressDeadlineExceeded"),
    ),
    "stalled while stable is short": (
        situation(
            Phase.ADMISSION, stable=SHORT, holds=(hold(Reason.INVALID_TEMPLATE, stalls=True),)
        ),
        stalled("InvalidTemplate", "False StableUnavailable"),
    ),
    "rolled back": (situation(Phase.ROLLED_BACK), stalled("RolledBack")),
    "rolled back, route not accepted": (
        situation(Phase.ROLLED_BACK, holds=(hold(Reason.METRICS_UNAVAILABLE),)),
        stalled("RolledBack"),
    ),
    "undecided": (situation(Phase.UNDECIDED), stalled("Undecided")),
    "promoted in exchange": (
        situation(Phase.CANARY, 0.5, is_promoting=True, holds=(hold(Reason.EXCHANGING),)),
        waits("Exchanging"),
    ),
    "rolled back, with users still": (
        situation(Phase.ROLLED_BACK, 0.5, leaving=standing(V3), holds=(hold(Reason.EXCHANGING),)),
        waits("Exchanging"),
    ),
    "dropped, with users still": (
        situation(Phase.FULL, 0.5, leaving=standing(V2), holds=(hold(Reason.EXCHANGING),)),
        waits("Exchanging"),
    ),
    "rolled back, with users still, route not accepted": (
        situation(
            Phase.ROLLED_BACK,
            0.5,
            leaving=standing(V3),
            holds=(hold(Reason.GATEWAY_NOT_ACCEPTED), hold(Reason.EXCHANGING)),
        ),
        waits("GatewayNotAccepted"),
    ),
    "full": (situation(Phase.FULL), SERVES),
    "full, watched": (
        situation(Phase.FULL, watching=True),
        SERVES | {"Watching": "True Watching"},
    ),
    "full, watched without metrics": (
        situation(Phase.FULL, watching=True, holds=(hold(Reason.METRICS_UNAVAILABLE),)),
        SERVES | {"Watching": "True MetricsUnavailable"},
    ),
    "full, route taken by somebody": (
        situation(Phase.FULL, holds=(hold(Reason.NO_TRAFFIC), hold(Reason.ROUTE_CONFLICT))),
        waits("RouteConflict"),
    ),
    "full, stable short": (
        situation(Phase.FULL, stable=standing(V3, 2, 1)),
        waits("StableUnavailable", "False StableUnavailable"),
    ),
    "new input during the watch": (
        situation(Phase.STARTING, watching=True),
        waits("Starting") | {"Watching": "True Watching"},
    ),
    "canary, stable short": (
        situation(Phase.CANARY, 0.25, stable=SHORT, holds=(hold(Reason.NO_TRAFFIC),)),
        waits("StableUnavailable", "False StableUnavailable"),
    ),
    "full, never accepted": (
        situation(Phase.FULL, gateway_accepted=False),
        waits("GatewayNotAccepted", "False GatewayNotAccepted"),
    ),
    "too little traffic": (
        situation(Phase.CANARY, 0.25, trial=after((1, 0), (3, 0), 60)),
        waits("Judging"),
    ),
    "far too little traffic": (
        situation(Phase.CANARY, 0.25, trial=after((0, 0), (1, 0), 60)),
        waits("Judging") | {"Underpowered": "True TooLittleTraffic"},
    ),
    "too little traffic, by the plan": (
        situation(Phase.STARTING, expected=forecast_decision(trial().judge, 0.01, deadline=600)),
        waits("Starting") | {"Underpowered": "True TooLittleTraffic"},
    ),
    "enough traffic, by the plan": (
        situation(Phase.STARTING, expected=forecast_decision(trial().judge, 100, deadline=86_400)),
        waits("Starting"),
    ),
    "a time between two buckets": (
        situation(Phase.CANARY, 0.25, trial=trial(BETWEEN)),
        waits("Judging") | {"NoBucketBoundary": "True BetweenBuckets"},
    ),
    "stable misses the target, and the candidate does not": (
        situation(Phase.CANARY, 0.25, trial=after((50, 0), (150, 15), 20)),
        waits("Judging") | {"ServiceDegraded": "True TargetMissed"},
    ),
    "both miss the target": (
        situation(Phase.CANARY, 0.25, trial=after((50, 5), (150, 15), 20)),
        waits("Judging") | {"ServiceDegraded": "True TargetMissed"},
    ),
    "the first version misses the target": (
        situation(Phase.FULL, watching=True, degraded="It fails."),
        SERVES | {"Watching": "True Watching", "ServiceDegraded": "True TargetMissed"},
    ),
    "a settled version misses the target": (
        situation(Phase.FULL, degraded="It fails."),
        SERVES | {"ServiceDegraded": "True TargetMissed"},
    ),
    "stable misses the target, and the candidate is not judged yet": (
        situation(Phase.STARTING, degraded="It fails."),
        waits("Starting") | {"ServiceDegraded": "True TargetMissed"},
    ),
    "most requests fail": (
        situation(Phase.FULL, failing="Most requests fail."),
        SERVES | {"Available": "False NotAnswering"},
    ),
    "most requests to stable fail": (
        situation(Phase.CANARY, 0.25, failing="Most requests fail."),
        waits("Judging", "False NotAnswering"),
    ),
    "most requests fail, for lack of pods": (
        situation(Phase.FULL, stable=standing(V3, 2, 1), failing="Most requests fail."),
        waits("StableUnavailable", "False StableUnavailable"),
    ),
}
