"""`model-rollouts crd`: the generated files are what the models say."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from model_rollouts.api.crd import custom_resource_definition
from model_rollouts.cli.crd import CHART_TEMPLATE, CRD, REFERENCE
from model_rollouts.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_committed_is_what_the_models_say() -> None:
    result = CliRunner().invoke(main, ["crd", "--check", "-C", str(ROOT)])

    assert (result.exit_code, result.output) == (0, "")


def test_it_writes_what_then_passes_the_check(tmp_path: Path) -> None:
    written = CliRunner().invoke(main, ["crd", "-C", str(tmp_path)])
    again = CliRunner().invoke(main, ["crd", "-C", str(tmp_path)])
    checked = CliRunner().invoke(main, ["crd", "--check", "-C", str(tmp_path)])

    assert written.output == f"wrote {CRD}\nwrote {CHART_TEMPLATE}\nwrote {REFERENCE}\n"
    assert (again.exit_code, again.output) == (0, "")
    assert (checked.exit_code, checked.output) == (0, "")


@pytest.mark.parametrize("path", [CRD, CHART_TEMPLATE, REFERENCE])
def test_the_check_shows_what_differs_and_changes_nothing(tmp_path: Path, path: Path) -> None:
    CliRunner().invoke(main, ["crd", "-C", str(tmp_path)])
    edited = (tmp_path / path).read_text() + "edited by hand\n"
    (tmp_path / path).write_text(edited)

    result = CliRunner().invoke(main, ["crd", "--check", "-C", str(tmp_path)])

    assert result.exit_code == 1
    assert "-edited by hand" in result.output
    assert f"Error: {path}: out of date, run model-rollouts crd" in result.output
    assert (tmp_path / path).read_text() == edited


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["crd", "--check", "-C", str(tmp_path)])

    assert result.exit_code == 1
    assert f"{CRD}, {CHART_TEMPLATE}, {REFERENCE}: out of date" in result.output


def test_the_crd_can_be_printed_for_kubectl(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["crd", "--print", "-C", str(tmp_path)])

    assert yaml.safe_load(result.stdout) == custom_resource_definition()
    assert list(tmp_path.iterdir()) == []
