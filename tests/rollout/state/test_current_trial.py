"""Where the counting of a candidate begins."""

import pytest

from model_rollouts.rollout.state.current_trial import JITTER_MS, PHASE_MS
from tests.rollout.simulated_cluster import NOON, World


@pytest.mark.parametrize("scraped_after_ms", [0, 1, 399, 400, 401, 499, 1_300, 3_950, 4_999])
def test_intervals_end_soon_after_the_scrapes_of_the_candidate(scraped_after_ms: int) -> None:
    world = World()
    world.edit(version="1")
    world.until("Full").run(30)
    scraped_ms = NOON * 1000 + scraped_after_ms
    world.scraped_ms = scraped_ms
    world.edit(version="2")
    world.until("Canary")

    trial = world.memory.trial
    assert trial is not None
    after_ms = (trial.started_ms - scraped_ms) % 5_000
    assert JITTER_MS <= after_ms < JITTER_MS + PHASE_MS
    assert trial.started_ms <= (NOON + world.time) * 1000
