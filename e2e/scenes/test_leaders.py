"""A leader that is killed or cut off is followed by its standby, and users do not wait long."""

import statistics
from pathlib import Path

import pytest

from e2e.scenes.conftest import OpenStage
from e2e.scenes.leaders import FAILS, TakenOver, leader_cut_off, leader_killed

RUNS = 10
OFF_S = 20.0
"""At the median: 15 s until the Lease of a dead operator is over, less what it was old, and what
it takes to read samples and write the route."""
LED_S = 18.0
"""Of each: lease 15 s, retry 2 s, and some requests."""
LONGEST_OFF_S = LED_S + 13.0
"""Of one: what a version that fails every request takes when nothing else fails (docs/promise.md)
begins when another one leads."""


@pytest.mark.slow
def test_users_leave_a_version_that_fails_although_the_leader_was_killed(
    open_stage: OpenStage, logs: Path
) -> None:
    off, led = [], []
    for number in range(RUNS):
        with open_stage(f"leader-killed-{number}") as stage:
            taken = leader_killed(stage, logs)
        off.append(taken.off_after)
        led.append(taken.led_after)
        print(f"led after {taken.led_after:.1f} s, users off after {taken.off_after:.1f} s")
        _is_sound(taken)
    assert max(led) <= LED_S, led
    assert statistics.median(off) <= OFF_S, off


@pytest.mark.slow
def test_a_leader_that_is_cut_off_from_the_api_server_alone_is_followed_and_ends(
    open_stage: OpenStage, logs: Path
) -> None:
    """It reads on that the version fails, and tries no write after another one leads."""
    with open_stage("leader-cut-off") as stage:
        found = leader_cut_off(stage, logs)
    taken = found.taken_over
    print(f"led after {taken.led_after:.1f} s, users off after {taken.off_after:.1f} s")
    _is_sound(taken)
    assert taken.led_after <= LED_S
    assert taken.off_after <= LONGEST_OFF_S
    tried_before, tried_after = found.wrote
    assert tried_after == tried_before
    assert found.code == 1


def _is_sound(taken: TakenOver) -> None:
    """Users are back at the first version, no request was lost, and none counted twice."""
    status, answers = taken.object["status"], taken.answers
    assert (status["phase"], status["stable"]["version"]) == ("RolledBack", "1")
    assert len(answers.lost) == 0, answers.lost
    for at, total in taken.counted:
        given = [one for one in answers.of(FAILS.version) if one.came <= at]
        assert total <= len(given), f"{total} requests judged, users had made {len(given)}"
