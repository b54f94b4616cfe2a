"""The paces as the operator has them: grids, phases and readers."""

import pytest

from model_rollouts.engine.wiring import beats
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.grid import Grid
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout import Settings


async def nobody(text: str, at_ms: int, namespace: str) -> bytes:
    """Answers nothing."""
    raise AssertionError((text, at_ms, namespace))


@pytest.mark.parametrize(
    ("scrape_ms", "phases", "sparing_ms", "sparing_phases"),
    [(5_000, 10, 60_000, 30), (15_000, 30, 60_000, 30), (90_000, 180, 90_000, 45)],
)
def test_each_pace_has_a_reader_for_each_of_its_phases(
    scrape_ms: int, phases: int, sparing_ms: int, sparing_phases: int
) -> None:
    settings = Settings(ProxySettings("envoy"), Grid(scrape_ms, max(300_000, 3 * scrape_ms)))

    of_scrapes, of_minutes = beats(settings, nobody, Batching())

    assert (of_scrapes.sparing, of_minutes.sparing) == (False, True)
    assert (of_scrapes.grid.step_ms, len(of_scrapes.readers)) == (scrape_ms, phases)
    assert (of_minutes.grid.step_ms, len(of_minutes.readers)) == (sparing_ms, sparing_phases)
    assert max(of_minutes.readers) < sparing_ms
