"""Passes that are not made: whatever is done is done at the same time as if all were made.

The worlds of this room spare them, as the engine does. The stories in files were told with each
pass made and held against the `Rest` of the one before (`every_pass`); here they are told without.
"""

from collections.abc import Callable

import pytest

from tests.rollout import (
    shadow_stories,
    story_files,
    suspension_stories,
    test_exchange_stories,
    test_stories,
)
from tests.rollout.simulated_cluster import World

STORIES = (
    *test_stories.TOLD,
    *shadow_stories.TOLD,
    *suspension_stories.TOLD,
    *test_exchange_stories.TOLD,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_story_without_the_passes_that_are_spared_does_the_same_at_the_same_time(
    story: Callable[[], World],
) -> None:
    assert _done(story().log) == _done(story_files.read(story))


def _done(log: list[str]) -> list[str]:
    """What was done, and what people were told of it; not the numbers of a status."""
    return [line for line in log if line.split()[1] != "status"]
