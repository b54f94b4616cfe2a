"""Stages of the mirror, what copies must have shown, how stable bears them, at which load."""

import math
from typing import Any

import pytest

from model_rollouts.api.phase import Phase
from model_rollouts.decision import Traffic
from model_rollouts.metrics.counts import IntervalCounts
from model_rollouts.metrics.findings import Reason
from model_rollouts.rollout.memory import Clocks, Memory, PeakLoad, ShadowImpact, Split
from model_rollouts.rollout.state import shadow_stages
from model_rollouts.rollout.trial import peak_load, shadow_impact
from model_rollouts.rollout.trial.samples import SHADOW, STABLE
from model_rollouts.rollout.trial.trial import (
    begin_trial,
    counted_copies,
    enter_live,
    take_counts,
    trial_rules,
)
from tests.rollout.made_up import STARTED_MS, STEP_MS, V3, counted, finding, record, spec
from tests.rollout.shadow_stories import first, mirrored, shadowed
from tests.rollout.simulated_cluster import World

ON = {"sideEffects": "None"}


def asked(**fields: Any) -> Any:
    """A spec with this shadow."""
    return spec({"spec.strategy.shadow": {**ON, **fields}})


def test_what_the_gateway_did_not_mirror_is_told_with_the_first_users() -> None:
    world = first(copied=0.9)
    world.edit(version="2", strategy__shadow={**ON, "minDuration": "5m"})
    world.until("Canary")

    (told,) = (line for line in world.log if "CanaryStarted" in line)
    assert "but 10 % of the requests to be mirrored never came." in told


def test_how_large_they_were_is_told_too() -> None:
    world = first(copied=0.9)
    users = ((32_000, 5_000.0), (64_000, 8_000.0), (1_000_000, 9_000.0), (math.inf, 10_000.0))
    mirrored = ((32_000, 500.0), (64_000, 800.0), (1_000_000, 900.0), (math.inf, 900.0))
    world.sized = users, mirrored
    world.edit(version="2", strategy__shadow={**ON, "minDuration": "5m"})
    world.until("Canary")

    (told,) = (line for line in world.log if "CanaryStarted" in line)
    assert (
        "but 10 % of the requests to be mirrored never came: 100 % of those of 1 MB or more, "
        "and next to none of the others." in told
    )


def test_how_large_they_were_is_asked_each_time_that_twice_as_many_came() -> None:
    world = first(copied=0.9)
    world.edit(version="2", strategy__shadow={**ON, "minDuration": "5m"})
    world.until("Canary")

    asked = [(each.since_ms, each.looked) for each in world.sizes_asked]
    assert asked == sorted(set(asked))
    assert 1 < len(asked) < 20


def test_how_large_they_were_is_not_asked_where_all_are_mirrored() -> None:
    world = first()
    world.edit(version="2", strategy__shadow={**ON, "minDuration": "5m"})
    world.until("Canary")

    assert world.sizes_asked == []


@pytest.mark.parametrize(
    ("percent", "hurt", "stages"),
    [
        (100, None, (1, 10, 100)),
        (50, None, (1, 10, 50)),
        (10, None, (1, 10)),
        (5, None, (1, 5)),
        (1, None, (1,)),
        (0, None, ()),
        (100, 100, (1, 10)),
        (100, 10, (1,)),
        (100, 1, ()),
        (50, 100, (1, 10, 50)),
    ],
)
def test_stages_end_below_what_stable_does_not_bear(
    percent: int, hurt: int | None, stages: tuple[int, ...]
) -> None:
    assert shadow_stages.stages(percent, hurt) == stages


@pytest.mark.parametrize(
    ("fields", "rate", "seconds"),
    [
        ({"minDuration": "0s"}, 50.0, 60 + 15 + 15 + 20),
        ({"minDuration": "0s"}, 1.0, 60 + 300 + 30 + 1_000),
        ({"minDuration": "0s", "percent": 10}, 50.0, 60 + 15 + 200),
        ({"minDuration": "5m"}, 50.0, 300),
        ({"percent": 0}, 50.0, 0),
    ],
)
def test_the_time_of_a_shadow_is_that_of_its_stages(
    fields: dict[str, Any], rate: float, seconds: float
) -> None:
    given = asked(**fields)
    every = shadow_stages.stages(shadow_stages.allowed(given, 4), None)

    assert shadow_stages.expected_seconds(given, every, rate, 15.0, 60.0) == seconds


def test_a_spec_without_a_shadow_has_no_stages() -> None:
    immediate = spec({"spec.strategy": {"mode": "Immediate"}})

    assert shadow_stages.stages(shadow_stages.allowed(immediate, 4), None) == ()


def after(copies: int, bad: int = 0) -> Memory:
    """The memory after ten minutes in which so many copies came in each interval of 5 s."""
    judged_by = trial_rules(asked(), baseline=True)
    begun = begin_trial(V3, 1, judged_by, None, STARTED_MS, traffic=Traffic.SHADOW)
    records = (record(i, (copies, bad), (copies, 0), traffic=Traffic.SHADOW) for i in range(120))
    return take_counts(Memory(trial=begun), counted(records), 0.0)


@pytest.mark.parametrize(
    ("copies", "seconds", "least", "proven"),
    [
        (10, 600, 1_000, True),
        (10, 600, 1_201, False),
        (10, 299, 1_000, False),
        (0, 600, 1, False),
    ],
    ids=["all of it", "too few copies", "too soon", "no copy"],
)
def test_shadow_is_left_with_copies_time_and_proof(
    copies: int, seconds: float, least: int, proven: bool
) -> None:
    trial = after(copies).trial

    assert (
        shadow_stages.is_proven(asked(minRequests=least), trial, Clocks("", 0.0, phase=seconds))
        is proven
    )


def test_what_copies_proved_is_not_proven_of_users() -> None:
    """Fail evidence goes on, and the count of requests begins anew."""
    trial = after(10).trial
    assert trial is not None

    live = enter_live(trial)

    assert trial.judge.decide(trial.state, trial.judge.rules.steps[0]) == "Pass"
    assert trial.judge.decide(live.state, trial.judge.rules.steps[0]) == "Inconclusive"
    assert live.entered == trial.state.elapsed
    assert (counted_copies(trial), counted_copies(live)) == (1_200, 0)
    for before, now in zip(trial.state.evidence, live.state.evidence, strict=True):
        assert now.fail_target == before.fail_target
    assert not shadow_stages.is_proven(asked(), live, Clocks("", 0.0, phase=600.0))


def test_a_bad_version_fails_on_copies() -> None:
    memory = after(10, 2)

    assert memory.trial is not None
    assert memory.trial.state.failed_at is not None


# Stable


def strained(
    before: list[IntervalCounts], during: list[IntervalCounts], *, mirror: int = 10
) -> ShadowImpact:
    """What is known of stable: copies begin where `during` does."""
    begins_ms = STARTED_MS + len(before) * STEP_MS
    trial = begin_trial(
        V3, 1, trial_rules(asked(), baseline=True), None, STARTED_MS, traffic=Traffic.SHADOW
    )
    strain, split = ShadowImpact(begins_ms), Split(begins_ms, mirror=mirror)
    for each in (*before, *during):
        strain = shadow_impact.counted(strain, trial, each, split)
    return strain


def stable(first: int, number: int, total: int, bad: int) -> list[IntervalCounts]:
    """Intervals of stable, and a copy in each."""
    return [
        record(i, (1, 0), (total, bad), traffic=Traffic.SHADOW)
        for i in range(first, first + number)
    ]


def test_stable_is_held_against_itself_without_copies() -> None:
    good = strained(stable(0, 60, 250, 1), stable(60, 60, 250, 1))
    worse = strained(stable(0, 60, 250, 1), stable(60, 5, 250, 20))

    assert good.state is not None
    assert good.state.failed_at is None
    assert worse.state is not None
    assert worse.state.failed_at is not None
    assert worse.words is not None
    assert worse.words.endswith("before that 60 of 15,000 (0.4 %)")


def test_no_interval_is_past_and_present() -> None:
    strain = strained(stable(0, 2, 100, 1), stable(2, 3, 100, 1))

    assert strain.before["errors"].total == 200
    assert strain.state is not None
    assert strain.state.evidence[0].seen_total == 300


@pytest.mark.parametrize("mirror", [0, 10])
def test_an_interval_in_which_the_mirror_changed_says_nothing(mirror: int) -> None:
    trial = begin_trial(
        V3, 1, trial_rules(asked(), baseline=True), None, STARTED_MS, traffic=Traffic.SHADOW
    )
    split = Split(STARTED_MS + 1, mirror=mirror)

    strain = shadow_impact.counted(ShadowImpact(STARTED_MS), trial, stable(0, 1, 100, 50)[0], split)

    assert strain == ShadowImpact(STARTED_MS)


def test_held_counts_of_stable_say_nothing() -> None:
    doubled = record(
        1, (1, 0), (100, 50), [finding(Reason.UNLIKE_TARGETS, STABLE)], traffic=Traffic.SHADOW
    )

    assert strained([], [doubled]) == ShadowImpact(STARTED_MS)


def test_other_copies_are_another_question() -> None:
    strain = strained(stable(0, 60, 250, 1), stable(60, 4, 250, 20))

    fresh = shadow_impact.without_evidence(strain)

    assert fresh is not None
    assert (fresh.before, fresh.state) == (strain.before, None)


# Load


def load(records: list[IntervalCounts]) -> PeakLoad:
    """The load after these intervals."""
    found, objectives = PeakLoad(), trial_rules(asked(), baseline=True).objectives
    for each in records:
        found = peak_load.counted(found, objectives, each)
    return found


def copied(number: int, total: int, bad: int, *, first: int = 0) -> list[IntervalCounts]:
    return [
        record(first + i, (total, bad), (total, 0), traffic=Traffic.SHADOW) for i in range(number)
    ]


def test_the_load_is_that_of_a_whole_minute() -> None:
    assert load(copied(11, 50, 0)).highest is None
    assert load(copied(12, 50, 0)).highest == 10.0


def test_the_highest_load_counts_while_the_objectives_hold() -> None:
    calm, busy = copied(12, 50, 0), copied(12, 500, 0, first=12)
    broken = copied(12, 5_000, 500, first=24)

    assert load([*calm, *busy, *broken]).highest == 100.0


def test_cold_pods_and_held_counts_bear_nothing() -> None:
    doubled = finding(Reason.UNLIKE_TARGETS, SHADOW)
    cold = [record(i, (50, 0), traffic=Traffic.SHADOW, warming=True) for i in range(24)]
    held = [record(i, (50, 0), None, [doubled], traffic=Traffic.SHADOW) for i in range(24)]

    assert load([*cold, *held]) == PeakLoad()


# In the world


def test_first_users_are_judged_by_themselves_however_short_the_steps() -> None:
    world = shadowed(100)
    world.edit(strategy__canary={"steps": ["10%", "50%"], "minStepDuration": "0s"})
    world.until("Canary")
    given = world.weights
    world.reconcile()

    assert (given, world.weights) == ({"v1": 90, "v2": 10}, {"v1": 90, "v2": 10})


def test_the_status_tells_copies_mirror_and_the_load_that_was_borne() -> None:
    world = World(rate=90.0)
    peak = {**ON, "peakFactor": "2", "minDuration": "4m"}
    world.edit(version="1", replicas=6, strategy__shadow=peak)
    world.until("Full").run(60)
    world.edit(version="2")
    world.until("Shadow")
    mirrored(world, 100).run(60)
    world.restart()
    world.until("Canary")

    # 90 requests per second of all copies, on half of stable's six pods.
    assert world.status["shadow"]["peakLoadPerPod"] == "30 req/s"
    assert world.status["shadow"]["mirror"] == "0%"
    assert world.status["shadow"]["copies"] >= 1_000


def test_a_restart_in_shadow_loses_no_copy() -> None:
    world = shadowed(100)
    world.run(5)
    trial = world.memory.trial
    assert trial is not None
    seen = counted_copies(trial)
    world.restart()
    world.run(10)

    trial = world.memory.trial
    assert trial is not None
    assert counted_copies(trial) >= seen
    assert world.status["phase"] == Phase.SHADOW


def test_stable_is_protected_when_the_operator_was_killed_and_the_status_wiped() -> None:
    """Its past is read again: the route says when the first copy came."""
    world = shadowed(10, errors={"1": 0.02})
    del world.obj["status"]
    world.restart()
    world.suffers = {1: 0.2}
    world.run(30)

    strain = world.memory.shadow_impact
    assert strain is not None
    assert strain.before["errors"].total >= 10_000
    assert world.mirror < 10


def test_a_version_that_stable_served_with_trouble_before_is_no_suffering() -> None:
    world = shadowed(10, errors={"1": 0.05})
    mirrored(world, 100).run(60)

    assert "ShadowHurtsStable" not in str(world.log)


def test_stable_is_protected_although_it_was_bad_for_a_minute_of_the_five_before() -> None:
    """Its rate before is as high as that of its suffering; most of its intervals were not."""
    world = first(errors={"1": 0.004, "2": 0.004}, suffers={10: 0.25})
    world.errors = {"1": 0.98, "2": 0.004}
    world.run(70)
    world.errors = {"1": 0.004, "2": 0.004}
    world.run(60)
    world.edit(version="2")
    mirrored(world, 100).run(60)
    told = next(line for line in world.log if "ShadowHurtsStable" in line)

    assert world.mirror < 100
    assert "before that at most 0.8 % in half of 60 intervals" in told


def test_what_was_seen_interval_by_interval_outlives_the_operator() -> None:
    world = first(errors={"1": 0.004, "2": 0.004}, suffers={10: 0.25})
    world.edit(version="2")
    mirrored(world, 1).run(30)
    known = world.memory.shadow_impact
    world.restart()
    world.run(20)
    after = world.memory.shadow_impact

    assert known is not None
    assert after is not None
    assert after.intervals == known.intervals
    assert after.since["errors"].number == known.since["errors"].number + 4


def test_what_gets_copies_keeps_its_pods_when_another_version_is_applied_to_a_paused_one() -> None:
    world = shadowed(10)
    world.edit(paused=True)
    before = world.pods()["v2"]
    world.edit(version="3")
    world.run(30)

    assert (world.mirror, world.pods()["v2"]) == (10, before)

    world.edit(paused=False)
    world.run(15)

    assert world.pods()["v2"] == 0


def test_what_a_person_pauses_stays_although_stable_suffers() -> None:
    world = shadowed(10)
    world.edit(paused=True)
    world.suffers = {1: 0.3}
    world.run(60)
    held = world.mirror
    world.edit(paused=False)
    world.run(5)

    assert (held, world.mirror) == (10, 1)


def test_an_override_to_hold_does_not_keep_copies_that_hurt() -> None:
    world = shadowed(10)
    world.edit(strategy__override={"version": "2", "action": "Hold", "reason": "INC-8"})
    world.suffers = {10: 0.3}
    world.run(60)

    assert world.mirror == 1


@pytest.mark.parametrize("action", ["Promote", "Rollback"])
def test_a_person_may_end_a_shadow(action: str) -> None:
    world = shadowed(10)
    world.edit(strategy__override={"version": "2", "action": action, "reason": "INC-9"})
    world.until("Full" if action == "Promote" else "RolledBack")

    assert world.mirror == 0
    assert world.weights == ({"v2": 1} if action == "Promote" else {"v1": 1})


def test_an_override_for_another_version_skips_nothing() -> None:
    world = shadowed(1)
    world.edit(strategy__override={"version": "1", "action": "SkipShadow", "reason": "INC-1"})
    world.run(15)

    assert world.status["phase"] == "Shadow"


def test_skipped_before_it_began_is_told_in_the_history() -> None:
    world = shadowed(1)
    world.edit(version="1")
    world.until("Full")
    world.edit(
        version="2",
        strategy__override={"version": "2", "action": "SkipShadow", "reason": "INC-7"},
    )
    world.errors["2"] = 0.3
    world.until("RolledBack")

    assert world.status["history"][0]["message"].endswith(
        "Shadow was skipped by strategy.override: INC-7."
    )


def test_without_prometheus_no_stage_is_left() -> None:
    world = shadowed(10)
    world.prometheus_up = False
    world.run(120)

    assert world.mirror == 10
    assert "MetricsUnavailable" in str(world.log)
