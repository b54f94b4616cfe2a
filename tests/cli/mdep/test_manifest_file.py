"""`--write`: a manifest is edited in place, and nothing else in it changes."""

import copy
import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from model_rollouts.cli.mdep.manifest_file import Manifest
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.fake_api import FakeApi, write_kubeconfig

Put = Callable[[str], dict[str, Any]]

TEXT = """\
# Who may change this: team flights.
apiVersion: v1
kind: Service
metadata: {name: other}
---
apiVersion: modelrollouts.dev/v1alpha1
kind: ModelDeployment
metadata:
    name:   arrival        # a name
spec:
    model: {version: "2",   gitCommit: abc}   # as released
    port: 8080

    template:
        spec:
            containers:
            -   name: log
                image: "registry.example.com/log:1"   # not ours
            -   name: model
                image: 'registry.example.com/m:2'
                args: ["--a", '--b']
    # The promise.
    objectives:
    - name: errors           # of all requests
      type: Availability
      availability: {target: 99%}
    strategy:
        canary:
            steps: [10%, 50%]
        shadow: {percent: 0}
        # Decided by hand:
        override:
            version: "2"     # the one of May
            action: Hold
            reason: INC-7

# The end.
---
kind: Last
"""


def lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that are gone, and lines that came."""
    found = [*difflib.ndiff(before.splitlines(), after.splitlines())]
    return tuple(  # type: ignore[return-value]
        [each[2:] for each in found if each.startswith(sign)] for sign in ("- ", "+ ")
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "arrival.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("arguments", "gone", "came"),
    [
        (
            ("set", "version", "arrival", "3", "--image", "registry.example.com/m:3"),
            [
                '    model: {version: "2",   gitCommit: abc}   # as released',
                "                image: 'registry.example.com/m:2'",
            ],
            [
                '    model: {version: "3",   gitCommit: abc}   # as released',
                "                image: 'registry.example.com/m:3'",
            ],
        ),
        (("pause", "arrival"), [], ["    paused: true"]),
        (
            ("resume", "arrival"),
            [
                "        override:",
                '            version: "2"     # the one of May',
                "            action: Hold",
                "            reason: INC-7",
            ],
            [],
        ),
        (
            ("promote", "arrival", "--reason", "INC-8: yes"),
            ["            action: Hold", "            reason: INC-7"],
            ["            action: Promote", "            reason: 'INC-8: yes'"],
        ),
        (
            ("set", "objective", "arrival", "errors", "target=99.5%", "role=Guard"),
            ["      availability: {target: 99%}"],
            ["      availability: {target: 99.5%}", "      role: Guard"],
        ),
        (
            ("set", "objective", "arrival", "slow", "within=1s", "share=99%"),
            [],
            [
                "    - name: slow",
                "      type: Latency",
                "      latency:",
                "        within: 1s",
                "        share: 99%",
            ],
        ),
    ],
    ids=lambda each: " ".join(each[:2]) if isinstance(each, tuple) else "",
)
def test_only_the_lines_of_the_change_change(
    mdep: Command,
    api: FakeApi,
    at: Put,
    file: Path,
    arguments: tuple[str, ...],
    gone: list[str],
    came: list[str],
) -> None:
    at("canary")

    result = mdep(*arguments, "--yes", "--write", str(file))

    assert result.exit_code == 0, result.output
    assert lines(TEXT, file.read_text()) == (gone, came)
    assert result.stdout == f"{file} changed\n"
    assert api.updates == []


def test_a_dry_run_and_a_second_time_write_nothing(mdep: Command, at: Put, file: Path) -> None:
    at("canary")
    dry = mdep("pause", "arrival", "--write", str(file), "--dry-run")
    assert file.read_text() == TEXT
    assert "+    paused: true" in dry.stderr

    mdep("pause", "arrival", "--write", str(file), "--yes")
    once = file.read_text()
    again = mdep("pause", "arrival", "--write", str(file), "--yes")

    assert "Nothing to change" in again.stderr
    assert file.read_text() == once != TEXT


def test_without_a_cluster_the_file_is_changed_all_the_same(
    mdep: Command, api: FakeApi, file: Path
) -> None:
    write_kubeconfig(api.kubeconfig, "http://127.0.0.1:9")

    result = mdep("pause", "arrival", "--write", str(file), "--yes")

    assert result.exit_code == 0, result.output
    assert "The file alone is looked at: API server" in result.stderr
    assert "paused: true" in file.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "kind: Service\n",
            "found 0 ModelDeployments 'arrival', write a file with one; there is none",
        ),
        (f"{TEXT}---\n{TEXT}", "found 2 ModelDeployments 'arrival'"),
        ("a: [", "arrival.yaml:"),
        (
            TEXT.replace(
                "Deployment\nmetadata:\n    name:   arrival", "Deployment\nmetadata:\n    name: b"
            ),
            "there is b",
        ),
    ],
    ids=["none", "two", "no YAML", "another"],
)
def test_a_file_without_the_one_object_is_refused(
    mdep: Command, at: Put, file: Path, text: str, said: str
) -> None:
    at("canary")
    file.write_text(text)

    result = mdep("pause", "arrival", "--write", str(file), "--yes")

    assert result.exit_code == 1
    assert said in result.stderr
    assert file.read_text() == text


HEAD = "kind: ModelDeployment\nmetadata: {name: a}\n"


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        ("{}", {"paused": True}),
        ("{a: 1}", {"a": None, "b": [1, {"c": "d: e"}]}),
        ("\n  a: 1", {"b": {"c": "x\ny"}}),
        ("\n  a:\n  b: 2", {"a": {"c": 1}}),
        ("\n  a: |\n    text\n\n    more\n  b: 2", {"a": "other", "c": "3"}),
        ("\n- a\n- b: 1\n  c: 2", None),
        ("\n  a: {b: 1, c: 2}\n  d: [1, 2, 3]", {"a": {"c": 2}, "d": [1, 3]}),
        ("\n  a: [1,\n      2]  # two\n  # last", {"a": [1, 2, 3], "z": "é"}),
        ("\n  a:\n  - b: 1\n  # of the list\n  c: 1", {"a": [{"b": 1}, {"b": 2}]}),
        ("\n  a: 1 # no newline at the end", {"b": "yes"}),
    ],
)
def test_whatever_is_written_is_what_was_meant(
    tmp_path: Path, spec: str, changes: dict[str, Any] | None
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"{HEAD}spec: {spec}")
    manifest = Manifest(str(file), "a")
    wanted = copy.deepcopy(manifest.obj)
    if changes is None:
        wanted["spec"] = [wanted["spec"][1]]
    else:
        wanted["spec"] |= changes
        wanted["spec"] = {key: each for key, each in wanted["spec"].items() if each is not None}

    text = manifest.edited(wanted)

    assert yaml.safe_load(text) == wanted
    comments = [line.partition("#")[2] for line in spec.splitlines() if "#" in line]
    assert all(f"#{each}" in text for each in comments)


def test_what_cannot_be_edited_in_place_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"{HEAD}spec:\n  a: &x {{b: 1}}\n  c: *x\n")
    manifest = Manifest(str(file), "a")
    wanted = copy.deepcopy(manifest.obj)
    wanted["spec"]["c"]["b"] = 2

    # One text, two fields: the change of one would be a change of the other.
    with pytest.raises(click.ClickException, match="edit it by hand"):
        manifest.edited({**wanted, "spec": {"a": {"b": 1}, "c": {"b": 2}}})
