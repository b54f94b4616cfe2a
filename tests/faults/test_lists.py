"""A list of what the operator follows is refused for ever: it is told, and users are protected."""

from dataclasses import replace

import pytest

from tests.faults.catalogue import undisturbed
from tests.faults.examine import violations
from tests.faults.facts import Facts
from tests.faults.faults import FOR_EVER, Refused
from tests.faults.history import Planned, play
from tests.faults.people import at

ANSWERS = [(403, "httproutes is forbidden"), (None, "no answer came")]


@pytest.mark.parametrize("kind", ["HTTPRoute", "ModelDeployment"])
@pytest.mark.parametrize(("status", "answer"), ANSWERS)
@pytest.mark.parametrize("name", ["fails", "promoted"])
def test_it_is_told_and_nothing_else_is_lost(
    name: str, status: int | None, answer: str, kind: str
) -> None:
    refused = Planned(Refused(f"list {kind}", status, answer), at("Canary", "2", 0.0), FOR_EVER)
    scenario = undisturbed(name, shadows=False, rate=120.0)
    history = play("1", replace(scenario, faults=(refused,), is_determined=False))

    assert violations(history) == {}
    facts = Facts(history)
    told = [
        each["message"]
        for _, status in facts.statuses
        for each in status["conditions"]
        if each["type"] == "ChangesUnseen"
    ]
    assert told
    assert all(f"Cannot list {kind}s: " in each and answer in each for each in told)
