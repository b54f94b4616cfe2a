"""What a story of a rollback is read from."""

import pytest

from e2e.scenes.answers import Answers
from e2e.scenes.operator_process import Move
from e2e.scenes.scrapes import Scrape
from e2e.scenes.stories import RolledBack, judged


def test_the_numbers_of_a_rollback_are_those_of_what_failed() -> None:
    passed = {"name": "latency", "verdict": "Pass", "bad": 3, "total": 1281}
    failed = {"name": "errors", "verdict": "Fail", "bad": 18, "total": 1281}

    assert judged({"objectives": [passed, failed]}) == (18, 1281)
    with pytest.raises(AssertionError, match="without an objective that failed"):
        judged({"objectives": [passed]})


def test_a_decision_is_held_against_its_scrape() -> None:
    found = RolledBack("3", {}, Answers([]), [], Move(1006.2, "RollBack"), Scrape(1001.9, 250, 15))

    assert found.behind_the_scrape == pytest.approx(4.3)
