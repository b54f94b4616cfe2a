"""The one sentence, as people read it. Every row should be good English."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.decision import explain
from model_rollouts.rollout.memory import Clocks, Trial
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.status.message import sentence
from model_rollouts.rollout.status.progress import progress_of
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.text import clock, cut
from tests.rollout.made_up import (
    NOON,
    V2,
    V3,
    judged,
    past,
    shadowed,
    situation,
    standing,
    steady,
    trial,
)

HOUR = 3600.0
ON = {"spec.strategy.shadow": {"sideEffects": "None"}}


def counted(candidate: tuple[int, int], stable: tuple[int, int] | None = (30, 0)) -> Trial:
    """A trial after five minutes with (requests, bad ones) of each arm every 5 s."""
    begun = trial(baseline=stable is not None)
    after = judged(steady(60, candidate, stable), of=begun).trial
    assert after is not None
    return after


def hold(reason: Reason, message: str, *, stalls: bool = False) -> dict[str, Any]:
    return {"holds": (Hold(reason, message, stalls=stalls),)}


def copied(copies: int) -> Trial:
    """A trial after a minute with so many copies every 5 s."""
    after = shadowed(copies, changes=ON).trial
    assert after is not None
    return after


def shadow(mirror: int, **more: Any) -> StatusInput:
    """Version 3 in shadow, with copies of so many percent."""
    made = situation(Phase.SHADOW, spec=ON, **more)
    return replace(made, roles=made.roles._replace(mirror_percent=mirror))


def watched(made: StatusInput) -> StatusInput:
    roles = made.roles._replace(previous=V2)
    return replace(made, watching=True, roles=roles, previous=standing(V2))


EXCHANGING = Reason.EXCHANGING
TAKE_PLACE = "Pods of 2 take the place of those of 3: 1 of 4 are ready."
LATE = Clocks("", NOON + 86_000, phase=86_000.0, step=86_000.0)
FAILED = counted((200, 10), (600, 0))
FAILURE = (
    "Errors failed: 99.9 % of requests must succeed; the candidate failed 600 of 12,000 (5 %), "
    "stable 0 of 36,000."
)
RETRY = "Apply another version, or raise strategy.attempt to try 3 again."

ROWS = [
    (situation(Phase.ADMISSION, stable=None, candidate=None), "Checking 3; no version serves yet."),
    (
        situation(
            Phase.ADMISSION,
            **hold(Reason.PROVENANCE_MISSING, "spec.model.gitCommit: found none, write the commit"),
        ),
        "Checking 3; all users on 2. spec.model.gitCommit: found none, write the commit.",
    ),
    (
        situation(Phase.STARTING, stable=None, candidate=standing(V3, 2, 1)),
        "Starting 3, the first version: 1 of 2 pods ready; no version serves yet.",
    ),
    (
        situation(Phase.STARTING, candidate=standing(V3, 2, 0, "ImagePullBackOff")),
        "Starting 3: 0 of 2 pods ready (ImagePullBackOff); all users on 2.",
    ),
    (
        shadow(10, trial=copied(10)),
        "Shadow: 3 gets copies of 10 % of the requests; all users on 2. Errors undecided: 120 of "
        "about 190 copies for the step to 5 %.",
    ),
    (
        shadow(100, trial=copied(60)),
        "Shadow: 3 gets copies of 100 % of the requests; all users on 2. Every gate is proven for "
        "the step to 5 %; 720 of at least 1,000 copies, and at least 5m in shadow.",
    ),
    (
        shadow(1, trial=copied(0)),
        "Shadow: 3 gets copies of 1 % of the requests; all users on 2. No copy was counted yet; "
        "those in the first minute of a pod do not count.",
    ),
    (
        shadow(0, **hold(Reason.SHADOW_HURTS_STABLE, "Stable suffered.")),
        "Shadow: 3 gets no copies now; all users on 2. Stable suffered.",
    ),
    (
        replace(shadow(10), phase=Phase.PAUSED, **hold(Reason.PAUSED, "Set it.")),
        "Paused: 3 gets copies of 10 % of the requests; all users on 2. Set spec.paused to false "
        "to go on.",
    ),
    (
        situation(Phase.CANARY, 0.05, clocks=Clocks("", NOON)),
        "Canary 5 % of 3; users mostly on 2.",
    ),
    (
        situation(Phase.CANARY, 0.25, trial=counted((10, 0))),
        "Canary 25 % of 3 since 14:02 UTC; users mostly on 2. Errors undecided: 600 of about "
        "3,200 requests for the step to 50 %, about 21 min.",
    ),
    (
        situation(Phase.CANARY, 0.5, trial=counted((10, 0), (10, 0))),
        "Canary 50 % of 3 since 14:02 UTC; the other users on 2. Errors undecided: 600 of about "
        "12,000 requests for promotion, about 98 min.",
    ),
    (
        situation(Phase.CANARY, 0.25, trial=counted((1, 0), (3, 0)), clocks=LATE),
        "Canary 25 % of 3 since 31 Mar 14:02 UTC; users mostly on 2. Errors undecided: 60 of about "
        "4,600 requests for the step to 50 %. The deadline comes first, in about 7 min: then it is "
        "promoted if what is not ruled out is acceptable, and taken back if not.",
    ),
    (
        situation(
            Phase.CANARY,
            0.25,
            trial=counted((1, 0), (3, 0)),
            clocks=LATE,
            spec={"spec.strategy.onDeadline": "Hold"},
        ),
        "Canary 25 % of 3 since 31 Mar 14:02 UTC; users mostly on 2. Errors undecided: 60 of about "
        "4,600 requests for the step to 50 %. The deadline comes first, in about 7 min: then the "
        "weight stays until somebody decides.",
    ),
    (
        situation(Phase.CANARY, 0.25, trial=counted((200, 0), (600, 0))),
        "Canary 25 % of 3 since 14:02 UTC; users mostly on 2. Every gate is proven for the step "
        "to 50 %; each step lasts at least 1m.",
    ),
    (
        situation(
            Phase.CANARY,
            0.25,
            trial=counted((10, 0)),
            **hold(Reason.METRICS_UNAVAILABLE, "Prometheus: connection refused."),
        ),
        "Canary 25 % of 3 since 14:02 UTC; users mostly on 2. Prometheus: connection refused. "
        "Errors undecided: 600 of about 3,200 requests for the step to 50 %, about 21 min.",
    ),
    (
        situation(Phase.CANARY, 0.25, stable=standing(V2, 2, 1, "CrashLoopBackOff")),
        "Canary 25 % of 3 since 14:02 UTC; users mostly on 2. Version 2 has 1 of the 2 pods it "
        "needs (CrashLoopBackOff).",
    ),
    (
        situation(Phase.CANARY, 0.25, trial=FAILED),
        "Canary 25 % of 3 since 14:02 UTC; users mostly on 2. It is to be taken back: "
        + FAILURE[0].lower()
        + FAILURE[1:],
    ),
    (situation(Phase.FULL), "All users on 3."),
    (
        watched(situation(Phase.FULL)),
        "All users on 3, watched until 20:02 UTC; 2 stays warm.",
    ),
    (
        situation(Phase.FULL, trial=counted((200, 10), None)),
        "All users on 3. Errors failed: 99.9 % of requests must succeed; the candidate failed 600 "
        "of 12,000 (5 %).",
    ),
    (
        situation(Phase.FULL, gateway_accepted=False),
        "All users on 3. The Gateway has not accepted the route yet.",
    ),
    (
        situation(
            Phase.ROLLED_BACK,
            history=(past(Outcome.ROLLED_BACK, explain(FAILED.judge, FAILED.state).words),),
        ),
        f"Version 3 was taken back; all users on 2. {FAILURE} {RETRY}",
    ),
    (
        situation(Phase.ROLLED_BACK, gateway_accepted=False),
        "Version 3 was taken back; all users on 2. The Gateway has not accepted the route yet, so "
        f"users may be split as they were before. {RETRY}",
    ),
    (
        situation(
            Phase.UNDECIDED,
            history=(past(Outcome.UNDECIDED, "Errors is under 0.8 %, 0.5 % is acceptable."),),
        ),
        "Version 3 stayed undecided and was taken back; all users on 2. Errors is under 0.8 %, "
        f"0.5 % is acceptable. {RETRY}",
    ),
    (
        situation(Phase.PAUSED, 0.25, **hold(Reason.PAUSED, "spec.paused is true")),
        "Paused at 25 % of 3; users mostly on 2. Set spec.paused to false to go on.",
    ),
    (
        situation(Phase.PAUSED, 0.25, trial=FAILED),
        f"Paused at 25 % of 3; users mostly on 2. {FAILURE} Set spec.paused to false to go on.",
    ),
    (
        situation(
            Phase.CANARY,
            0.05,
            trial=counted((10, 0)),
            spec={"spec.replicas": 10, "spec.strategy.maxExtraReplicas": 1},
            stable=standing(V2, 10, 10),
        ),
        "Canary 5 % of 3 since 14:02 UTC; users mostly on 2. Errors undecided: 600 of about 1,100 "
        "requests for the step to 8 %, about 22 min. Steps of 25 % and 50 % would take 3 and 6 "
        "pods, strategy.maxExtraReplicas allows 1: 8 % instead.",
    ),
    (
        situation(
            Phase.CANARY,
            0.5,
            trial=counted((10, 0)),
            is_promoting=True,
            **hold(EXCHANGING, TAKE_PLACE),
        ),
        f"Promoting 3: 50 % of the users on it, the others on 2. {TAKE_PLACE}",
    ),
    (
        situation(Phase.ROLLED_BACK, 0.5, leaving=standing(V3), **hold(EXCHANGING, TAKE_PLACE)),
        f"Version 3 was taken back; 50 % of the users still on 3, the others on 2. {TAKE_PLACE} "
        f"{RETRY}",
    ),
    (
        situation(
            Phase.ROLLED_BACK,
            1.0,
            leaving=standing(V3),
            history=(past(Outcome.ROLLED_BACK, "It was worse."),),
            **hold(EXCHANGING, TAKE_PLACE),
        ),
        f"Version 3 was taken back; all users still on 3. It was worse. {TAKE_PLACE} {RETRY}",
    ),
    (
        situation(Phase.FULL, 0.25, leaving=standing(V2), **hold(EXCHANGING, TAKE_PLACE)),
        f"25 % of the users still on 2, the others on 3. {TAKE_PLACE}",
    ),
    (
        replace(
            watched(situation(Phase.FULL, spec={"spec.replicas": 4})), previous=standing(V2, 1, 1)
        ),
        "All users on 3, watched until 20:02 UTC; 2 stays warm, a rollback takes the start of 3 "
        "pods.",
    ),
    (situation(Phase.FULL, **hold(Reason.NO_TRAFFIC, " ")), "All users on 3."),
    (situation(Phase.PAUSED), "Paused; all users on 2. Set spec.paused to false to go on."),
]


@pytest.mark.parametrize(("given", "expected"), ROWS, ids=[row[1][:40] for row in ROWS])
def test_the_sentence(given: StatusInput, expected: str) -> None:
    assert sentence(given, progress_of(given)) == expected


def test_the_sentence_is_cut_to_its_bound() -> None:
    long = situation(Phase.CANARY, 0.25, **hold(Reason.ROUTE_CONFLICT, "x" * 5_000))

    said = sentence(long, None)

    assert (len(said), said[-1]) == (1024, "…")


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [("four", 4, "four"), ("fives", 4, "fiv…"), ("", 4, "")],
)
def test_a_text_is_cut_with_a_mark(text: str, longest: int, expected: str) -> None:
    assert cut(text, longest) == expected


@pytest.mark.parametrize(
    ("seen_from", "expected"),
    [
        (None, "14:02 UTC"),
        (NOON + 9 * HOUR, "14:02 UTC"),
        (NOON + 19 * HOUR, "31 Mar 14:02 UTC"),
        (NOON - 19 * HOUR, "31 Mar 14:02 UTC"),
    ],
)
def test_a_far_moment_has_its_date(seen_from: float | None, expected: str) -> None:
    assert clock(NOON, seen_from) == expected


def test_a_clock_that_ticks_does_not_move_a_moment() -> None:
    """Sums of floats are not exact, and the minute should not flicker."""
    began = [
        clock(NOON + passed - (passed + jitter))
        for passed in (0.1, 1e3, 86_399.7)
        for jitter in (-1e-6, 0.0, 1e-6)
    ]

    assert began == ["14:02 UTC"] * len(began)
