"""The benchmark of shifts plays what its rows say, and writes page, figures and picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.shift import __main__ as shift
from model_rollouts.decision import total_variation


@pytest.mark.parametrize("distance", [0.05, 0.1, 0.15, 0.3])
def test_a_tilt_has_its_distance(distance: float) -> None:
    moved = shift.tilted(distance)

    assert moved.min() > 0
    assert total_variation(moved.tolist(), shift.REFERENCE.tolist()) == pytest.approx(distance)


def test_the_tests_beside_it_have_the_level_that_they_claim_at_one_look() -> None:
    rng = np.random.default_rng(1)
    counts = rng.multinomial(2_000, shift.REFERENCE, size=4_000).astype(float)

    assert 0.035 < (shift.chi_square(counts, counts) > 0).mean() < 0.065
    # Of binned values it is a conservative test.
    assert 0.0 < (shift.kolmogorov_smirnov(counts, counts) > 0).mean() < 0.05


def test_psi_of_equal_shares_is_none() -> None:
    assert shift.psi(1_000 * shift.REFERENCE[None, :]) == pytest.approx(0)


def test_the_command_writes_what_it_found(tmp_path: Path) -> None:
    result = CliRunner().invoke(shift.main, ["--trials", "2", "--output", str(tmp_path)])

    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "shift.json").read_text())
    assert report["against_reference"]["as in training"]["step by step"]["alarms"] == 0
    assert report["against_reference"]["another time zone"]["step by step"]["alarms"] == 2
    assert "| another time zone | 2 of 2, " in (tmp_path / "shift.md").read_text()
    assert (tmp_path / "shift.png").read_bytes().startswith(b"\x89PNG")
