"""The proxy is told to end its buckets where the intake asks for them."""

import pytest

from model_rollouts.metrics.objectives import proxy_edge, proxy_threshold
from model_rollouts.resources.edges import LADDER_MS, bucket_edge


@pytest.mark.parametrize("threshold_ms", LADDER_MS)
def test_every_threshold_of_the_ladder_is_found_again(threshold_ms: int) -> None:
    edge = proxy_edge(threshold_ms / 1000)
    assert edge == bucket_edge(threshold_ms)
    assert proxy_threshold(edge) == threshold_ms / 1000
