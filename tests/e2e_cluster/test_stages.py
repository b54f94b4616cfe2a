"""CI has an hour: its stages say what they take of it, and only builds run side by side."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from e2e.cluster.paths import REPOSITORY
from e2e.stages import Stage, parsed

COLD_MINUTES, WARM_MINUTES = 60, 45
BUILDS = {"programs", "parts", "tools"}
"""What may run in company, because it measures no time."""


@pytest.fixture
def makefile() -> str:
    return (REPOSITORY / "Makefile").read_text().replace("\\\n", " ")


@pytest.fixture
def stages(makefile: str) -> list[Stage]:
    (words,) = re.findall(r"^STAGES := (.*)$", makefile, re.MULTILINE)
    return [parsed(word) for word in words.split()]


def test_the_budgets_of_make_test_are_what_ci_may_take(stages: list[Stage]) -> None:
    assert sum(stage.budget for stage in stages) <= COLD_MINUTES
    warm = [stage.budget for stage in stages if not BUILDS.issuperset(stage.targets)]
    assert sum(warm) <= WARM_MINUTES


def test_only_builds_run_side_by_side(stages: list[Stage]) -> None:
    together = [stage for stage in stages if len(stage.targets) > 1]

    assert all(BUILDS.issuperset(stage.targets) for stage in together)


def test_every_stage_is_a_target(stages: list[Stage], makefile: str) -> None:
    targets = re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE)

    assert {target for stage in stages for target in stage.targets} <= set(targets)


def test_a_stage_without_minutes_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="'lint': write TARGET=MINUTES"):
        parsed("lint")


def run(folder: Path, rules: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run stages in a folder whose Makefile has `rules`, as `target: command` each."""
    (folder / "Makefile").write_text(re.sub(": ", ":\n\t@", rules))
    return subprocess.run(
        [sys.executable, "-m", "e2e.stages", *words],
        cwd=folder,
        # CI tells pytest to try again, too.
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_stages_run_in_order_until_one_fails_and_all_are_summed_up(tmp_path: Path) -> None:
    rules = "one: echo 1\ntwo: false\nthree: echo 3\n"

    ended = run(tmp_path, rules, "one=1", "two=2", "three=0.5")

    assert ended.returncode == 1
    rows = [
        re.findall(r"[^│\s][^│]*[^│\s]", row) for row in ended.stdout.splitlines() if "│" in row
    ]
    assert [(row[0], row[1], row[-1]) for row in rows[:3]] == [
        ("one", "1 min", "ok"),
        ("two", "2 min", "failed"),
        ("three", "0.5 min", "not run"),
    ]
    assert rows[3][:2] == ["all", "3.5 min"]


TESTS = """
import pathlib

def test_of_a_bad_day():
    seen = pathlib.Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first

def test_of_every_day():
    with open("played", "a") as times:
        times.write("once ")
"""


@pytest.mark.parametrize(
    ("prefix", "code", "result"), [("e2e", 0, "ok, tried twice"), ("bench", 1, "failed")]
)
def test_what_failed_in_a_stage_is_tried_once_more_where_that_is_asked_for(
    tmp_path: Path, prefix: str, code: int, result: str
) -> None:
    (tmp_path / "test_story.py").write_text(TESTS)

    ended = run(
        tmp_path, f"e2e-demo: {sys.executable} -m pytest\n", "e2e-demo=1", f"--again={prefix}"
    )

    assert ended.returncode == code, ended.stdout
    assert result in ended.stdout
    # What went well is not played again.
    assert (tmp_path / "played").read_text() == "once "


def test_a_stage_that_fails_twice_has_failed(tmp_path: Path) -> None:
    ended = run(tmp_path, "e2e: false\ntwo: touch made\n", "e2e=1", "two=1", "--again=e2e")

    assert ended.returncode == 1
    assert "failed, tried twice" in ended.stdout
    assert not (tmp_path / "made").exists()


def test_targets_joined_by_a_plus_run_at_the_same_time_and_say_whose_line_it_is(
    tmp_path: Path,
) -> None:
    # Whoever opens a pipe waits for the other end.
    os.mkfifo(tmp_path / "pipe")
    rules = "writes: echo over > pipe\nreads: cat pipe\n"

    ended = run(tmp_path, rules, "writes+reads=1")

    assert ended.returncode == 0
    assert "reads: over" in ended.stdout.splitlines()


def test_one_failure_among_several_is_a_failure(tmp_path: Path) -> None:
    ended = run(tmp_path, "good: true\nbad: false\n", "bad+good=1")

    assert ended.returncode == 1


def test_a_dry_run_shows_the_budgets_and_runs_nothing(tmp_path: Path) -> None:
    ended = run(tmp_path, "one: touch made\n", "one=2", "--dry-run")

    assert ended.returncode == 0
    assert "2 min" in ended.stdout
    assert not (tmp_path / "made").exists()
