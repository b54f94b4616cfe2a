"""Reading on from any watermark gives what never having stopped would have given."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.metrics.objectives import client_errors, errors, latency
from model_rollouts.metrics.requests import Arm, Pod
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from tests.metrics.fake_prometheus import (
    BUCKET,
    CLASS,
    COMPLETED,
    GIVEN_UP,
    START,
    THROTTLED,
    TIMED,
    UPTIME,
    World,
    count,
    rollout,
    run,
)

LAST = 20
"""Seconds of samples."""

MEASURED = rollout(
    objectives=[errors("errors"), client_errors("refused"), latency("latency", [0.3, 0.38])],
    arms=[
        Arm("stable", "old"),
        Arm("candidate", "new"),
        Arm("shadow", "new", Listener.SHADOW),
    ],
    pods=[
        Pod("a", "new", START + 3_000, START + 4_000),
        Pod("c", "old", START - 60_000, START - 60_000),
    ],
    warmup_ms=2_000,
)

_times = st.lists(
    st.integers(-8_000, LAST * 1000).map(lambda ms: ms / 1000), max_size=14, unique=True
)
_values = st.one_of(
    st.integers(0, 12), st.integers(0, 400), st.sampled_from(["NaN", "+Inf", "-1", "2.5"])
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any samples at all: falling, missing, twice, from two targets, not even counts."""
    world = World()
    for pod, revision in (("a", "new"), ("b", "new"), ("c", "old")):
        for job in draw(st.sampled_from([("one",), ("one", "two")])):
            times = draw(_times)
            for metric, labels in (
                (COMPLETED, {}),
                (GIVEN_UP, {}),
                (CLASS, {}),
                (CLASS, {"envoy_response_code_class": "4"}),
                (THROTTLED, {}),
                (TIMED, {}),
                (BUCKET, {"le": "299"}),
                (BUCKET, {"le": "379.0"}),
                (UPTIME, {}),
            ):
                if not draw(st.integers(0, 3)):
                    continue
                listener = draw(st.sampled_from(Listener))
                values = draw(st.lists(_values, min_size=len(times), max_size=len(times)))
                world.write(
                    metric,
                    list(zip(times, values, strict=True)),
                    revision=revision,
                    pod=pod,
                    job=job,
                    listener=listener,
                    **labels,
                )
    return world


@settings(max_examples=60, deadline=None)
@given(worlds(), st.data())
def test_from_any_watermark_the_same_intervals_follow(world: World, data: st.DataObject) -> None:
    whole = count(world, MEASURED, LAST)
    stop = data.draw(st.integers(0, LAST), label="stopped after")
    before, watermark = run(world, MEASURED, stop, ticks=range(1, stop))
    stored = json.dumps(watermark.to_json())

    after, _ = run(world, MEASURED, LAST, since=Watermark.from_json(json.loads(stored)))

    assert before + after == whole


@settings(max_examples=20, deadline=None)
@given(worlds(), st.lists(st.floats(0, LAST), max_size=6), st.randoms(use_true_random=False))
def test_ticks_order_of_answers_and_version_of_prometheus_do_not_matter(
    world: World, ticks: list[float], shuffle: random.Random
) -> None:
    whole = count(world, MEASURED, LAST)
    entries = list(world.series.items())
    shuffle.shuffle(entries)

    again, _ = run(World(dict(entries), left_open=True), MEASURED, LAST, ticks=sorted(ticks))

    assert again == whole


@settings(max_examples=20, deadline=None)
@given(worlds())
def test_bad_never_exceeds_total_and_levels_stay_in_order(world: World) -> None:
    for record in count(world, MEASURED, LAST):
        for arm in record.arms.values():
            for tally in arm.tallies.values():
                assert all(0 <= bad <= tally.total for bad in tally.bad)
