"""Made-up traffic through the intake and the judge that the operator runs, in made-up time.

Requests come at random and fail at random. Each pod is scraped at moments of its own, every so many
seconds, whatever the operator is set to.
"""

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model_rollouts.api.deployment import read
from model_rollouts.decision import INDEPENDENT, Rules
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.replay.recording import Header, Recording
from model_rollouts.rollout import take_counts
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.trial.trial import begin_trial, counting_request, trial_rules

CONFIGURED_S = 5
"""What the operator is set to."""

RATE = 50.0
SHARE = 0.1
"""Of the requests, for the candidate."""

TARGET = "99%"
LASTS_S = 1_200
BEFORE_S = 300
STABLE, CANDIDATE = "m-1", "m-2"
_BEGINS_S = 1_800_000_000
_RQ = "envoy_http_downstream_rq_"


@dataclass(frozen=True, slots=True)
class Found:
    """One run: when it was known that the version is bad (seconds), None for never."""

    at_s: float | None
    intervals: int


def rules() -> Rules:
    """What is judged: errors against the target, and the guards that are on by default."""
    model = {
        "apiVersion": "modelrollouts.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "m", "namespace": "shop", "uid": "1", "generation": 1},
        "spec": _spec(),
    }
    return trial_rules(read(model).spec, baseline=True)


def _spec() -> dict[str, object]:
    return {
        "model": {"version": "2"},
        "template": {"spec": {"containers": [{"name": "model", "image": "registry/m:2"}]}},
        "port": 8080,
        "route": {
            "parentRefs": [{"name": "public", "namespace": "shop"}],
            "hostnames": ["m.example.com"],
        },
        "strategy": {"shadow": {"percent": 0}},
        "objectives": [
            {
                "name": "errors",
                "type": "Availability",
                "role": "Gate",
                "availability": {"target": TARGET},
            }
        ],
    }


class _Pod:
    """When its requests came, and which of them failed."""

    def __init__(self, dice: random.Random, rate: float, errors: float) -> None:
        self._came: list[float] = []
        self._failed: list[float] = []
        at = -float(BEFORE_S)
        while at < LASTS_S:
            at += dice.expovariate(rate)
            self._came.append(at)
            if dice.random() < errors:
                self._failed.append(at)

    def counted(self, at: float) -> tuple[int, int]:
        """Requests and failed ones up to a moment."""
        return bisect_right(self._came, at), bisect_right(self._failed, at)


def _scrapes(first_s: float, every_s: float) -> Iterator[float]:
    at = first_s
    while at < LASTS_S:
        yield at
        at += every_s


def run(seed: str, judged_by: Rules, every_s: float, errors: float, stable: float) -> Found:
    """One rollout whose pods are scraped every `every_s` seconds."""
    dice = random.Random(seed)  # noqa: S311 - made-up traffic
    header = Header(
        namespace="shop",
        stable=STABLE,
        candidate=CANDIDATE,
        from_ms=_BEGINS_S * 1000,
        until_ms=(_BEGINS_S + LASTS_S) * 1000,
        step_ms=CONFIGURED_S * 1000,
    )
    recording = Recording(header)
    for revision, rate, share in (
        (STABLE, RATE * (1 - SHARE), stable),
        (CANDIDATE, RATE * SHARE, errors),
    ):
        # The intervals of a rollout end just after its candidate is scraped.
        offset = -0.4 if revision == CANDIDATE else -dice.uniform(0, every_s)
        times = list(_scrapes(offset - BEFORE_S // every_s * every_s, every_s))
        _write(recording, revision, times, _Pod(dice, rate, share))
    return _judged(recording, judged_by)


def _write(recording: Recording, revision: str, times: Sequence[float], pod: _Pod) -> None:
    counted = [pod.counted(at) for at in times]
    nothing = [0] * len(times)
    for listener in ("live", "shadow"):
        live = listener == "live"
        done = [each for each, _ in counted] if live else nothing
        failed = [each for _, each in counted] if live else nothing
        for metric, values, more in (
            ("completed", done, {}),
            ("rx_reset", nothing, {}),
            ("xx", failed, {"envoy_response_code_class": "5"}),
        ):
            labels = {
                "__name__": _RQ + metric,
                "namespace": "shop",
                "pod": f"{revision}-pod",
                "job": "models",
                "modelrollouts_revision": revision,
                "envoy_http_conn_manager_prefix": listener,
                **more,
            }
            samples = [
                (_BEGINS_S + at, str(value)) for at, value in zip(times, values, strict=True)
            ]
            recording.add(labels, samples)


def _judged(recording: Recording, judged_by: Rules) -> Found:
    started_ms = recording.header.from_ms
    intake = Intake(Grid(CONFIGURED_S * 1000))
    memory = Memory(trial=begin_trial(CANDIDATE, 1, judged_by, INDEPENDENT, started_ms))
    intervals = 0
    for second in range(CONFIGURED_S, LASTS_S + 1, CONFIGURED_S):
        trial = memory.trial
        assert trial is not None
        tick = intake.plan(
            [counting_request("shop/m", "shop", trial, STABLE)],
            started_ms + 1000 * (second + CONFIGURED_S),
        )
        counted = intake.advance(tick, [recording.answer(query) for query in tick.queries])[
            "shop/m"
        ]
        assert isinstance(counted, Counted)
        memory = take_counts(memory, counted, SHARE)
        intervals += len(counted.intervals)
        assert memory.trial is not None
        if memory.trial.state.failed_at is not None:
            return Found(float(second), intervals)
    return Found(None, intervals)
