"""Scenes 1, 2 and 4 of the demo on the cluster: rolled back while users have it.

How long version 4 takes to become slow depends on the machine.
"""

import pytest

from e2e.demo.played import Told, told

pytestmark = pytest.mark.slow


story = told(1, 2, 4)


def test_the_version_that_became_slow_was_rolled_back(story: Told) -> None:
    course = story.courses["4"]

    assert story.endings[4].as_expected
    assert course.rolled_back_in in ("Canary", "Full")
    assert 0 < course.got.bad < story.sent / 20
    assert course.end.stable == "2"


def test_users_are_served_by_the_version_before_in_the_end(story: Told) -> None:
    assert story.afterwards["2"].answered > 0
    assert story.afterwards["4"].total == 0
