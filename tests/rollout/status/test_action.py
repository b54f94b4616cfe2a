"""What the reader of a status has to do, for every kind of situation."""

from typing import Any

import pytest

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import Status
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.status.status import tell
from model_rollouts.rollout.status.summary import StatusInput
from tests.rollout.made_up import V2, V3, situation, standing

NOON = 1_774_965_600.0


def held(reason: Reason, *, stalls: bool = False, told: bool = True) -> dict[str, Any]:
    return {"holds": (Hold(reason, f"{reason}.", str(reason), stalls=stalls, told=told),)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(situation(Phase.FULL), "None", id="it serves"),
        pytest.param(situation(Phase.STARTING, stable=None), "Wait", id="the first one starts"),
        pytest.param(situation(Phase.CANARY, 0.25), "Wait", id="it is judged"),
        pytest.param(situation(Phase.CANARY, 0.25, **held(Reason.NO_TRAFFIC)), "Wait", id="quiet"),
        pytest.param(
            situation(Phase.CANARY, 0.25, **held(Reason.SCRAPE_MISSING, told=False)),
            "Wait",
            id="about to pass",
        ),
        pytest.param(
            situation(Phase.CANARY, 0.25, **held(Reason.METRICS_UNAVAILABLE)), "Look", id="blind"
        ),
        pytest.param(situation(Phase.PAUSED, 0.25, **held(Reason.PAUSED)), "Look", id="paused"),
        pytest.param(situation(Phase.ROLLED_BACK), "Look", id="rolled back"),
        pytest.param(situation(Phase.UNDECIDED), "Look", id="undecided"),
        pytest.param(
            situation(Phase.ADMISSION, stable=None, **held(Reason.INVALID_TEMPLATE, stalls=True)),
            "Look",
            id="never started",
        ),
        pytest.param(
            situation(Phase.CANARY, 0.25, **held(Reason.WRITE_REFUSED)), "Now", id="no write"
        ),
        pytest.param(
            situation(Phase.FULL, stable=standing(V3, 2, 0)), "Now", id="too few pods for users"
        ),
        pytest.param(
            situation(Phase.ROLLED_BACK, 0.5, leaving=standing(V2), gateway_accepted=False),
            "Now",
            id="users stay where they should not be",
        ),
        pytest.param(
            situation(Phase.FULL, watching=True, degraded="It fails."),
            "Now",
            id="no version to go back to",
        ),
        pytest.param(
            situation(Phase.ROLLED_BACK, degraded="It fails."), "Now", id="stable is no better"
        ),
        pytest.param(
            situation(Phase.STARTING, degraded="It fails."), "Look", id="a remedy is on its way"
        ),
        pytest.param(situation(Phase.FULL, failing="It fails."), "Now", id="most requests fail"),
    ],
)
def test_what_has_to_be_done(given: StatusInput, expected: str) -> None:
    assert tell(given, Memory(), Status(), NOON).action == expected
