"""Whole histories in which Prometheus scrapes less often than the operator is set to."""

from dataclasses import replace

import pytest

from model_rollouts.api.conditions import ConditionType, Reason
from model_rollouts.cluster.kinds import EVENT
from tests.faults.catalogue import WRITE_STATUS, undisturbed
from tests.faults.history import History, play
from tests.faults.notes import MODEL, NAMESPACE

USUAL_WRITES = 15
"""Writes of the status in a promotion when pods are scraped as the operator is set to."""


def _played(script: str, scrape_s: float) -> History:
    scenario = undisturbed(script, shadows=False, rate=50.0)
    return play(f"slow scrapes/{script}", replace(scenario, sampled=True, scrape_s=scrape_s))


@pytest.mark.parametrize("scrape_s", [15, 30, 60])
@pytest.mark.parametrize(
    ("script", "ends"), [("promoted", "Full"), ("fails some", "RolledBack")], ids=["good", "bad"]
)
def test_it_ends_as_it_should_and_is_told_no_more_often(
    script: str, ends: str, scrape_s: int
) -> None:
    history = _played(script, scrape_s)

    server = history.world.server
    model = server.find(*MODEL)
    assert model is not None
    status = model["status"]
    assert status["phase"] == ends
    differs = [
        each["message"]
        for each in status["conditions"]
        if each["type"] == ConditionType.SCRAPE_INTERVAL_DIFFERS
    ]
    assert [f"every {scrape_s} s" in each for each in differs] == [True]
    writes = sum(each.asked.action == WRITE_STATUS for each in history.world.requests)
    assert writes <= USUAL_WRITES + 2
    reasons = [each["reason"] for each in server.all(EVENT, NAMESPACE)]
    assert reasons.count(Reason.SCRAPE_INTERVAL_DIFFERS) == 1
    assert Reason.SCRAPE_MISSING not in reasons
    assert Reason.CATCHING_UP not in reasons
