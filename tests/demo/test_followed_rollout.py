"""A version's way, from the statuses that told of it."""

from dataclasses import replace

import pytest

from demo.load.replay import NOBODY, Count, Line
from demo.story.followed_rollout import Course
from demo.story.side_by_side import harmed_by
from demo.story.status_view import Judged, Seen, seen
from demo.story.text import clock, failed_or_slow, served, span, told, verdicts
from tests.demo.statuses import STARTING

SHADOW = replace(STARTING, at=20.0, phase="Shadow", mirror=0.3, candidate="4", message="Shadow.")
CANARY = replace(SHADOW, at=80.0, phase="Canary", mirror=0.0, weight=0.5, message="Canary 50 %.")
ROLLED_BACK = replace(CANARY, at=130.0, phase="RolledBack", weight=0.0, message="Rolled back.")
FULL = replace(CANARY, at=130.0, phase="Full", stable="4", weight=0.0, message="All users on 4.")


def course(*statuses: Seen) -> Course:
    return Course("4", 5.0, statuses[-1].at, statuses, Count(), ())


@pytest.mark.parametrize(
    ("statuses", "happened", "promoted"),
    [
        ((STARTING, SHADOW, CANARY, FULL), "promoted", True),
        ((STARTING, FULL), "got all users", True),
        ((STARTING, SHADOW, CANARY, ROLLED_BACK), "rolled back in canary", False),
        ((STARTING, SHADOW, ROLLED_BACK), "rolled back in shadow", False),
        ((STARTING, CANARY, replace(ROLLED_BACK, phase="Undecided")), "Undecided", False),
        ((STARTING, replace(FULL, stable="2")), "Full", False),
    ],
)
def test_what_happened_to_a_version(
    statuses: tuple[Seen, ...], happened: str, promoted: bool
) -> None:
    assert course(*statuses).happened == happened
    assert course(*statuses).was_promoted == promoted


def test_it_met_users_with_its_first_weight_and_not_with_mirrored_requests() -> None:
    assert course(STARTING, SHADOW, CANARY, ROLLED_BACK).met_users_at() == 80.0
    assert course(STARTING, SHADOW, ROLLED_BACK).met_users_at() == 130.0
    assert course(STARTING, SHADOW, CANARY, ROLLED_BACK).seconds == 125.0


def test_a_status_is_told_once() -> None:
    lines = [
        told(before, now)
        for before, now in (
            (None, replace(STARTING, phase="")),
            (None, STARTING),
            (STARTING, replace(STARTING, at=11.0)),
            (STARTING, SHADOW),
            (SHADOW, replace(SHADOW, mirror=0.5)),
            (SHADOW, replace(SHADOW, plan="canary about 2 min at 50 req/s")),
        )
    ]

    assert lines[:5] == [None, "Starting 4.", None, "Shadow.", "Shadow."]
    assert lines[5] == "Shadow. Plan: canary about 2 min at 50 req/s."


def test_what_the_resource_shows_is_read_from_its_status() -> None:
    status = {
        "observedGeneration": 3,
        "phase": "Shadow",
        "message": "Shadow.",
        "stable": {"revision": "a", "version": "2", "weight": "100%"},
        "candidate": {"revision": "b", "version": "4", "weight": "0%"},
        "shadow": {"copies": 12, "mirror": "30%"},
        "conditions": [{"type": "Reconciling", "reason": "Judging"}],
        "objectives": [
            {"name": "errors", "verdict": "Pass", "bad": 1, "total": 12},
            {"name": "answers", "verdict": "Fail", "bad": 2, "total": 9, "worstPredictions": ["p"]},
        ],
    }

    found = seen(1.0, {"status": status})

    assert (found.generation, found.reason, found.revisions) == (3, "Judging", ("a", "b"))
    assert (found.weight, found.mirror, found.copies) == (0.0, 0.3, 12)
    assert found.objectives[0].total == 12
    assert [each.worst for each in found.objectives] == [(), ("p",)]
    assert seen(1.0, {}).phase == ""


def test_the_forecast_is_what_was_said_first() -> None:
    early, late = (replace(SHADOW, plan=f"canary about {minutes} min") for minutes in (2, 4))

    assert course(STARTING, early, late, ROLLED_BACK).forecast == "canary about 2 min"
    assert course(STARTING, ROLLED_BACK).forecast == ""


def test_harm_is_counted_up_to_a_moment_with_those_whom_nobody_answered() -> None:
    lines = [
        Line(at, 50, {"4": Count(10, 1, 2), NOBODY: Count(0, 3), "2": Count(10, 9)})
        for at in (1.0, 2.0, 3.0)
    ]

    assert harmed_by(lines, "4", 2.0).bad == 12
    assert harmed_by(lines, "4", None).bad == 18


def test_numbers_are_said_in_words() -> None:
    assert clock(125.4) == "2:05"
    assert (span(45.9), span(125.4)) == ("45 s", "2 min 5 s")
    assert failed_or_slow(Count(5)) == "none failed or slow"
    assert failed_or_slow(Count(2000, 3, 1200)) == "3 failed, 1,200 slow"
    assert served(Count(9, 0, 1), "4") == "version 4 got 9 user requests: 1 slow"


def test_verdicts_are_told_with_what_they_rest_on() -> None:
    judged = (
        Judged("errors", "Pass", 1, 1200),
        Judged("latency", "Fail", 40, 1200),
        Judged("breaker", "Inconclusive", 0, 0),
    )
    status = replace(CANARY, objectives=judged)

    assert (
        verdicts(status) == "errors passed (1 of 1,200 failed), latency failed (40 of 1,200 slow)"
    )
    assert status.failed == ("latency",)
