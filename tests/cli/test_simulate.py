"""`model-rollouts simulate` as people and scripts use it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from model_rollouts.cli.main import COMMANDS, main

FEW = ("--trials", "20", "--assurance", "Standard")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *arguments])


def ends(*arguments: str) -> dict[str, Any]:
    result = run("--rate", "50", *FEW, "--output", "json", *arguments)
    assert result.exit_code == 0, result.output
    (only,) = json.loads(result.stdout)["results"]
    assert isinstance(only, dict)
    return only


def test_a_good_version_is_promoted_and_a_bad_one_rolled_back() -> None:
    good, bad = ends("--errors", "0.02%"), ends("--errors", "5%")

    assert good["ends"]["Promoted"] >= 19
    assert good["promotionSeconds"]["median"] > 180
    assert bad["ends"]["RolledBack"] == 20
    assert bad["rollbackSeconds"]["median"] < 60
    assert bad["badAnswers"]["median"] < 8


def test_slow_answers_are_judged_too() -> None:
    slow = ends("--errors", "0.02%", "--within", "300ms", "--slow", "5%")

    assert slow["ends"]["RolledBack"] == 20
    assert slow["badLimits"] == {"errors": 0.002, "latency": 0.015}


def test_a_version_that_refuses_what_stable_accepts_is_rolled_back() -> None:
    beyond = ends("--errors", "0.02%", "--refused", "10%")
    as_stable = ends("--errors", "0.02%", "--refused", "10%", "--stable-refused", "10%")

    assert beyond["ends"]["RolledBack"] == 20
    assert as_stable["ends"]["Promoted"] >= 19
    assert beyond["badLimits"] == {"errors": 0.002}


LONG_HAUL = ("--target", "95%", "--errors", "3%", "--stable-errors", "1%", "--min-step", "1m")


def test_a_version_that_is_bad_for_a_slice_alone_is_rolled_back_with_its_objective() -> None:
    part = ("--slice", "10%", "--slice-target", "97%", "--slice-errors", "30%")

    sliced, whole = ends(*LONG_HAUL, *part), ends(*LONG_HAUL)

    assert sliced["ends"]["RolledBack"] >= 19
    assert whole["ends"]["Promoted"] >= 19
    # They are among those of all requests: whoever is harmed is counted once.
    assert sliced["badAnswers"]["median"] < whole["badAnswers"]["median"]
    # A Guard delays nothing.
    same = ends(*LONG_HAUL, *part[:-1], "3%")
    assert abs(same["promotionSeconds"]["median"] - whole["promotionSeconds"]["median"]) <= 20


def test_a_version_that_is_slow_for_a_slice_alone_is_rolled_back_with_its_objective() -> None:
    times = (
        *("--within", "300ms", "--share", "95%", "--slow", "4%", "--stable-slow", "1%"),
        *("--min-step", "1m", "--errors", "0.02%", "--stable-errors", "0.02%"),
    )
    part = ("--slice", "10%", "--slice-errors", "0.02%", "--slice-slow")

    sliced, whole = ends(*times, *part, "35%"), ends(*times)

    assert sliced["ends"]["RolledBack"] >= 19
    assert whole["ends"]["Promoted"] >= 19
    assert ends(*times, *part, "4%")["ends"]["Promoted"] >= 19


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--slice", "10%", "--slice-errors", "30%", "--errors", "1%"),
            "--errors: found 1 %, and 30 % of a slice of 10 %; write 3 % to 93 %",
        ),
        (
            ("--slice", "50%", "--stable-slice-errors", "10%", "--stable-errors", "1%"),
            "--stable-errors: found 1 %",
        ),
        (("--slice-errors", "1%"), "--slice-errors needs --slice, such as --slice 5%"),
        (("--slice-slow", "1%"), "--slice-slow needs --slice, such as --slice 5%"),
        (
            ("--slice", "5%", "--slice-slow", "1%"),
            "--slice-slow needs --within, such as --within 300ms",
        ),
        (
            ("--slice", "5%", "--within", "300ms", "--stable-slice-slow", "1%"),
            "--stable-slice-slow needs --slice-slow, such as --slice-slow 5%",
        ),
        (
            (
                *("--slice", "10%", "--within", "300ms", "--slow", "1%"),
                *("--slice-slow", "30%"),
            ),
            "--slow: found 1 %, and 30 % of a slice of 10 %; write 3 % to 93 %",
        ),
        (("--slice", "100%"), "write more than 0% and less than 100%"),
    ],
)
def test_a_slice_that_cannot_be_is_refused(arguments: tuple[str, ...], words: str) -> None:
    result = run("--rate", "50", *FEW, *arguments)

    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_a_longer_tail_is_rolled_back_where_nobody_promised_a_time() -> None:
    longer, same = ends("--errors", "0.02%", "--tail", "12%"), ends("--errors", "0.02%")

    assert longer["ends"]["RolledBack"] == 20
    # Nothing counts for it before the pods are warm.
    assert longer["rollbackSeconds"]["median"] > 60
    assert same["ends"]["Promoted"] >= 19


def test_the_deadline_ends_what_is_undecided() -> None:
    few = ("--rate", "1", *FEW, "--deadline", "30m", "--output", "json")

    def at_deadline(policy: str) -> dict[str, int]:
        result = run(*few, "--on-deadline", policy)
        (only,) = json.loads(result.stdout)["results"]
        counted = only["ends"]
        assert isinstance(counted, dict)
        return counted

    assert at_deadline("PromoteWithBound")["Undecided"] >= 19
    assert at_deadline("Rollback")["RolledBack"] == 20


def test_the_same_seed_gives_the_same_numbers() -> None:
    arguments = ("--rate", "20", *FEW, "--errors", "0.5%")

    assert run(*arguments, "--seed", "7").stdout == run(*arguments, "--seed", "7").stdout
    assert run(*arguments, "--seed", "7").stdout != run(*arguments, "--seed", "8").stdout


def test_the_table_fits_a_terminal_and_has_no_colour_in_a_pipe() -> None:
    result = run("--rate", "20", "--trials", "5", "--errors", "5%", "--within", "1s")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [name for name in ("Fast", "Standard", "Strict") if name in result.stdout]
    assert all(len(line) <= 80 for line in lines[1:])
    assert lines[-1].endswith("of 5 rollouts each.")
    assert "\x1b" not in result.stdout
    assert "…" not in result.stdout


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_plot_is_drawn(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"

    result = run("--rate", "50", "--trials", "5", "--errors", "0.3%", "--plot", str(path))

    assert result.exit_code == 0, result.output
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")


def test_a_missing_plotting_library_is_named_before_the_long_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    result = run("--rate", "50", "--plot", str(tmp_path / "picture.png"))

    assert result.exit_code == 1
    assert "pip install 'model-rollouts[plot]'" in result.stderr
    assert run("--rate", "50", *FEW, "--errors", "5%").exit_code == 0


def test_a_candidate_is_good_by_its_target_unless_another_rate_is_assumed() -> None:
    result = run("--rate", "500", "--target", "99.99%", "--trials", "5", "-o", "json")

    assert json.loads(result.stdout)["scenario"]["errors"] == pytest.approx(0.00005)


def test_bursts_that_are_told_and_not_simulated_are_said_to_be() -> None:
    told = run("--rate", "50", "--trials", "2", "--errors", "5%", "--dispersion", "5")
    independent = run("--rate", "50", "--trials", "2", "--errors", "5%")

    assert "errors come in bursts (dispersion 5); the simulated ones do not" in told.stdout
    assert "dispersion" not in independent.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--rate'"),
        (("--rate", "0"), "0.0 is not in the range"),
        (("--rate", "1", "--target", "0.999"), "found '0.999', write a percentage such as 99.9%"),
        (
            ("--rate", "1", "--target", "100%"),
            "found '100%', write more than 0% and less than 100%",
        ),
        (("--rate", "1", "--target", "30%"), "found 0.3 (30 %), too low to rule out a worse"),
        (("--rate", "1", "--deadline", "1d"), "found '1d', write a time such as 24h"),
        (("--rate", "1", "--deadline", "0s"), "found '0s', write a time such as 24h"),
        (("--rate", "1", "--steps", "5%,x"), "found 'x', write a percentage such as 99.9%"),
        (("--rate", "1", "--steps", "50%,5%"), "found '50%,5%', write ascending shares above 0%"),
        (("--rate", "1", "--steps", "5%,100%"), "found '5%,100%', write ascending shares"),
        (("--rate", "1", "--slow", "2%"), "--slow needs --within, such as --within 300ms"),
        (("--rate", "1", "--share", "95%"), "--share needs --within, such as --within 300ms"),
        (("--rate", "1", "--stable-slow", "2%"), "--stable-slow needs --within"),
        (("--rate", "1", "--within", "300ms", "--tail", "2%"), "--tail needs no --within"),
        (("--rate", "1", "--min-step", "8h"), "found 24 h for 3 steps of at least 8 h, write"),
        (("--rate", "1", "--plot", "a.pdf"), "write a file name that ends in .png or .svg"),
        (("--rate", "1", "--assurance", "Sure"), "'Sure' is not one of"),
    ],
)
def test_a_wrong_command_line_is_explained(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert message in result.stderr


def test_an_unwritable_plot_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "picture.svg"

    result = run("--rate", "50", *FEW, "--errors", "5%", "--plot", str(path))

    assert result.exit_code == 1
    assert f"could not write {path}: No such file or directory" in result.stderr


def test_help_of_the_group_imports_no_subcommand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "model_rollouts.cli.simulate", raising=False)

    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)
    assert "model_rollouts.cli.simulate" not in sys.modules
    assert CliRunner().invoke(main, ["no-such"]).exit_code == 2
    assert CliRunner().invoke(main, ["--version"]).exit_code == 0
