"""The proxy is told to end its buckets where the intake asks for them, and to count its names."""

import re

import pytest

from model_rollouts.metrics.objectives import SLICE, errors, latency, proxy_edge, proxy_threshold
from model_rollouts.resources.edges import LADDER_MS, bucket_edge
from model_rollouts.resources.slices import SLICE_TAG, CountedSlice, Slice, exported, loggers


@pytest.mark.parametrize("threshold_ms", LADDER_MS)
def test_every_threshold_of_the_ladder_is_found_again(threshold_ms: int) -> None:
    edge = proxy_edge(threshold_ms / 1000)
    assert edge == bucket_edge(threshold_ms)
    assert proxy_threshold(edge) == threshold_ms / 1000


def test_what_is_asked_of_a_slice_is_what_the_proxy_counts() -> None:
    slice = CountedSlice(Slice(name="long-haul", header="x-haul", value="long"), (299,))
    asked = {
        re.sub(f"^{SLICE}_|_(count|bucket)$", "", term.counter.metric)
        for objective in (errors("e", "long-haul"), latency("l", [0.3], "long-haul"))
        for terms in (objective.total, *objective.bad)
        for term in terms
    }
    counted = {
        stat["stat"]["name"]
        for logger in loggers("live", "m-0123456789", [slice])
        for kind in ("counters", "histograms")
        for stat in logger["typed_config"].get(kind, ())
    }
    (pattern,) = exported([slice])

    assert SLICE == SLICE_TAG
    assert asked == counted
    assert all(re.fullmatch(pattern, f"slice.{name}.{SLICE_TAG}.long-haul") for name in counted)
