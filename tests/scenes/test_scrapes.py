"""Which scrape allowed a decision."""

import pytest

from e2e.scenes.scrapes import Scrape, first_with

FOUND = [Scrape(10, 20, 0), Scrape(15, 40, 2), Scrape(20, 60, 2), Scrape(25, 80, 3)]


@pytest.mark.parametrize(
    ("total", "bad", "at"), [(1, 0, 10), (40, 2, 15), (41, 2, 20), (20, 3, 25)]
)
def test_it_is_the_first_that_knew_both_numbers(total: int, bad: int, at: float) -> None:
    assert first_with(FOUND, total, bad).at == at
