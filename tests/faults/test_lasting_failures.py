"""One thing that fails for ever delays nothing else, whatever it is and whatever comes back."""

from dataclasses import replace

import pytest

from tests.faults.catalogue import ACTIONS, WRITE_ROUTE, undisturbed
from tests.faults.examine import violations
from tests.faults.faults import FOR_EVER, Refused
from tests.faults.hands import restores_revision
from tests.faults.history import Noise, Planned, Scenario, play
from tests.faults.notes import MODEL
from tests.faults.oracles.protection import terrible_versions_lose_their_users
from tests.faults.oracles.stability import it_never_storms
from tests.faults.people import Moment

CONFLICT = 409, "Operation cannot be fulfilled: the object has been modified"
NO_ANSWER = None, "the server did not answer"

ADOPT = "patch ControllerRevision"
FAILING = [*(each for each in ACTIONS if each != WRITE_ROUTE), ADOPT]

KEPT = {each.__name__ for each in (terrible_versions_lose_their_users, it_never_storms)}


def beside(action: str, answer: tuple[int | None, str]) -> Scenario:
    """A version fails everybody, and one thing fails from the moment when it is applied.

    Somebody annotates the ModelDeployment all the time, and a revision has lost its owner.
    """
    begins = Moment("Wanted", "2")
    status, message = answer
    refused = Refused(action, status, message, managed=False)
    return replace(
        undisturbed("fails", shadows=False, rate=120.0),
        faults=(Planned(refused, begins, FOR_EVER),),
        meddling=((restores_revision(begins, "1"),),),
        noise=(Noise(MODEL, 3.0),),
        is_determined=False,
    )


@pytest.mark.parametrize("answer", [CONFLICT, NO_ANSWER], ids=["conflict", "no answer"])
@pytest.mark.parametrize("action", FAILING)
def test_users_are_taken_off_in_time_and_nothing_storms(
    action: str, answer: tuple[int | None, str]
) -> None:
    found = violations(play("1", beside(action, answer)))

    assert {name: each for name, each in found.items() if name in KEPT} == {}
