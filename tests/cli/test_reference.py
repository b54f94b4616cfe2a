"""`model-rollouts reference`: made of files, shown, compared; exit codes and refusals."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from e2e.cluster.paths import REPOSITORY
from model_rollouts.cli.main import main

ROWS = 4_000


def csv(path: Path, hours: Iterable[int], **columns: Iterable[Any]) -> str:
    lines = [",".join(["hour", *columns])]
    lines += [",".join(map(str, row)) for row in zip(hours, *columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def train(tmp_path: Path) -> str:
    """Hours of the day, a carrier and a label."""
    return csv(
        tmp_path / "train.csv",
        [8 + n % 12 for n in range(ROWS)],
        carrier=["UA" if n % 3 else "[red]" for n in range(ROWS)],
        late=[n % 5 == 0 for n in range(ROWS)],
    )


@pytest.fixture
def utc(tmp_path: Path) -> str:
    """The same in UTC."""
    return csv(
        tmp_path / "utc.csv",
        [(13 + n % 12) % 24 for n in range(ROWS)],
        carrier=["UA" if n % 3 else "[red]" for n in range(ROWS)],
        late=[n % 5 == 0 for n in range(ROWS)],
    )


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reference", *arguments])


@pytest.fixture
def reference(train: str, tmp_path: Path) -> str:
    path = tmp_path / "reference.json"
    result = run("make", train, "--label", "late", "--dataset", "flights@7", "--write", str(path))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return str(path)


def test_a_reference_is_written_and_shown(reference: str, train: str) -> None:
    result = run("show", reference)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1].startswith(f"{ROWS:,} rows of the data set sha256:")
    assert lines[1].endswith(", snapshot flights@7")
    shown = {line.split()[0]: line for line in lines[3:]}
    assert shown["hour"].split()[:5] == ["hour", "input", "number", "12", "none"]
    assert shown["carrier"].rstrip().endswith("67 % 'UA', 33 % '[red]'")
    assert shown["late"].rstrip().endswith("80 % 'false', 20 % 'true'")
    found = json.loads(run("show", reference, "--json").stdout)
    assert lines[0] == f"Reference {found['digest']}"
    assert found["label"]["name"] == "late"


def test_without_a_target_it_goes_to_stdout(reference: str, train: str) -> None:
    result = run("make", train, "--label", "late", "--dataset", "flights@7")

    assert result.stdout == Path(reference).read_text()


def test_a_shift_is_named_with_its_numbers(reference: str, utc: str) -> None:
    result = run("diff", reference, utc)

    assert result.exit_code == 3, result.output
    first, second, *_ = result.stdout.splitlines()[1:]
    assert first.split()[:2] == ["hour", "yes"]
    assert "42 %, 5 % allowed" in first
    assert second.split()[1] == "no"
    assert "1 of 3 columns moved by more than the tolerance" in result.stdout


def test_as_json(reference: str, utc: str) -> None:
    result = run("diff", reference, utc, "--json")

    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["moved"] == ["hour"]
    assert found["rows"] == {"before": ROWS, "now": ROWS}
    hour = found["columns"][0]
    assert (hour["name"], hour["role"], hour["moved"]) == ("hour", "input", "yes")
    assert hour["distance"] == pytest.approx(5 / 12, abs=0.01)
    assert hour["sentence"] == "0 % in 8-12, was 42 %"


def test_the_same_rows_have_not_moved(reference: str, train: str) -> None:
    result = run("diff", reference, train)

    assert result.exit_code == 0, result.output
    assert "0 of 3 columns moved" in result.stdout


def test_a_tolerance_of_its_own(reference: str, tmp_path: Path) -> None:
    path = csv(
        tmp_path / "early.csv",
        [8 + n % (12 if n % 3 else 6) for n in range(ROWS)],
        carrier=["UA" if n % 3 else "[red]" for n in range(ROWS)],
        late=[n % 5 == 0 for n in range(ROWS)],
    )

    assert run("diff", reference, path).exit_code == 3
    assert run("diff", reference, path, "--tolerance-of", "carrier=25%").exit_code == 3
    assert run("diff", reference, path, "--tolerance-of", "hour=25%").exit_code == 0
    assert run("diff", reference, path, "--tolerance", "25%").exit_code == 0


def test_a_missing_input_is_a_difference(reference: str, tmp_path: Path) -> None:
    path = csv(tmp_path / "fewer.csv", [8 + n % 12 for n in range(ROWS)])

    result = run("diff", reference, path)

    assert result.exit_code == 3
    assert "carrier: not in the other data" in result.stdout


def test_two_references_with_the_same_bins(reference: str, utc: str, tmp_path: Path) -> None:
    like, own = str(tmp_path / "like.json"), str(tmp_path / "own.json")
    assert run("make", utc, "--like", reference, "--write", like).exit_code == 0
    assert run("make", utc, "--label", "late", "--write", own).exit_code == 0

    compared = run("diff", reference, like)
    refused = run("diff", reference, own)

    assert compared.stdout == run("diff", reference, utc).stdout
    assert refused.exit_code == 1
    assert "'hour' is in other bins in the two references" in refused.output


def test_importances_sort_and_are_shown(train: str, utc: str, tmp_path: Path) -> None:
    importances, reference = tmp_path / "importances.json", str(tmp_path / "reference.json")
    importances.write_text('{"hour": 0.25, "carrier": 3}')
    options = ("--label", "late", "--importances", str(importances), "--write", reference)

    assert run("make", train, *options).exit_code == 0

    assert "0.25" in run("show", reference).stdout
    columns = json.loads(run("diff", reference, utc, "--json").stdout)["columns"]
    assert {each["name"]: each["importance"] for each in columns} == {
        "hour": 0.25,
        "carrier": 3,
        "late": None,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("make", "/no/such.csv"), 1, "could not read '/no/such.csv'"),
        (("make", "{train}", "--write", "/no/such/folder/r.json"), 1, "could not write"),
        (("make", "{train}", "--exclude", "hours"), 1, "has no column 'hours'; it has hour"),
        (("make", "{train}", "--like", "{train}"), 1, "train.csv' is no reference: it is no JSON"),
        (("make", "{train}", "--like", "{reference}", "--label", "late"), 2, "leave out"),
        (("make", "{train}", "--bins", "21"), 2, "21 is not in the range 2<=x<=20"),
        (("make", "{train}", "--importances", "{train}"), 1, 'write JSON such as {{"hour": 0.4'),
        (("make", "{train}", "--importances", "/no/such"), 1, "could not read '/no/such'"),
        (("diff", "{reference}"), 2, "write data files, or --log LOG --model NAME"),
        (("show", "/no/such.json"), 1, "could not read '/no/such.json': No such file"),
        (("show", "{train}"), 1, "is no reference: it is no JSON"),
        (("diff", "{reference}", "/no/such.csv"), 1, "could not read '/no/such.csv'"),
        (("diff", "{reference}", "{reference}", "{train}"), 2, "one reference, or several data"),
        (("diff", "{reference}", "{train}", "--tolerance", "5"), 2, "found '5', write more than"),
        (("diff", "{reference}", "{train}", "--tolerance", "100%"), 2, "found '100%', write more"),
        (("diff", "{reference}", "{train}", "--tolerance-of", "5%"), 2, "write COLUMN=PERCENT"),
        (
            ("diff", "{reference}", "{train}", "--tolerance-of", "hours=5%"),
            1,
            "the reference has no column 'hours'",
        ),
    ],
)
def test_what_is_wrong_is_refused(
    reference: str, train: str, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run(*(each.format(reference=reference, train=train) for each in arguments))

    assert result.exit_code == code, result.output
    assert message.replace("{{", "{") in " ".join(result.output.split())


def test_a_failed_write_leaves_what_was_there(reference: str, tmp_path: Path) -> None:
    before = Path(reference).read_bytes()
    empty = tmp_path / "empty.csv"
    empty.write_text("hour\n")

    assert run("make", str(empty), "--write", reference).exit_code == 1

    assert Path(reference).read_bytes() == before
    assert sorted(each.suffix for each in tmp_path.iterdir()) == [".csv", ".csv", ".json"]


def test_two_references_are_compared_without_the_extra(reference: str) -> None:
    script = (
        "import sys\n"
        "for name in ('pyarrow', 'duckdb', 'deltalake', 'grpc', 'numpy'):\n"
        "    sys.modules[name] = None\n"
        "from model_rollouts.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, "reference", *arguments],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(REPOSITORY / "operator")},
            check=False,
        )

    compared = ran("diff", reference, reference)
    refused = ran("diff", reference, "later.csv")

    assert compared.returncode == 0, compared.stderr
    assert refused.returncode == 1
    assert "pip install 'model-rollouts[observer]'" in refused.stderr
