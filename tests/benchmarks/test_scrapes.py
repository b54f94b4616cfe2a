"""Bad versions are found however seldom pods are scraped, and good ones stay; 2 s of CPU."""

import pytest

from benchmarks.scrapes.__main__ import BAD, GOOD
from benchmarks.scrapes.measure import rules, run

RULES = rules()


@pytest.mark.parametrize("every_s", [5, 10, 15, 30, 60])
def test_bad_versions_are_found_and_good_ones_stay(every_s: int) -> None:
    bad = [run(f"bad/{every_s}/{n}", RULES, every_s, BAD, GOOD) for n in range(4)]
    good = [run(f"good/{every_s}/{n}", RULES, every_s, GOOD, GOOD) for n in range(2)]

    assert all(each.at_s is not None and each.at_s <= 300 for each in bad)
    assert all(each.at_s is None for each in good)
