"""`record`: what is in the file, what is not, and what is said when something cannot be had."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_rollouts.cluster.kinds import HTTP_ROUTE, MODEL_DEPLOYMENT, POD, Kind
from model_rollouts.replay.incident import kept
from model_rollouts.replay.recording import Recording, read_file
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.fake_api import FakeApi
from tests.cli.mdep.rollouts import NAME, NAMESPACE, told, when

Put = Callable[[str], dict[str, Any]]

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files are written into an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recorded(mdep: Command, *arguments: str) -> Recording:
    """What `record` has written."""
    result = mdep("record", NAME, "-n", NAMESPACE, *arguments, "found.jsonl.gz", "--force")
    assert result.exit_code == 0, result.output
    return read_file(Path("found.jsonl.gz"))


def test_the_rollout_under_way_is_recorded_with_what_the_cluster_shows(
    mdep: Command, at: Put
) -> None:
    obj = at("canary")

    found = recorded(mdep)

    status, head = obj["status"], found.header
    assert head.candidate == status["candidate"]["revision"]
    assert head.stable == status["stable"]["revision"]
    # A rollout begins when the one before has ended; it goes on now.
    assert head.until_ms == round(1000 * (when("canary") + 60))
    assert head.until_ms - 3_600_000 < head.from_ms < head.until_ms
    assert [each["kind"] for each in found.objects] == ["ModelDeployment", "Pod", "Pod", "Event"]
    assert found.objects[0]["status"] == status
    assert found.objects[3]["note"] == "Version 2 gets its first users."


def test_the_last_rollout_is_recorded_when_none_is_under_way(mdep: Command, at: Put) -> None:
    obj = at("rolled back")
    last, before = obj["status"]["history"][:2]

    found = recorded(mdep)

    assert found.header.candidate == last["revision"] != obj["status"]["stable"]["revision"]
    assert found.header.stable == obj["status"]["stable"]["revision"] == before["revision"]

    at("promoted")
    found = recorded(mdep)
    status = told("promoted")["status"]
    assert found.header.candidate == status["stable"]["revision"]
    assert found.header.stable == status["history"][1]["revision"]


def test_since_says_how_much_is_recorded(mdep: Command, at: Put) -> None:
    at("canary")

    head = recorded(mdep, "--since", "2h").header

    assert head.until_ms - head.from_ms == 2 * 3_600_000


def secretive(obj: dict[str, Any]) -> dict[str, Any]:
    """The object with a secret wherever people have been seen to put one."""
    spec = obj["spec"]
    container = spec["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "TOKEN", "value": SECRET}]
    container["args"] = [f"--token={SECRET}"]
    container["readinessProbe"] = {"httpGet": {"httpHeaders": [{"name": "a", "value": SECRET}]}}
    spec["template"]["metadata"] = {"annotations": {"vault": SECRET}, "labels": {"app": "arrival"}}
    spec["fallback"] = {"type": "Static", "static": {"body": SECRET}}
    obj["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"env": SECRET}),
        "modelrollouts.dev/kept": "yes",
    }
    obj["metadata"]["managedFields"] = [
        {"manager": "kubectl", "operation": "Apply", "time": "now", "fieldsV1": {SECRET: {}}}
    ]
    return obj


def test_no_secret_is_in_the_file(mdep: Command, at: Put, api: FakeApi) -> None:
    api.put(MODEL_DEPLOYMENT, secretive(at("canary")))
    header = {"requestHeaderModifier": {"set": [{"name": "authorization", "value": SECRET}]}}
    rule = {"filters": [header], "backendRefs": [{"name": "a", "weight": 10, "filters": [header]}]}
    api.put(
        HTTP_ROUTE,
        {
            "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": {"a": SECRET}},
            "spec": {"rules": [rule]},
        },
    )
    pod = next(obj for (kind, *_), obj in api.objects.items() if kind == POD.plural)
    pod["spec"]["containers"] = [{"name": "model", "env": [{"name": "A", "value": SECRET}]}]

    found = recorded(mdep)

    text = gzip.decompress(Path("found.jsonl.gz").read_bytes()).decode()
    assert SECRET not in text
    deployment, route = (found.object_of(each) for each in ("ModelDeployment", "HTTPRoute"))
    assert deployment is not None
    assert route is not None
    assert deployment["metadata"]["annotations"] == {"modelrollouts.dev/kept": "yes"}
    assert deployment["metadata"]["managedFields"] == [
        {"manager": "kubectl", "operation": "Apply", "time": "now"}
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert set(container) <= {"name", "image", "ports", "resources"}
    assert "objectives" in deployment["spec"]
    assert "spec" not in route
    assert route["weights"] == {"a": 10}


def test_what_may_not_be_read_is_said_and_left_out(mdep: Command, at: Put, api: FakeApi) -> None:
    at("canary")
    api.forbidden |= {("list", "pods"), ("list", "events")}

    result = mdep("record", NAME, "-n", NAMESPACE)

    assert result.exit_code == 0
    assert "Without pods and events: you may not list them." in result.output
    (path,) = Path().glob(f"{NAME}-*Z.jsonl.gz")
    assert [each["kind"] for each in read_file(path).objects] == ["ModelDeployment"]


def test_a_file_that_is_there_is_kept(mdep: Command, at: Put) -> None:
    at("canary")
    Path("mine").write_text("mine")

    result = mdep("record", NAME, "-n", NAMESPACE, "mine")

    assert result.exit_code == 2
    assert "'mine' is there already: write another FILE, or --force" in result.output
    assert Path("mine").read_text() == "mine"


def test_a_folder_that_is_not_there(mdep: Command, at: Put) -> None:
    at("canary")

    result = mdep("record", NAME, "-n", NAMESPACE, "nowhere/file")

    assert result.exit_code == 1
    assert "could not write 'nowhere/file': No such file or directory" in result.output


def test_nothing_has_been_rolled_out_yet(mdep: Command, at: Put, api: FakeApi) -> None:
    obj = at("canary")
    obj.pop("status")
    api.put(MODEL_DEPLOYMENT, obj)

    result = mdep("record", NAME, "-n", NAMESPACE)

    assert result.exit_code == 1
    assert "has had no rollout yet: there is nothing to record" in result.output


def test_a_prometheus_that_is_away_leaves_no_file(mdep: Command, at: Put) -> None:
    at("canary")

    result = mdep("record", NAME, "-n", NAMESPACE, "--prometheus", "http://127.0.0.1:9", "found")

    assert result.exit_code == 1
    assert "http://127.0.0.1:9/" in result.output
    assert not Path("found").exists()


def test_without_samples_nothing_is_replayed(mdep: Command, at: Put) -> None:
    at("canary")
    recorded(mdep)

    result = mdep("replay", "found.jsonl.gz")

    assert result.exit_code == 2
    assert "the file has no samples: record it again with --prometheus" in result.output


def test_kinds_that_nobody_looked_through_are_not_kept() -> None:
    with pytest.raises(KeyError, match="Secret"):
        kept(Kind("v1", "Secret", "secrets"), {"data": {"a": SECRET}})
