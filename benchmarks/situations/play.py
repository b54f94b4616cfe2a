"""A world through the operator's own intake and judge: when a version is rolled back, if ever."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from benchmarks.situations.rows import Seldom
from benchmarks.situations.world import STEP, World
from model_rollouts.api.deployment import read
from model_rollouts.api.group import GROUP, VERSION
from model_rollouts.decision import (
    INDEPENDENT,
    Counts,
    Dispersion,
    Interval,
    Judge,
    Sample,
    Traffic,
)
from model_rollouts.replay.story import intervals
from model_rollouts.rollout import Counting
from model_rollouts.rollout.trial.trial import judge_for, trial_rules


@dataclass(frozen=True, slots=True)
class Played:
    """The end of one trial: seconds until the verdict, None while there is none."""

    rolled_back_after: float | None
    failed_requests: float


@cache
def judge_of(
    target: str = "99.9%", compare: str = "Auto", dispersion: Dispersion = INDEPENDENT
) -> Judge:
    """The judge of a version with one objective on errors, with every guard and the breaker."""
    objective = {
        "name": "errors",
        "type": "Availability",
        "availability": {"target": target},
        "compare": compare,
    }
    asked = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ModelDeployment",
        "metadata": {"name": "arrival", "namespace": "flights", "uid": "1"},
        "spec": {
            "model": {"version": "2"},
            "port": 8080,
            "template": {"spec": {"containers": [{"name": "model", "image": "arrival:2"}]}},
            "route": {
                "parentRefs": [{"name": "models"}],
                "hostnames": ["arrival.example.com"],
            },
            "objectives": [objective],
        },
    }
    return judge_for(trial_rules(read(asked).spec, baseline=True), dispersion)


def play(world: World, judge: Judge, rng: np.random.Generator) -> Played:
    """The world until its end or the verdict."""
    counting = Counting(judge.rules.objectives)
    recording = world.recording(rng)
    traffic = Traffic.SHADOW if world.shadow else Traffic.LIVE
    state, failed = judge.start(), 0.0
    for record in intervals(recording, counting):
        interval = counting.interval(record, recording.header.from_ms, traffic)
        state = judge.update(state, interval)
        failed = max(each.seen_bad for each in state.evidence)
        if state.failed_at is not None:
            return Played(interval.end, failed)
    return Played(None, failed)


def play_seldom(row: Seldom, judge: Judge, rng: np.random.Generator) -> Played:
    """A service that is seldom asked, each request by its time."""
    until = row.hours * 3600
    if row.in_turns:
        at = np.arange(0, until, 1 / row.requests)
        candidates = np.arange(len(at)) % 2 == 0
    else:
        at = np.sort(rng.uniform(0, until, rng.poisson(row.requests * until)))
        candidates = rng.random(len(at)) < row.weight
    share = np.where(candidates, row.errors, row.stable_errors)
    if row.outages is not None:
        period, length, outage = row.outages
        share = np.where((at + rng.uniform(0, period)) % period < length, outage, share)
    bad = rng.random(len(at)) < share
    cells = (at // STEP).astype(int)
    names = [each.name for each in judge.rules.objectives if not each.is_rate]
    failing = {
        each.name for each in judge.rules.objectives if not each.kind.traits.has_client_errors
    }
    state = judge.start()
    begins = [*np.flatnonzero(np.diff(cells, prepend=-1)), len(at)]
    for first, last in pairwise(begins):
        mine, theirs = candidates[first:last], ~candidates[first:last]
        failed_now = bad[first:last]
        totals = float(mine.sum()), float(theirs.sum())
        bads = float((failed_now & mine).sum()), float((failed_now & theirs).sum())
        samples = {}
        for name in names:
            of_both = zip(totals, bads if name in failing else (0.0, 0.0), strict=True)
            candidate, stable = (Counts.of(total, wrong) for total, wrong in of_both)
            samples[name] = Sample(candidate, stable)
        begin = float(cells[first]) * STEP
        state = judge.update(state, Interval(begin, begin + STEP, samples))
        if state.failed_at is not None:
            break
    failed = max(each.seen_bad for each in state.evidence)
    return Played(state.failed_at, failed)
