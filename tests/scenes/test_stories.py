"""What a story of a rollback is read from."""

import pytest

from e2e.scenes.answers import Answers
from e2e.scenes.operator_process import Move
from e2e.scenes.scrapes import Scrape
from e2e.scenes.stories import TakenBack, judged


def test_the_numbers_of_a_rollback_are_in_its_words() -> None:
    words = (
        "Errors is worse than allowed: 99 % of answers without error, it had 18 bad of 1,281"
        " (1.405 %), stable had 0 bad of 2,774 (0 %)."
    )

    assert judged(words) == (18, 1281)
    with pytest.raises(AssertionError, match="without numbers"):
        judged("Decided by strategy.override")


def test_a_decision_is_held_against_its_scrape_and_against_the_end_of_its_interval() -> None:
    found = TakenBack("3", {}, Answers([]), [], Move(1006.2, "RollBack"), Scrape(1001.9, 250, 15))

    assert found.behind_the_scrape == pytest.approx(4.3)
    assert found.behind_the_interval == pytest.approx(1.2)
