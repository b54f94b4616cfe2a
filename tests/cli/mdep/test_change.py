"""Commands that change a spec: what they write, what they show, and whom they do not overwrite."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from model_rollouts.api.deployment import read
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.fake_api import FakeApi
from tests.cli.mdep.rollouts import NAME

Put = Callable[[str], dict[str, Any]]

OVERRIDE = ("spec", "strategy", "override")


def at_path(obj: dict[str, Any], path: tuple[str, ...]) -> Any:
    """What is there; None for nothing."""
    found: Any = obj
    for each in path:
        found = found.get(each) if isinstance(found, dict) else None
    return found


@pytest.mark.parametrize(
    ("moment", "arguments", "path", "value"),
    [
        (
            "canary",
            ("promote", NAME, "--reason", "INC-1"),
            OVERRIDE,
            {"version": "2", "action": "Promote", "reason": "INC-1"},
        ),
        (
            "canary",
            ("rollback", NAME),
            OVERRIDE,
            {"version": "2", "action": "Rollback", "reason": "by hand, with kubectl mdep rollback"},
        ),
        (
            "promoted",
            ("rollback", NAME, "--reason", "INC-2"),
            OVERRIDE,
            {"version": "2", "action": "Rollback", "reason": "INC-2"},
        ),
        (
            "rolled back",
            ("promote", NAME, "--reason", "INC-3"),
            OVERRIDE,
            {"version": "3", "action": "Promote", "reason": "INC-3"},
        ),
        ("canary", ("pause", NAME), ("spec", "paused"), True),
        ("paused", ("resume", NAME), ("spec", "paused"), False),
        ("rolled back", ("retry", NAME), ("spec", "strategy", "attempt"), 2),
        ("canary", ("set", "version", NAME, "4"), ("spec", "model"), {"version": "4"}),
        (
            "canary",
            ("set", "image", NAME, "registry.example.com/m:4", "--version", "4"),
            ("spec", "template", "spec", "containers"),
            [{"name": "model", "image": "registry.example.com/m:4"}],
        ),
        (
            "canary",
            ("set", "objective", NAME, "errors", "target=99.5%"),
            ("spec", "objectives"),
            [{"name": "errors", "type": "Availability", "availability": {"target": "99.5%"}}],
        ),
    ],
    ids=lambda each: "-".join(each[:3:2]) if isinstance(each, tuple) else None,
)
def test_a_command_writes_its_field_and_nothing_else(
    mdep: Command,
    api: FakeApi,
    at: Put,
    moment: str,
    arguments: tuple[str, ...],
    path: tuple[str, ...],
    value: Any,
) -> None:
    before = copy.deepcopy(at(moment))

    result = mdep(*arguments, "--yes")

    assert result.exit_code == 0, result.output
    stored = api.stored()
    assert at_path(stored, path) == value
    (query, _) = api.updates[0]
    assert query["fieldManager"] == ["kubectl-mdep"]
    # What the operator's models read is a spec that they take.
    read(stored)
    changed = {key for key in stored["spec"] if stored["spec"][key] != before["spec"].get(key)}
    assert changed <= {path[1], "model"}
    assert "+" in result.stderr
    assert result.stdout == "modeldeployment.modelrollouts.dev/arrival changed\n"


def test_an_objective_is_added_and_removed(mdep: Command, api: FakeApi, at: Put) -> None:
    at("canary")
    fields = ("within=300ms", "share=99%", "role=Guard")

    mdep("set", "objective", NAME, "latency", *fields, "--yes")
    added = api.stored()["spec"]["objectives"][-1]
    mdep("set", "objective", NAME, "latency", "--remove", "--yes")

    assert added == {
        "name": "latency",
        "type": "Latency",
        "latency": {"within": "300ms", "share": "99%"},
        "role": "Guard",
    }
    assert [each["name"] for each in api.stored()["spec"]["objectives"]] == ["errors"]


def test_a_retry_is_not_rolled_back_by_hand_at_once(mdep: Command, api: FakeApi, at: Put) -> None:
    obj = at("rolled back")
    strategy = obj["spec"]["strategy"]
    strategy["override"] = {"version": "3", "action": "Rollback", "reason": "INC-1"}
    api.put(MODEL_DEPLOYMENT, obj)

    mdep("retry", NAME, "--yes")

    assert "override" not in api.stored()["spec"]["strategy"]


@pytest.mark.parametrize(
    ("moment", "arguments", "said"),
    [
        ("promoted", ("promote",), "version 2 serves all users already"),
        ("rolled back", ("rollback",), "version 3 has no users: its phase is RolledBack"),
        ("canary", ("retry",), "version 2 is not at an end: its phase is Canary"),
        ("canary", ("skip-shadow",), "has no shadow before it: its phase is Canary"),
        ("starting", ("skip-shadow",), "spec.strategy.shadow.percent is 0"),
        ("canary", ("set", "objective", "NAME", "latency", "role=Guard"), "there is errors"),
        (
            "canary",
            ("set", "objective", "NAME", "errors", "within=1s"),
            "is of type Availability: it has no within",
        ),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(
    mdep: Command, api: FakeApi, at: Put, moment: str, arguments: tuple[str, ...], said: str
) -> None:
    at(moment)
    words = [NAME if each == "NAME" else each for each in arguments]
    words += [] if NAME in words else [NAME]

    result = mdep(*words, "--yes")

    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert api.updates == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "objective", NAME, "errors"), "write FIELD=VALUE, or --remove"),
        (("set", "objective", NAME, "errors", "99%"), "write FIELD=VALUE with one of target"),
        (("set", "colour"), "No such command 'colour'"),
        (("promote", NAME, "--dry-run=no"), "'no' is not one of 'client', 'server'"),
    ],
    ids=str,
)
def test_a_wrong_command_line_says_what_to_write(
    mdep: Command, arguments: tuple[str, ...], said: str
) -> None:
    result = mdep(*arguments)

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_second_time_there_is_nothing_to_change(mdep: Command, api: FakeApi, at: Put) -> None:
    at("canary")
    mdep("pause", NAME, "--yes")

    result = mdep("pause", NAME, "--yes")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing to change" in result.stderr
    assert len(api.updates) == 1


def test_without_a_terminal_and_without_yes_nothing_is_changed(
    mdep: Command, api: FakeApi, at: Put
) -> None:
    at("canary")

    result = mdep("pause", NAME)

    assert result.exit_code == 1
    assert "+  paused: true" in result.stderr
    assert "found no terminal to ask on, write --yes" in result.stderr
    assert api.updates == []


@pytest.mark.parametrize(("answer", "updates"), [("y\n", 1), ("n\n", 0)])
def test_on_a_terminal_it_asks(
    mdep: Command,
    api: FakeApi,
    at: Put,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    updates: int,
) -> None:
    at("canary")
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)

    result = mdep("pause", NAME, input=answer)

    assert "Change it?" in result.stderr
    assert len(api.updates) == updates
    assert result.exit_code == 1 - updates


def test_a_dry_run_changes_nothing(mdep: Command, api: FakeApi, at: Put) -> None:
    at("canary")

    here = mdep("pause", NAME, "--dry-run")
    there = mdep("pause", NAME, "--dry-run=server", "-o", "json")

    assert here.stdout == "modeldeployment.modelrollouts.dev/arrival would be changed (dry run)\n"
    assert json.loads(there.stdout)["spec"]["paused"] is True
    assert [query["dryRun"] for query, _ in api.updates] == [["All"]]
    assert "paused" not in api.stored()["spec"]


def test_the_object_is_printed_as_a_manifest(mdep: Command, at: Put) -> None:
    obj = at("canary")
    obj["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}

    result = mdep("pause", NAME, "--dry-run", "-o", "yaml")

    found = yaml.safe_load(result.stdout)
    assert set(found) == {"apiVersion", "kind", "metadata", "spec"}
    assert found["metadata"] == {"name": "arrival", "namespace": "flights"}
    assert found["spec"]["paused"] is True


def edited(obj: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The object as somebody else writes it."""
    return {
        **copy.deepcopy(obj),
        "spec": {**copy.deepcopy(obj["spec"]), **spec},
    }


def test_an_edit_of_another_field_stays(mdep: Command, api: FakeApi, at: Put) -> None:
    obj = at("canary")
    api.edits = [edited(obj, replicas=5)]

    result = mdep("pause", NAME, "--yes")

    assert result.exit_code == 0, result.output
    stored = api.stored()["spec"]
    assert (stored["replicas"], stored["paused"]) == (5, True)


def test_an_edit_of_the_same_field_is_not_overwritten(mdep: Command, api: FakeApi, at: Put) -> None:
    obj = at("canary")
    strategy = {**obj["spec"]["strategy"]}
    strategy["override"] = {"version": "2", "action": "Rollback", "reason": "INC-9"}
    api.edits = [edited(obj, strategy=strategy)]

    result = mdep("promote", NAME, "--yes")

    assert result.exit_code == 1
    assert "the object was changed at the same time" in result.stderr
    assert api.stored()["spec"]["strategy"]["override"]["reason"] == "INC-9"


def test_an_object_that_is_always_changed_is_left_alone(
    mdep: Command, api: FakeApi, at: Put
) -> None:
    obj = at("canary")
    api.edits = [edited(obj, replicas=number) for number in range(3, 9)]

    result = mdep("pause", NAME, "--yes")

    assert result.exit_code == 1
    assert "was changed 5 times while this was tried" in result.stderr


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (
            {
                "labels": {
                    "kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                }
            },
            "Flux (Kustomization flux-system/apps) owns this object",
        ),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:modelrollouts.dev/…"}},
            "Argo CD (Application shop) owns this object",
        ),
        ({"managedFields": [{"manager": "argocd-controller"}]}, "Argo CD owns this object"),
        ({"managedFields": [{"manager": "kubectl"}]}, ""),
    ],
    ids=["flux", "argo", "managed fields", "by hand"],
)
def test_it_warns_of_a_tool_that_owns_the_object(
    mdep: Command, api: FakeApi, at: Put, metadata: dict[str, Any], said: str
) -> None:
    obj = at("canary")
    obj["metadata"] |= metadata
    api.put(MODEL_DEPLOYMENT, obj)

    result = mdep("pause", NAME, "--yes")

    assert said in result.stderr
    assert ("owns this object" in result.stderr) is bool(said)
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (403, {"reason": "Forbidden", "message": 'User "jane" cannot update …'}),
            "you have no right to update modeldeployments.modelrollouts.dev",
        ),
        (
            (422, {"reason": "Invalid", "message": "spec.strategy.override.reason: too long"}),
            "the API server refuses it: spec.strategy.override.reason: too long",
        ),
        ((500, {"message": "etcd is away"}), "could not update ModelDeployment 'arrival'"),
    ],
    ids=["no right", "invalid", "broken"],
)
def test_a_refusal_of_the_api_server_is_told(
    mdep: Command, api: FakeApi, at: Put, answer: tuple[int, dict[str, Any]], said: str
) -> None:
    at("canary")
    api.refuses = answer

    result = mdep("promote", NAME, "--yes")

    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
