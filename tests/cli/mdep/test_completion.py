"""Completion in a shell and by kubectl, and the manifest for Krew."""

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e import krew
from e2e.cluster.paths import REPOSITORY
from model_rollouts.cli.mdep import completion
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.fake_api import FakeApi


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ge"], ["get\tShow a rollout: revisions, pods, objectives, events.", ":4"]),
        (["get", "arr"], ["arrival", ":4"]),
        (["set", "im"], ["image\tSet the image of the model.", ":4"]),
        (["lint", ""], [":0"]),
        (["get", "arrival", "-o", ""], ["json", "yaml", ":4"]),
    ],
    ids=str,
)
def test_kubectl_is_told_what_comes_next(
    api: FakeApi,
    at: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    found: list[str],
) -> None:
    at("canary")
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    monkeypatch.setattr("sys.argv", ["kubectl_complete-mdep", *words])

    completion.for_kubectl()

    assert capsys.readouterr().out.splitlines() == found


def test_without_a_cluster_there_are_no_names_and_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("sys.argv", ["kubectl_complete-mdep", "get", ""])

    completion.for_kubectl()

    assert capsys.readouterr().out == ":4\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(mdep: Command, shell: str) -> None:
    result = mdep("completion", shell)

    assert result.exit_code == 0
    assert f"_MODEL_ROLLOUTS_COMPLETE={shell}_complete" in result.stdout


def test_the_manifest_for_krew_is_of_the_launcher_that_is_here() -> None:
    """Whoever changes the launcher or the version runs `python -m e2e.krew`."""
    written = (REPOSITORY / krew.MANIFEST).read_text()

    assert written == krew.manifest(krew.EXAMPLE.format(version=krew.version()))
    spec = yaml.safe_load(written)["spec"]
    assert len(spec["platforms"]) == 4
    assert len(spec["shortDescription"]) <= 70
    with tarfile.open(fileobj=io.BytesIO(krew.archive())) as packed:
        assert packed.getmember("kubectl-mdep").mode == 0o755
        assert packed.getnames() == ["kubectl-mdep", "LICENSE"]


def test_the_launcher_runs_the_package_by_what_there_is(tmp_path: Path) -> None:
    launcher = REPOSITORY / krew.LAUNCHER
    environment = {"PATH": f"{tmp_path}:/bin:/usr/bin"}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(launcher), "get", "a b"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert "found neither uv nor pipx" in run().stderr
    uvx = tmp_path / "uvx"
    uvx.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    uvx.chmod(0o755)

    assert run().stdout == "--quiet|--from|model-rollouts|kubectl-mdep|get|a b|"
    assert os.access(launcher, os.X_OK)
