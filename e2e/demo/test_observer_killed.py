"""Scenes 1, 2 and 10 of the demo on the cluster: a killed observer knows what it lacks."""

import contextlib

import pytest

from demo.story.stage import StoryError
from e2e.demo.played import Told, told

pytestmark = pytest.mark.slow


story = told(1, 2, 10)


def test_the_version_that_says_the_same_waits_and_is_promoted(story: Told) -> None:
    course = story.courses["8"]

    assert story.endings[10].as_expected
    assert course.phases == ["Starting", "Shadow", "Canary", "Full"]
    assert course.got.errors == 0
    assert max(one.judged("answers").bad for one in course.seen) == 0


def test_each_request_that_version_2_answered_is_in_the_log_or_told_as_lost(story: Told) -> None:
    stage, arm = story.stage, (story.courses["2"].end.revisions[0], "live")
    observer, answered = stage.setting.observer, stage.users.ledger.of("2").total

    def known() -> int:
        return observer.kept()[arm] + story.memory.lost_before[arm] + observer.lost()[arm]

    # What came last is committed within seconds.
    with contextlib.suppress(StoryError):
        stage.until(lambda: known() == answered, "all records are there", 30)
    assert known() == answered
    assert observer.lost()[arm] > 0
