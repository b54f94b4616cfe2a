"""What remains of a run: the table, the file, and the picture that is drawn from it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from demo.load.replay import NOBODY, Count, Line
from demo.story.followed_rollout import Course
from demo.story.picture import draw
from demo.story.plain_deployment import Plain
from demo.story.scenes import NEEDS, SCENES, Ending, Memory
from demo.story.summary import save, table
from demo.story.terminal import Teller
from tests.demo.statuses import STARTING

STATUS = replace(
    STARTING,
    at=1000.0,
    phase="Shadow",
    candidate="4",
    mirror=0.3,
    copies=10,
    message="Shadow.",
    reason="Judging",
    revisions=("a", "b"),
)
COURSE = Course(
    "4",
    990.0,
    1100.0,
    (
        STATUS,
        replace(STATUS, at=1050.0, phase="Canary", weight=0.5),
        replace(STATUS, at=1100.0, phase="RolledBack"),
    ),
    Count(500, 2, 40),
    tuple(Line(990.0 + n, 50, {"4": Count(5, 0, n % 3), NOBODY: Count()}) for n in range(110)),
)
PLAIN = Plain("4", 2000.0, 60.0, Count(3000, 10, 900), COURSE.lines)


def test_the_table_says_what_happened_and_whom_it_harmed() -> None:
    console = Console(width=160, record=True)
    endings = [
        (SCENES[3], Ending("rolled back in canary", True, 125, COURSE.got, "canary about 2 min")),
        (SCENES[2], Ending("rolled back in shadow", True, 70)),
    ]

    console.print(table(endings))

    text = console.export_text()
    told = ("rolled back in canary", "canary about 2 min", "2 min 5 s", "502", "2 failed, 40 slow")
    assert all(each in text for each in (*told, "rolled back in shadow", "none"))


def test_a_promotion_that_did_not_last_is_no_success() -> None:
    ending = Ending("promoted", True, 100, version="5", was_promoted=True)

    ending.correct(("4",))
    assert ending.as_expected

    ending.correct(("5", "4"))
    assert (ending.as_expected, ending.happened) == (
        False,
        "promoted, and rolled back in its watch",
    )


def test_the_picture_is_drawn_from_the_file_that_is_saved(tmp_path: Path) -> None:
    story, picture = tmp_path / "story.json", tmp_path / "story.svg"

    save([], Memory({"4": COURSE}, PLAIN, [("who", "a", "b", "c")]), story)
    draw(story, picture)

    assert json.loads(story.read_text())["side_by_side"] == [["who", "a", "b", "c"]]
    assert picture.read_text().count("<svg") == 1


def test_a_story_without_rollouts_has_no_picture(tmp_path: Path) -> None:
    save([], Memory(), tmp_path / "story.json")

    with pytest.raises(ValueError, match="found no rollout"):
        draw(tmp_path / "story.json", tmp_path / "story.svg")


def test_scenes_are_numbered_and_need_earlier_ones() -> None:
    assert [scene.number for scene in SCENES] == list(range(1, 11))
    assert all(other < number for number, others in NEEDS.items() for other in others)


def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    with (tmp_path / "told").open("w") as file:
        teller = Teller(Console(file=file, width=100))
        teller.scene(4, "Slow after a while", "Words [of] a scene.")
        teller.status("RolledBack", "Version 4 was rolled back; all users get version 2.")
        teller.waiting("50 requests/s")
        teller.rest()

    lines = (tmp_path / "told").read_text().splitlines()
    assert lines[1].startswith("4. Slow after a while")
    assert lines[2:] == [
        "Words [of] a scene.",
        " 0:00  Version 4 was rolled back; all users get version 2.",
    ]
