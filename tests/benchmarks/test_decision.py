"""The worlds of the decision benchmark have the rates they state, and its command runs.

Tolerances are five standard errors, measured over independent trials where errors are clustered.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.decision import latency_laws, oracle
from benchmarks.decision.__main__ import main
from benchmarks.decision.tables import TABLES
from benchmarks.decision.traffic import World, arm, draw_from

HORIZON = 4 * 3600.0


@pytest.mark.parametrize(
    "world",
    [
        World(0.002, 0.001),
        World(0.002, 0.001, burst=5.0),
        World(0.002, 0.001, "outages"),
        World(0.002, 0.001, "shared outages"),
        World(0.002, 0.001, "drift", (0.9, 7200.0)),
    ],
    ids=lambda world: f"{world.kind} {world.burst:g}",
)
def test_mean_rates_are_as_stated(world: World) -> None:
    rng = np.random.default_rng(5)
    trials, scrapes, requests = 60, int(HORIZON / 5), 500.0
    shares = np.empty((trials, 2))
    for trial in range(trials):
        timeline = world.timeline(rng, HORIZON, 5.0)
        both = timeline((np.arange(scrapes) * 5).astype(np.float64))
        for version in range(2):
            total, bad, *_ = arm(rng, world, requests, both[version])
            shares[trial, version] = sum(bad) / sum(total)
    error = shares.std(axis=0) / math.sqrt(trials)

    assert np.all(np.abs(shares.mean(axis=0) - [world.candidate, world.stable]) < 5 * error)


def test_versions_share_only_shared_outages() -> None:
    def correlation(kind: str) -> float:
        timeline = World(0.001, 0.001, kind).timeline(np.random.default_rng(6), 8 * HORIZON, 5.0)
        candidate, stable = timeline(np.arange(0, 8 * HORIZON, 5.0))
        return float(np.corrcoef(candidate, stable)[0, 1])

    assert correlation("shared outages") > 0.99
    assert abs(correlation("outages")) < 0.1


def test_draws_follow_the_weight() -> None:
    draw = draw_from(np.random.default_rng(7), World(0.1, 0.2), "errors", 100, 5.0, HORIZON)
    light = [draw(5.0 * i, 0.1)["errors"] for i in range(200)]
    heavy = [draw(5.0 * i, 0.5)["errors"] for i in range(200, 400)]

    assert sum(s.candidate.total for s in light) == pytest.approx(10_000, abs=500)
    assert sum(s.candidate.total for s in heavy) == pytest.approx(50_000, abs=1120)
    assert sum(s.stable.bad_at_most for s in heavy) == pytest.approx(10_000, abs=500)


def test_latency_laws_have_their_p99() -> None:
    assert latency_laws.scaled(0.29).beyond(0.29) == pytest.approx(0.01, rel=1e-6)
    shares = [law.beyond(0.3) for law in latency_laws.LAWS.values()]
    # good, good, between, bad, bad, good, between the limits of 1 % and 1.5 %
    assert [sum(share > limit for limit in (0.01, 0.015)) for share in shares] == [
        0, 0, 1, 2, 2, 0, 1,
    ]  # fmt: skip


def test_oracle_stays_above_the_limit_of_wald() -> None:
    mean, error = oracle.requests(0.01, 0.001, trials=4000)

    assert oracle.wald_roll_back(0.01, 0.001) < mean - 3 * error < 450


def test_the_command_writes_its_tables(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main,
        ["--only", "reaction", "--trials", "3", "--processes", "1", "--output", str(tmp_path)],
    )

    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "decision.json").read_text())
    assert {cell["table"] for cell in written["cells"]} == {"reaction"}
    assert all(cell["trials"] == 3 for cell in written["cells"])
    assert "5 % errors" in (tmp_path / "decision.md").read_text()


def test_cells_have_a_place_of_their_own() -> None:
    keys = [cell.key for table in TABLES for cell in table.cells]

    assert len(keys) == len(set(keys))
