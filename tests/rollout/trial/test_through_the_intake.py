"""A trial asks, the intake that the operator runs counts, and the judge decides."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from model_rollouts.decision import Decision, Seen, Traffic, explain
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.replay.recording import Header, Recording
from model_rollouts.rollout.memory import Memory, ShadowImpact, Split, Trial
from model_rollouts.rollout.trial import stored_evidence
from model_rollouts.rollout.trial.objectives import LADDER, Edges
from model_rollouts.rollout.trial.trial import (
    begin_trial,
    counted_copies,
    counting_request,
    take_counts,
    trial_rules,
)
from tests.rollout.made_up import STARTED_MS, STEP_MS, V2, V3, spec

MINUTES = 6
REQUESTS = "envoy_http_downstream_rq_"


def recording(bad: float, listener: str = "live", rate: float = 50.0) -> Recording:
    """Version 3 at 50 requests per second, `bad` of them errors, beside version 2 at 150."""
    until = STARTED_MS + MINUTES * 60_000
    made = Recording(
        Header(
            namespace="flights",
            stable=V2,
            candidate=V3,
            from_ms=STARTED_MS,
            until_ms=until,
            step_ms=STEP_MS,
        )
    )

    def write(revision: str, arm: str, metric: str, rate: float, **more: str) -> None:
        labels = {
            "__name__": REQUESTS + metric,
            "namespace": "flights",
            "pod": f"{revision}-pod",
            "job": "models",
            "modelrollouts_revision": revision,
            "envoy_http_conn_manager_prefix": arm,
            **more,
        }
        times = range(-60, MINUTES * 60, STEP_MS // 1000)
        made.add(
            labels, [(STARTED_MS / 1000 + at + 1.25, str(int(rate * (at + 60)))) for at in times]
        )

    other = "live" if listener == "shadow" else "shadow"
    for revision, arm, asked, errors in (
        (V2, "live", 150.0, 0.0),
        (V3, listener, rate, bad),
        (V3, other, 0.0, 0.0),
    ):
        write(revision, arm, "completed", asked)
        write(revision, arm, "rx_reset", 0.0)
        write(revision, arm, "xx", errors, envoy_response_code_class="5")
    return made


def ticks(world: Recording, memory: Memory, intake: Intake, until_ms: int) -> Iterator[Memory]:
    """The memory after each tick up to `until_ms`."""
    for now in range(STARTED_MS + 2 * STEP_MS, until_ms, STEP_MS):
        assert memory.trial is not None
        request = counting_request("flights/arrival", "flights", memory.trial, V2)
        if request.since is not None and request.since.at_ms > now:
            continue
        tick = intake.plan([request], now)
        found = intake.advance(tick, [world.answer(query) for query in tick.queries])
        counted = found["flights/arrival"]
        assert isinstance(counted, Counted)
        memory = take_counts(memory, counted, 0.25)
        yield memory


def begun(since_ms: int = STARTED_MS) -> Memory:
    judged_by = trial_rules(spec({"spec.objectives": [OBJECTIVE]}), baseline=True)
    made = begin_trial(V3, 1, judged_by, None, since_ms)
    return Memory(trial=made, split=Split(STARTED_MS))


OBJECTIVE = {"name": "errors", "type": "Availability", "availability": {"target": "99%"}}
END = STARTED_MS + MINUTES * 60_000


def ended(memory: Memory) -> Trial:
    assert memory.trial is not None
    return memory.trial


@pytest.mark.parametrize(("bad", "expected"), [(0.0, Decision.PASS), (2.5, Decision.FAIL)])
def test_counts_of_the_proxy_decide(bad: float, expected: Decision) -> None:
    *_, last = ticks(recording(bad), begun(), Intake(Grid(STEP_MS)), END)

    trial = ended(last)
    assert trial.judge.decide(trial.state) is expected
    assert last.findings == ()
    assert last.split is not None
    assert last.split.observed


COPIES_MS = STARTED_MS + 60_000


def in_shadow() -> Memory:
    """All requests are copied from the second minute on."""
    judged_by = trial_rules(spec({"spec.objectives": [OBJECTIVE]}), baseline=True)
    made = begin_trial(V3, 1, judged_by, None, STARTED_MS, traffic=Traffic.SHADOW, entered=60.0)
    return Memory(
        trial=made, shadow_impact=ShadowImpact(COPIES_MS), split=Split(COPIES_MS, mirror=100)
    )


@pytest.mark.parametrize(("bad", "expected"), [(0.0, Decision.PASS), (7.5, Decision.FAIL)])
def test_counts_of_the_shadow_listener_decide(bad: float, expected: Decision) -> None:
    world = recording(bad, "shadow", 150.0)
    *_, last = ticks(world, in_shadow(), Intake(Grid(STEP_MS)), END)

    trial = ended(last)
    assert trial.judge.decide(trial.state, trial.judge.rules.steps[0]) is expected
    assert last.split is not None
    assert last.split.observed
    assert last.shadow_impact is not None
    assert last.shadow_impact.before["errors"] == Seen(9_000, 0)
    assert last.shadow_impact.state is not None
    assert last.shadow_impact.state.failed_at is None
    assert last.peak_load is not None
    assert last.peak_load.highest == (150.0 if expected is Decision.PASS else None)
    assert last.peak_load.copies == counted_copies(trial) >= 150 * 60


def test_users_are_no_copies() -> None:
    *_, last = ticks(recording(0.0, "live", 150.0), in_shadow(), Intake(Grid(STEP_MS)), END)

    assert counted_copies(ended(last)) == 0
    assert last.split is not None
    assert last.split.mismatch is not None


def test_an_operator_that_restarts_counts_nothing_twice() -> None:
    world = recording(0.4)
    *_, whole = ticks(world, begun(), Intake(Grid(STEP_MS)), END)

    *_, half = ticks(world, begun(), Intake(Grid(STEP_MS)), END - 150_000)
    again = stored_evidence.decode(stored_evidence.encode(half), V3, 1, ended(half).judge.rules)
    *_, resumed = ticks(world, again, Intake(Grid(STEP_MS)), END)

    assert resumed.trial == whole.trial


def test_a_trial_that_begins_within_an_interval_begins_with_the_next() -> None:
    *_, last = ticks(recording(0.0), begun(STARTED_MS + 1_000), Intake(Grid(STEP_MS)), END)
    *_, whole = ticks(recording(0.0), begun(), Intake(Grid(STEP_MS)), END)

    seen, all_seen = (max(e.seen_total for e in ended(m).state.evidence) for m in (last, whole))
    assert all_seen - seen == 250
    assert ended(last).watermark == ended(whole).watermark
    assert replace(last, trial=None, split=None) == replace(whole, trial=None, split=None)


SLICE = "long-haul"
OF_SLICE = {**OBJECTIVE, "name": "long-errors", "slice": SLICE, "role": "Guard"}
SLICED = Edges(LADDER.candidate, LADDER.stable, slices={SLICE: ((), ())})


def long_haul_fails() -> Recording:
    """One request in fifty is long-haul; version 3 fails 40 % of these: 0.8 % of all."""
    made = recording(0.4)
    every = range(-60, MINUTES * 60, STEP_MS // 1000)
    for revision, metric, rate in (
        (V2, "total", 3.0),
        (V2, "failed", 0.0),
        (V3, "total", 1.0),
        (V3, "failed", 0.4),
    ):
        labels = {
            "__name__": f"envoy_slice_{metric}",
            "namespace": "flights",
            "pod": f"{revision}-pod",
            "job": "models",
            "modelrollouts_revision": revision,
            "envoy_http_conn_manager_prefix": "live",
            "envoy_slice": SLICE,
        }
        made.add(
            labels, [(STARTED_MS / 1000 + at + 1.25, str(int(rate * (at + 60)))) for at in every]
        )
    return made


def judged_by_slice(*objectives: object) -> Memory:
    asked = spec({"spec.objectives": [OBJECTIVE, *objectives]})
    judged_by = trial_rules(asked, baseline=True, edges=SLICED)
    return Memory(trial=begin_trial(V3, 1, judged_by, None, STARTED_MS), split=Split(STARTED_MS))


def test_a_slice_that_fails_is_found_by_an_objective_on_it() -> None:
    ended_at = END
    for memory in ticks(long_haul_fails(), judged_by_slice(OF_SLICE), Intake(Grid(STEP_MS)), END):
        trial = ended(memory)
        if trial.judge.decide(trial.state) is Decision.FAIL:
            ended_at = STARTED_MS + round(trial.state.elapsed * 1000)
            break

    assert ended_at <= STARTED_MS + 90_000
    verdict = explain(trial.judge, trial.state, candidate="version 3")
    (found,) = (each for each in verdict.objectives if each.name == "long-errors")
    # The users who were harmed: all are long-haul.
    bad, total = round(found.candidate.bad), round(found.candidate.total)
    assert bad <= 40
    assert verdict.words.startswith(
        "long-errors failed: 99 % of requests of slice long-haul must succeed; "
        f"version 3 failed {bad} of {total}"
    )
    assert memory.split is not None
    assert memory.split.slices[SLICE].stable > 2 * memory.split.slices[SLICE].candidate
    assert memory.split.differs is None


def test_and_without_one_the_same_version_is_promoted() -> None:
    *_, last = ticks(long_haul_fails(), judged_by_slice(), Intake(Grid(STEP_MS)), END)

    trial = ended(last)
    assert trial.judge.decide(trial.state) is not Decision.FAIL
    errors, *_ = trial.requests
    assert errors.seen_bad > 100
