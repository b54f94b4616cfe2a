"""An operator that starts with lists from the past, while the route that it would read is gone."""

from dataclasses import replace

import pytest

from tests.faults.catalogue import undisturbed
from tests.faults.examine import violations
from tests.faults.faults import Killed
from tests.faults.hands import deletes_route
from tests.faults.history import Planned, play
from tests.faults.people import at


@pytest.mark.parametrize("script", ["fails", "immediate"])
@pytest.mark.parametrize("behind", range(2, 26, 2))
def test_a_version_that_was_rolled_back_stays_so_however_old_the_lists_are(
    script: str, behind: int
) -> None:
    killed = Killed(every=1, times=1, away=6.0, behind=behind, behind_s=15.0)
    # The route is repaired, the operator is killed after that write, and the route is gone again.
    deleted = [(deletes_route(at("RolledBack", "2", after)),) for after in (3.0, 6.0)]
    scenario = replace(
        undisturbed(script, shadows=False, rate=50.0),
        faults=(Planned(killed, at("RolledBack", "2", 1.0), 200.0),),
        meddling=tuple(deleted),
        is_determined=False,
    )

    history = play("stale", scenario)

    assert violations(history) == {}
    assert len(history.world.lives) == 2
