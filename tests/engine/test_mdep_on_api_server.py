"""`kubectl mdep` as a person types it, with a real API server and the operator at work."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.cluster import tools
from e2e.cluster.paths import REPOSITORY
from e2e.fixtures import ApiServer
from tests.engine.whole_operator import MARKS, NAME, Whole, play

pytestmark = MARKS

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def typed(api_server: ApiServer, namespace: str, tmp_path: Path) -> Callable[..., Done]:
    """Runs `kubectl mdep` with the words given: kubectl finds the plugin on PATH."""
    plugin = tmp_path / "kubectl-mdep"
    call = "from model_rollouts.cli.main import plugin; plugin()"
    plugin.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{call}' \"$@\"\n")
    plugin.chmod(0o755)

    def run(*words: str) -> Done:
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "KUBECONFIG": str(api_server.kubeconfig),
            "PYTHONPATH": str(REPOSITORY / "operator"),
        }
        return subprocess.run(
            [tools.binary("kubectl"), "mdep", *words, "-n", namespace],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_canary_is_seen_explained_promoted_and_awaited(
    api_server: ApiServer, namespace: str, typed: Callable[..., Done]
) -> None:
    async def mdep(*words: str) -> Done:
        return await asyncio.to_thread(typed, *words)

    async def story(whole: Whole) -> None:
        async with whole.operator():
            await whole.apply("v1", ("50%",))
            await whole.told("Full", "v1")
            # Without users nothing is decided until it is asked for.
            await whole.apply("v2", ("50%",), watch="1h")
            await whole.told("Canary", "v2")
            whole.prometheus.rate = 0.0

            seen = await mdep("get", NAME, "-o", "json")
            assert seen.returncode == 0, seen.stderr
            found = json.loads(seen.stdout)
            assert [(each["role"], each["version"]) for each in found["revisions"]] == [
                ("candidate", "v2"),
                ("stable", "v1"),
            ]
            assert {each["reason"] for each in found["events"]} >= {"CanaryStarted"}
            explained = json.loads((await mdep("explain", NAME, "-o", "json")).stdout)
            assert explained["evidence"]["decision"] in ("Inconclusive", "Pass")

            late = await mdep("wait", NAME, "--timeout", "200ms")
            assert (late.returncode, "Canary: " in late.stderr) == (6, True), late.stderr
            refused = await mdep(
                *("set", "objective", NAME, "errors", "target=100%"), "--dry-run=server"
            )
            assert refused.returncode == 1
            assert "write at least 80% and less than 100%" in refused.stderr
            similar = await mdep("get", f"{NAME}s")
            assert (similar.returncode, f"similar: {NAME}" in similar.stderr) == (1, True)

            promoted = await mdep("promote", NAME, "--yes", "--reason", "INC-1")
            assert promoted.returncode == 0, promoted.stderr
            end = await mdep("wait", NAME, "--timeout", "60s")
            assert end.returncode == 0, end.stderr
            past = json.loads((await mdep("history", NAME, "-o", "json")).stdout)[0]
            assert (past["version"], past["outcome"]) == ("v2", "Promoted")
            assert "INC-1" in past["message"]
            listed = await mdep("list")
            assert listed.stdout.splitlines()[1].split()[:4] == [NAME, "v2", "-", "Full"]

    play(api_server, namespace, story)
