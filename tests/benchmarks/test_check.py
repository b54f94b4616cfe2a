"""`make bench-check`: figures are held against their ranges, and each range says why."""

import json

import pytest
from click.testing import CliRunner

from benchmarks.check import __main__ as check
from benchmarks.check.__main__ import Range, Row, compared, ranges, table
from benchmarks.check.measures import MEASURES

WIDTH = Range("judge.width", 1.0, 2.0, "us", "Why it is so.")


@pytest.mark.parametrize(
    ("value", "inside"),
    [(0.9, False), (1.0, True), (2.0, True), (2.1, False), (None, False), (float("nan"), False)],
)
def test_a_figure_is_inside_its_range_or_not(value: float | None, inside: bool) -> None:
    assert Row(WIDTH, value).is_inside is inside


def test_every_range_is_of_a_benchmark_and_has_a_reason() -> None:
    known = ranges()

    assert {name.partition(".")[0] for name in known} == set(MEASURES)
    for each in known.values():
        assert each.low <= each.high
        assert each.reason.endswith(".")
        assert len(each.reason) > 30


def test_a_figure_without_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no range for judge\.height"):
        compared({WIDTH.name: WIDTH}, {"judge.height": 1.0})


def test_the_table_says_what_is_outside_and_why_its_range_is_so() -> None:
    text = "\n".join(table([Row(WIDTH, 3.0)]))

    assert "OUTSIDE" in text
    assert "judge.width: Why it is so." in text


@pytest.mark.parametrize(("value", "code"), [(1.5, 0), (9.0, 1)])
@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_fails_outside_of_a_range(
    monkeypatch: pytest.MonkeyPatch, value: float, code: int, as_json: bool
) -> None:
    monkeypatch.setattr(check, "MEASURES", {"judge": lambda: {"judge.width": value}})
    monkeypatch.setattr(check, "ranges", lambda: {WIDTH.name: WIDTH})
    monkeypatch.setattr(check, "machine", lambda: 1.0)

    result = CliRunner().invoke(check.main, ["--json"] if as_json else [])

    assert result.exit_code == code, result.output
    if as_json:
        (figure,) = json.loads(result.stdout)["figures"]
        assert (figure["value"], figure["inside"]) == (value, not code)
    else:
        assert f"{1 - code} of 1 figures are in their ranges" in result.stdout
