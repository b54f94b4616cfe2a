"""Scenes 1 to 3 and 9 of the demo on the cluster: promoted, and rolled back before any user."""

from demo.story.scenes import WORST
from e2e.demo.played import Told, told

story = told(1, 2, 3, 9)


def test_every_scene_ends_as_expected(story: Told) -> None:
    assert {number: each.happened for number, each in story.endings.items()} == {
        1: "got all users",
        2: "promoted",
        3: "rolled back in shadow",
        9: "rolled back in shadow",
    }
    assert all(each.as_expected for each in story.endings.values())


def test_no_request_to_the_better_version_fails(story: Told) -> None:
    course = story.courses["2"]

    assert course.phases == ["Starting", "Shadow", "Canary", "Full"]
    assert course.got.total > 0
    assert course.got.errors == 0


def test_no_user_met_the_version_that_is_slow_for_a_few(story: Told) -> None:
    course = story.courses["3"]

    assert max(one.weight for one in course.seen) == 0
    assert max(one.copies for one in course.seen) > 0
    assert course.got.total == 0
    assert "latency" in course.end.failed
    assert course.end.rolled_back[:1] == ("3",)


def test_whoever_owns_the_model_is_told_of_the_rollback(story: Told) -> None:
    lines = story.memory.messages["3"].splitlines()

    assert lines[0] == "flights/arrival: version 3 was rolled back"
    assert "latency" in lines[1]
    assert "all users get version 2" in lines[2]
    assert "Owner: flights (#flights)." in lines
    assert "See why: kubectl mdep explain arrival -n flights" in lines


def test_no_user_met_the_version_with_hours_in_utc(story: Told) -> None:
    course, end = story.courses["7"], story.courses["7"].end

    assert max(one.weight for one in course.seen) == 0
    assert course.got.total == 0
    # By its answers alone: one flight in six gets another chance of being late.
    assert end.failed == ("answers",)
    assert 0.05 < end.judged("answers").bad / end.judged("answers").total < 0.5
    assert end.rolled_back[:1] == ("7",)


def test_the_worst_cases_are_shown_with_both_answers(story: Told) -> None:
    rows = story.memory.worst

    assert [each["arm"] for each in rows].count("live") == WORST == len(rows) / 2
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        assert one["request_id"] == other["request_id"]
        assert {one["version"], other["version"]} == {"2", "7"}
        assert one["inputs"] == other["inputs"]
        assert abs(one["outputs"]["late"] - other["outputs"]["late"]) > 0.01


def test_the_status_names_answers_that_the_log_has_of_both_versions(story: Told) -> None:
    named = story.memory.named

    assert 1 <= len(named) <= WORST
    for each in named:
        rows = story.stage.setting.observer.answered(each)
        assert {row["version"] for row in rows} == {"2", "7"}
        assert any((row["disagreement"] or 0) > 0 for row in rows)


def test_users_are_served_by_the_better_version_in_the_end(story: Told) -> None:
    assert story.afterwards["2"].answered > 0
    assert story.afterwards["3"].total == story.afterwards["7"].total == 0
