"""A version's way, from the statuses that told of it."""

from dataclasses import replace

import pytest

from demo.load.replay import NOBODY, Count, Line
from demo.story.followed_rollout import Course
from demo.story.side_by_side import harmed_by
from demo.story.status_view import Judged, Seen, seen
from demo.story.text import bad, clock, told, verdicts
from tests.demo.statuses import STARTING

SHADOW = replace(STARTING, at=20.0, phase="Shadow", mirror=0.3, candidate="4", message="Copies.")
CANARY = replace(SHADOW, at=80.0, phase="Canary", mirror=0.0, weight=0.5, message="Canary 50 %.")
TAKEN_BACK = replace(CANARY, at=130.0, phase="RolledBack", weight=0.0, message="Taken back.")
FULL = replace(CANARY, at=130.0, phase="Full", stable="4", weight=0.0, message="All users on 4.")


def course(*statuses: Seen) -> Course:
    return Course("4", 5.0, statuses[-1].at, statuses, Count(), ())


@pytest.mark.parametrize(
    ("statuses", "happened", "promoted"),
    [
        ((STARTING, SHADOW, CANARY, FULL), "promoted", True),
        ((STARTING, FULL), "got all users", True),
        ((STARTING, SHADOW, CANARY, TAKEN_BACK), "taken back in canary", False),
        ((STARTING, SHADOW, TAKEN_BACK), "taken back in shadow", False),
        ((STARTING, CANARY, replace(TAKEN_BACK, phase="Undecided")), "Undecided", False),
        ((STARTING, replace(FULL, stable="2")), "Full", False),
    ],
)
def test_what_happened_to_a_version(
    statuses: tuple[Seen, ...], happened: str, promoted: bool
) -> None:
    assert course(*statuses).happened == happened
    assert course(*statuses).was_promoted == promoted


def test_it_met_users_with_its_first_weight_and_not_with_copies() -> None:
    assert course(STARTING, SHADOW, CANARY, TAKEN_BACK).met_users_at() == 80.0
    assert course(STARTING, SHADOW, TAKEN_BACK).met_users_at() == 130.0
    assert course(STARTING, SHADOW, CANARY, TAKEN_BACK).seconds == 125.0


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

    assert lines[:5] == [None, "Starting 4.", None, "Copies.", "Copies."]
    assert lines[5] == "Copies. Plan: canary about 2 min at 50 req/s."


def test_what_the_resource_shows_is_read_from_its_status() -> None:
    status = {
        "observedGeneration": 3,
        "phase": "Shadow",
        "message": "Copies.",
        "stable": {"revision": "a", "version": "2", "weight": "100%"},
        "candidate": {"revision": "b", "version": "4", "weight": "0%"},
        "shadow": {"copies": 12, "mirror": "30%"},
        "conditions": [{"type": "Reconciling", "reason": "Judging"}],
        "objectives": [{"name": "errors", "verdict": "Pass", "bad": 1, "total": 12}],
    }

    found = seen(1.0, {"status": status})

    assert (found.generation, found.reason, found.revisions) == (3, "Judging", ("a", "b"))
    assert (found.weight, found.mirror, found.copies) == (0.0, 0.3, 12)
    assert found.objectives[0].total == 12
    assert seen(1.0, {}).phase == ""


def test_the_forecast_is_what_was_said_first() -> None:
    early, late = (replace(SHADOW, plan=f"canary about {minutes} min") for minutes in (2, 4))

    assert course(STARTING, early, late, TAKEN_BACK).forecast == "canary about 2 min"
    assert course(STARTING, TAKEN_BACK).forecast == ""


def test_harm_is_counted_up_to_a_moment_with_those_whom_nobody_answered() -> None:
    lines = [
        Line(at, 50, {"4": Count(10, 1, 2), NOBODY: Count(0, 3), "2": Count(10, 9)})
        for at in (1.0, 2.0, 3.0)
    ]

    assert harmed_by(lines, "4", 2.0).bad == 12
    assert harmed_by(lines, "4", None).bad == 18


def test_numbers_are_said_in_words() -> None:
    assert clock(125.4) == "2:05"
    assert bad(Count(5)) == "none bad"
    assert bad(Count(2000, 3, 1200)) == "1,203 bad (3 errors, 1,200 slow)"


def test_verdicts_are_told_with_what_they_rest_on() -> None:
    judged = (Judged("errors", "Pass", 1, 1200), Judged("latency", "Undecided", 0, 0))

    assert verdicts(replace(CANARY, objectives=judged)) == "errors Pass, 1 of 1,200 bad"
