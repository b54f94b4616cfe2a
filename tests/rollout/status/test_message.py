"""The one sentence, as people read it. Every row should be good English."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.decision import explain
from model_rollouts.rollout.memory import Clocks, Trial
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.status.message import LONGEST_SENTENCE, sentence
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
    return {"holds": (Hold(reason, message, message.rstrip("."), stalls=stalls),)}


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
    "Errors is worse than allowed: 99.9 % of answers without error, it had 600 bad of 12,000 "
    "(5 %), stable had 0 bad of 36,000 (0 %)."
)
RETRY = "Apply another version, or raise strategy.attempt to try 3 again."

ROWS = [
    (
        situation(Phase.ADMISSION, stable=None, candidate=None),
        "Checking version 3; no version serves yet.",
    ),
    (
        situation(
            Phase.ADMISSION,
            **hold(Reason.PROVENANCE_MISSING, "spec.model.gitCommit: found none, write the commit"),
        ),
        "Version 3 waits to start: spec.model.gitCommit: found none, write the commit. "
        "Version 2 serves all users.",
    ),
    (
        situation(Phase.STARTING, stable=None, candidate=standing(V3, 2, 1)),
        "Starting version 3: 1 of 2 pods ready; no version serves yet.",
    ),
    (
        situation(Phase.STARTING, candidate=standing(V3, 2, 0, "ImagePullBackOff")),
        "Starting version 3: 0 of 2 pods ready (ImagePullBackOff); version 2 serves all users.",
    ),
    (
        shadow(10, trial=copied(10)),
        "Shadow: 10 % of requests are mirrored to version 3; version 2 serves all users. "
        "errors needs about 74 more mirrored requests for the canary (120 of about 190).",
    ),
    (
        shadow(100, trial=copied(60)),
        "Shadow: 100 % of requests are mirrored to version 3; version 2 serves all users. "
        "Every gate passed; 720 of at least 1,000 mirrored requests, for at least 5m.",
    ),
    (
        shadow(1, trial=copied(0)),
        "Shadow: 1 % of requests are mirrored to version 3; version 2 serves all users. No "
        "mirrored request counted yet: a pod's first minute is warm-up.",
    ),
    (
        shadow(0, **hold(Reason.SHADOW_HURTS_STABLE, "Stable suffered.")),
        "Shadow: mirroring to version 3 has stopped; version 2 serves all users. Stable suffered.",
    ),
    (
        replace(shadow(10), phase=Phase.PAUSED, **hold(Reason.PAUSED, "Set it.")),
        "Paused: 10 % of requests are mirrored to version 3; version 2 serves all users. Set "
        "spec.paused: false to resume.",
    ),
    (
        situation(Phase.CANARY, 0.05, clocks=Clocks("", NOON)),
        "Canary: version 3 gets 5 % of users, version 2 the rest.",
    ),
    (
        situation(Phase.CANARY, 0.25, trial=counted((10, 0))),
        "Canary: version 3 gets 25 % of users, version 2 the rest. errors needs about 2,600 "
        "more requests for 50 % (600 of about 3,200), about 21 min.",
    ),
    (
        situation(Phase.CANARY, 0.5, trial=counted((10, 0), (10, 0))),
        "Canary: version 3 gets 50 % of users, version 2 the rest. errors needs about 12,000 "
        "more requests for promotion (600 of about 12,000), about 98 min.",
    ),
    (
        situation(Phase.CANARY, 0.25, trial=counted((1, 0), (3, 0)), clocks=LATE),
        "Canary: version 3 gets 25 % of users, version 2 the rest. errors is not expected to "
        "pass for 50 % before the deadline in 7 min (60 of about 4,600 requests).",
    ),
    (
        situation(
            Phase.CANARY,
            0.25,
            trial=counted((1, 0), (3, 0)),
            clocks=LATE,
            spec={"spec.strategy.onDeadline": "Hold"},
        ),
        "Canary: version 3 gets 25 % of users, version 2 the rest. errors is not expected to "
        "pass for 50 % before the deadline in 7 min (60 of about 4,600 requests).",
    ),
    (
        situation(Phase.CANARY, 0.25, trial=counted((200, 0), (600, 0))),
        "Canary: version 3 gets 25 % of users, version 2 the rest. Every gate passed for 50 "
        "%; a step lasts at least 1m.",
    ),
    (
        situation(
            Phase.CANARY,
            0.25,
            trial=counted((10, 0)),
            **hold(Reason.METRICS_UNAVAILABLE, "Prometheus: connection refused."),
        ),
        "Canary: version 3 gets 25 % of users, version 2 the rest. On hold: Prometheus: "
        "connection refused.",
    ),
    (
        situation(Phase.CANARY, 0.25, stable=standing(V2, 2, 1, "CrashLoopBackOff")),
        "Version 2 has 1 of 2 needed pods ready (CrashLoopBackOff). Canary: version 3 gets 25 "
        "% of users, version 2 the rest.",
    ),
    (
        situation(Phase.CANARY, 0.25, trial=FAILED),
        "Canary: version 3 gets 25 % of users, version 2 the rest. It is being rolled back: "
        "errors failed 600 of 12,000 requests (5 %).",
    ),
    (situation(Phase.FULL), "Version 3 serves all users."),
    (
        watched(situation(Phase.FULL)),
        "Version 3 serves all users, watched until 20:02 UTC; version 2 stays ready for a "
        "rollback.",
    ),
    (
        situation(Phase.FULL, degraded="errors failed 600 of 12,000 requests (5 %)."),
        "errors failed 600 of 12,000 requests (5 %). Version 3 serves all users.",
    ),
    (
        situation(
            Phase.FULL, failing="Stable fails most requests: 57 of 60.", degraded="errors failed."
        ),
        "Stable fails most requests: 57 of 60. Check the pods of stable, or apply another version. "
        "Version 3 serves all users.",
    ),
    (
        situation(Phase.STARTING, failing="Stable fails most requests: 57 of 60."),
        "Starting version 3: 1 of 1 pods ready; version 2 serves all users, but most requests "
        "fail.",
    ),
    (
        situation(Phase.FULL, gateway_accepted=False),
        "Version 3 serves all users. The Gateway has not accepted the route yet.",
    ),
    (
        situation(
            Phase.ROLLED_BACK,
            history=(past(Outcome.ROLLED_BACK, explain(FAILED.judge, FAILED.state).words),),
        ),
        "Version 3 was rolled back: see status.history. Version 2 serves all users. Apply "
        "another version, or raise strategy.attempt.",
    ),
    (
        situation(Phase.ROLLED_BACK, gateway_accepted=False),
        "Version 3 was rolled back: see status.history. Version 2 serves all users. The "
        "Gateway has not accepted the route yet.",
    ),
    (
        situation(
            Phase.UNDECIDED,
            history=(past(Outcome.UNDECIDED, "Errors is under 0.8 %, 0.5 % is acceptable."),),
        ),
        "Version 3 was undecided at the deadline and was rolled back. Version 2 serves all "
        "users. Apply another version, or raise strategy.attempt.",
    ),
    (
        situation(Phase.PAUSED, 0.25, **hold(Reason.PAUSED, "spec.paused is true")),
        "Paused: version 3 gets 25 % of users, version 2 the rest. Set spec.paused: false to "
        "resume.",
    ),
    (
        situation(Phase.PAUSED, 0.25, trial=FAILED),
        "Paused: version 3 gets 25 % of users, version 2 the rest. Set spec.paused: false to "
        "resume. errors failed 600 of 12,000 requests (5 %).",
    ),
    (
        situation(
            Phase.CANARY,
            0.05,
            trial=counted((10, 0)),
            spec={"spec.replicas": 10, "spec.strategy.maxExtraReplicas": 1},
            stable=standing(V2, 10, 10),
        ),
        "Canary: version 3 gets 5 % of users, version 2 the rest. errors needs about 520 more "
        "requests for 8 % (600 of about 1,100), about 22 min.",
    ),
    (
        situation(
            Phase.CANARY,
            0.5,
            trial=counted((10, 0)),
            is_promoting=True,
            **hold(EXCHANGING, TAKE_PLACE),
        ),
        "Promoting: version 3 gets 50 % of users, version 2 the rest. Pods of 2 take the "
        "place of those of 3: 1 of 4 are ready.",
    ),
    (
        situation(Phase.ROLLED_BACK, 0.5, leaving=standing(V3), **hold(EXCHANGING, TAKE_PLACE)),
        "Version 3 was rolled back: see status.history. Version 3 still serves 50 % of users, "
        "version 2 the rest.",
    ),
    (
        situation(
            Phase.ROLLED_BACK,
            1.0,
            leaving=standing(V3),
            history=(past(Outcome.ROLLED_BACK, "It was worse."),),
            **hold(EXCHANGING, TAKE_PLACE),
        ),
        "Version 3 was rolled back: see status.history. Version 3 still serves all users. "
        "Pods of 2 take the place of those of 3: 1 of 4 are ready.",
    ),
    (
        situation(Phase.FULL, 0.25, leaving=standing(V2), **hold(EXCHANGING, TAKE_PLACE)),
        "Version 2 still serves 25 % of users, version 3 the rest. Pods of 2 take the place "
        "of those of 3: 1 of 4 are ready.",
    ),
    (
        replace(
            watched(situation(Phase.FULL, spec={"spec.replicas": 4})), previous=standing(V2, 1, 1)
        ),
        "Version 3 serves all users, watched until 20:02 UTC; a rollback must first start 3 pods.",
    ),
    (
        situation(Phase.FULL, **hold(Reason.NO_TRAFFIC, "No request.")),
        "Version 3 serves all users. No request.",
    ),
    (
        situation(Phase.PAUSED),
        "Paused: version 2 serves all users. Set spec.paused: false to resume.",
    ),
]


@pytest.mark.parametrize(("given", "expected"), ROWS, ids=[row[1][:40] for row in ROWS])
def test_the_sentence(given: StatusInput, expected: str) -> None:
    progress = progress_of(given)
    objectives = () if progress is None else progress.objectives

    assert sentence(given, progress, objectives) == expected


def test_the_sentence_is_cut_to_its_bound() -> None:
    long = situation(Phase.ADMISSION, **hold(Reason.ROUTE_CONFLICT, "x" * 5_000))

    said = sentence(long, None, ())

    assert (len(said), said[-1]) == (LONGEST_SENTENCE, "…")


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
        (NOON + 10 * HOUR, "31 Mar 14:02 UTC"),
        (NOON - 19 * HOUR, "31 Mar 14:02 UTC"),
    ],
)
def test_a_moment_of_another_day_has_its_date(seen_from: float | None, expected: str) -> None:
    assert clock(NOON, seen_from) == expected


def test_a_clock_that_ticks_does_not_move_a_moment() -> None:
    """Sums of floats are not exact, and the minute should not flicker."""
    began = [
        clock(NOON + passed - (passed + jitter))
        for passed in (0.1, 1e3, 86_399.7)
        for jitter in (-1e-6, 0.0, 1e-6)
    ]

    assert began == ["14:02 UTC"] * len(began)
