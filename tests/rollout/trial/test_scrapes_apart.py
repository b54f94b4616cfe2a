"""Pods are scraped at different moments, or not at all, while both versions fail together."""

import numpy as np
import pytest

from benchmarks.situations.play import judge_of, play
from benchmarks.situations.rows import Row, bad, good
from benchmarks.situations.world import STABLE, Gap, Outage, World
from model_rollouts.decision import Judge, State, Traffic, encode, resume
from model_rollouts.replay.story import intervals
from model_rollouts.rollout import Counting

TRIALS = 3
"""Of 3, before times were shared out, 3 were rolled back in most rows; a trial costs 50 ms."""

ROWS = [*good()]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_an_outage_of_both_rolls_back_nobody(row: Row) -> None:
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        assert play(row.world(rng), judge_of(row.target), rng).rolled_back_after is None


@pytest.mark.parametrize("row", [row for row in bad() if row.seconds < 3600], ids=lambda r: r.name)
def test_a_bad_version_is_found_however_pods_are_scraped(row: Row) -> None:
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        found = play(row.world(rng), judge_of(row.target), rng).rolled_back_after
        assert found is not None
        assert found <= 150


def test_without_any_scrape_of_stable_a_failing_version_is_rolled_back_within_a_minute() -> None:
    (row,) = [row for row in bad() if row.seconds == 3600 and row.errors == 1]

    played = play(row.world(np.random.default_rng(1)), judge_of(), np.random.default_rng(1))

    assert played.rolled_back_after is not None
    assert played.rolled_back_after <= 65
    assert played.failed_requests < 400


def test_a_restart_at_any_time_changes_nothing() -> None:
    gaps = (Gap(STABLE, 60, 25), Gap("m-2", 70, 12, 1), Gap(STABLE, 110, 75))
    world = World(
        requests=20,
        weight=0.2,
        errors=0.01,
        stable_errors=0.005,
        seconds=240,
        stable_at=(0.9, 2.9),
        candidate_at=(4.9, 2.0),
        outages=(Outage(72, 9, 0.5),),
        gaps=gaps,
    )
    judge = judge_of()
    whole = _states(world, judge, restarts=False)

    assert _states(world, judge, restarts=True) == whole
    assert any(state.is_alone for state in whole)
    assert any(each.ahead for state in whole for each in state.evidence)
    assert whole[-1].failed_at is None


def _states(world: World, judge: Judge, *, restarts: bool) -> list[State]:
    """The state after each interval; with `restarts` each one begins with what was stored."""
    recording = world.recording(np.random.default_rng(7))
    counting = Counting(judge.rules.objectives)
    state, found = judge.start(), []
    for record in intervals(recording, counting):
        if restarts:
            judge, state = resume(encode(judge, state), judge.rules)
        interval = counting.interval(record, recording.header.from_ms, Traffic.LIVE)
        state = judge.update(state, interval)
        found.append(state)
    return found
