"""The model servers in `manifests/stacks`: admitted, rendered, and the same after a round trip."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster.paths import REPOSITORY
from e2e.fixtures import ApiServer
from model_rollouts.api.deployment import Spec
from model_rollouts.resources.controller_revision import controller_revision, objects, render
from model_rollouts.resources.revision import RevisionInput, is_same, new_name
from model_rollouts.rollout.state.revisions import input_of
from tests.resources.example import OWNER, SETTINGS

FOLDER = REPOSITORY / "manifests" / "stacks"
FILES = sorted(FOLDER.glob("*.yaml"))
PAGE = (REPOSITORY / "docs" / "stacks.md").read_text()
NVIDIA = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "nvidia"},
    "handler": "nvidia",
}


LABELS = {"test": "bare"}


def labelled(template: Mapping[str, Any]) -> dict[str, Any]:
    """A template with labels that a Deployment selects."""
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {**metadata.get("labels", {}), **LABELS}
    return {**template, "metadata": metadata}


def built(model: str, name: str, given: RevisionInput, namespace: str) -> list[Any]:
    """ControllerRevision, Deployment and Services of an input, under a name."""
    rendered = render(model, name, given, (), SETTINGS, namespace=namespace)
    owner = replace(OWNER, name=model)
    stored = controller_revision(
        model, name, given, rendered, namespace=namespace, owner=owner, number=1
    )
    return [stored, *objects(stored, owner)]


def dry(api_server: ApiServer, namespace: str, obj: dict[str, Any]) -> Any:
    """An object as the API server would store it."""
    obj = {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
    return json.loads(
        api_server.kubectl(
            *("create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-"),
            stdin=json.dumps(obj),
        )
    )


def read(path: Path) -> Any:
    """The ModelDeployment of a file."""
    return yaml.safe_load(path.read_text())


@pytest.fixture
def with_account(api_server: ApiServer, namespace: str) -> str:
    """A namespace in which pods are admitted."""
    # No controller of this server makes the first; the second comes with the drivers of its cards.
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)
    api_server.kubectl.apply(json.dumps(NVIDIA))
    return namespace


def test_each_file_has_a_row_in_the_page() -> None:
    assert FILES
    for path in FILES:
        assert f"[{path.stem}](../manifests/stacks/{path.name})" in PAGE
        assert read(path)["metadata"]["name"] == path.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_stack(api_server: ApiServer, with_account: str, path: Path) -> None:
    written = read(path)
    given = input_of(Spec.model_validate(written["spec"]))
    name, _ = new_name(path.stem, given, ())
    revision, deployment, *services = built(path.stem, name, given, with_account)
    template = deployment["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        **template,
        "metadata": {**template["metadata"], "name": "pod"},
    }

    api_server.kubectl(
        *("apply", "--server-side", "--validate=strict", "-n", with_account, "-f", "-"),
        stdin=yaml.safe_dump_all([written, revision, deployment, *services, pod]),
    )

    kept = api_server.kubectl.get("modeldeployment", path.stem, "-n", with_account)
    assert input_of(Spec.model_validate(kept["spec"])) == given
    stored = api_server.kubectl.get("controllerrevision", name, "-n", with_account)
    assert is_same(stored["data"]["input"], given)
    assert kept["spec"]["template"] == written["spec"]["template"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_defaults_written_out_make_no_other_revision(
    api_server: ApiServer, with_account: str, path: Path
) -> None:
    """As where somebody copies what `kubectl get -o yaml` shows of the pods into the repository."""
    given = input_of(Spec.model_validate(read(path)["spec"]))
    name, _ = new_name(path.stem, given, ())
    bare = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bare"},
        "spec": {"selector": {"matchLabels": LABELS}, "template": labelled(given.template)},
    }
    written_out = dry(api_server, with_account, bare)["spec"]["template"]
    assert written_out["spec"] != given.template["spec"]
    for label in LABELS:
        del written_out["metadata"]["labels"][label]
    # Two fields say something when they are absent: the operator then sets its own.
    if "terminationGracePeriodSeconds" not in given.template["spec"]:
        del written_out["spec"]["terminationGracePeriodSeconds"]
    for kind in ("containers", "initContainers"):
        for container in written_out["spec"].get(kind, ()):
            del container["terminationMessagePolicy"]

    first, second = (
        dry(api_server, with_account, built(path.stem, name, each, with_account)[1])["spec"][
            "template"
        ]
        for each in (given, replace(given, template=written_out))
    )

    # That is what the operator compares, and asks the API server for.
    assert first == second
