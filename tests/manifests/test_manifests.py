"""What is committed in `manifests/`: it is the chart without Helm, and a base for overlays."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from e2e.chart import REQUIRED, Values, render
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from e2e.cluster.shell import run
from e2e.manifests import (
    FOLDER,
    INSTALL,
    MODELS,
    NAMESPACE,
    OPERATOR,
    WATCHED,
    WATCHED_NAMESPACE,
    documents,
    main,
)
from model_rollouts.api.crd import NAME as CRD

EVERYWHERE = [INSTALL]
SOMEWHERE = [OPERATOR, WATCHED]
HELMS = {"app.kubernetes.io/managed-by", "helm.sh/chart"}
PAGE = (REPOSITORY / "docs" / "install.md").read_text()
IMAGE = "registry.internal/platform/model-rollouts:0.1.0"
PROMETHEUS = "http://prometheus-operated.monitoring:9090"


def objects(paths: Sequence[Path]) -> list[Any]:
    """The objects in files below the root of the repository, in their order."""
    texts = [(REPOSITORY / path).read_text() for path in paths]
    return [obj for text in texts for obj in yaml.safe_load_all(text) if obj]


def by_name(found: Sequence[Any]) -> dict[tuple[str, str, str], Any]:
    """The objects by kind, namespace and name."""
    named = {
        (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj
        for obj in found
    }
    assert len(named) == len(found), "an object is there twice"
    return named


def build(program: Path, folder: Path) -> list[Any]:
    """What kustomize makes of the kustomization in `folder`."""
    return list(yaml.safe_load_all(run([program, "kustomize", folder])))


def environment(found: Sequence[Any]) -> dict[str, str]:
    """The variables of the operator."""
    (container,) = deployment(found)["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def deployment(found: Sequence[Any]) -> Any:
    (only,) = (obj for obj in found if obj["kind"] == "Deployment")
    return only


def subjects(found: Sequence[Any]) -> set[tuple[str, str]]:
    """Namespace and name of all to whom rights are given."""
    given = [subject for obj in found for subject in obj.get("subjects", [])]
    return {(subject["namespace"], subject["name"]) for subject in given}


@pytest.mark.usefixtures("helm")
def test_what_is_committed_is_what_the_command_writes() -> None:
    result = CliRunner().invoke(main, ["--check"])

    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("helm")
@pytest.mark.parametrize("path", [INSTALL, OPERATOR, WATCHED], ids=str)
def test_a_file_that_was_edited_is_named_and_mended(path: Path, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / FOLDER, tmp_path / FOLDER)
    edited = tmp_path / path
    edited.write_text(edited.read_text().replace("patch", "update"))

    checked = CliRunner().invoke(main, ["--check", "-C", str(tmp_path)])
    written = CliRunner().invoke(main, ["-C", str(tmp_path)])

    assert checked.exit_code == 1
    assert f"Error: {path}: not what the chart renders, run make manifests" in checked.output
    assert written.output == f"wrote {path}\n"
    assert edited.read_text() == (REPOSITORY / path).read_text()


@pytest.mark.usefixtures("helm")
@pytest.mark.parametrize(
    ("paths", "values"),
    [(EVERYWHERE, {}), (SOMEWHERE, {"watch": {"namespaces": [WATCHED_NAMESPACE]}})],
    ids=["everywhere", "somewhere"],
)
def test_the_objects_are_those_of_the_chart_without_what_is_helms(
    paths: Sequence[Path], values: Values
) -> None:
    rendered = render({**REQUIRED, **values, "crds": {"keep": False}}, namespace=NAMESPACE)
    expected = by_name([obj for obj in yaml.safe_load_all(rendered) if obj])
    for obj in expected.values():
        for labelled in (obj, obj["spec"]["template"] if obj["kind"] == "Deployment" else obj):
            labels = labelled["metadata"]["labels"]
            labelled["metadata"]["labels"] = {k: v for k, v in labels.items() if k not in HELMS}

    found = by_name(objects(paths))

    del found["Namespace", "", NAMESPACE]
    del found["CustomResourceDefinition", "", CRD]["metadata"]["annotations"]
    assert found == expected


@pytest.mark.parametrize("paths", [EVERYWHERE, SOMEWHERE], ids=["everywhere", "somewhere"])
def test_no_object_speaks_of_helm(paths: Sequence[Path]) -> None:
    speaking = [name for name, obj in by_name(objects(paths)).items() if "helm" in json.dumps(obj)]

    assert speaking == []


@pytest.mark.parametrize("path", [INSTALL, OPERATOR], ids=str)
def test_what_is_needed_comes_before_what_needs_it(path: Path) -> None:
    kinds = [obj["kind"] for obj in objects([path])]

    assert kinds[:3] == ["Namespace", "CustomResourceDefinition", "ServiceAccount"]
    assert kinds[-1] == "Deployment"


def test_the_network_policy_of_models_can_be_applied_in_any_namespace() -> None:
    (policy,) = objects([MODELS])

    assert policy["kind"] == "NetworkPolicy"
    assert "namespace" not in policy["metadata"]
    assert all(rule["from"] for rule in policy["spec"]["ingress"])


@pytest.mark.usefixtures("helm")
def test_a_kind_without_a_place_in_that_order_is_refused() -> None:
    with pytest.raises(StepError, match="renders PrometheusRule, which has no place"):
        documents({"prometheusRule": {"enabled": True}})


@pytest.mark.parametrize("path", [INSTALL, OPERATOR], ids=str)
def test_pruning_leaves_the_crd_and_with_it_what_serves(path: Path) -> None:
    found = by_name(objects([path]))["CustomResourceDefinition", "", CRD]

    assert found["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }


def test_with_names_only_gateways_are_read_everywhere() -> None:
    found = objects(SOMEWHERE)
    bound = {obj["roleRef"]["name"] for obj in found if obj["kind"] == "ClusterRoleBinding"}

    rules = [
        rule
        for obj in found
        if obj["kind"] == "ClusterRole" and obj["metadata"]["name"] in bound
        for rule in obj["rules"]
    ]

    assert rules == [
        {
            "apiGroups": ["gateway.networking.k8s.io"],
            "resources": ["gateways", "gatewayclasses"],
            "verbs": ["get", "list", "watch"],
        }
    ]


@pytest.mark.parametrize(
    ("folder", "paths"),
    [
        (FOLDER, EVERYWHERE),
        (FOLDER / "namespaced", SOMEWHERE),
        (FOLDER / "namespaced" / "operator", [OPERATOR]),
        (FOLDER / "namespaced" / "watched", [WATCHED]),
    ],
    ids=str,
)
def test_kustomize_builds_the_same_objects(
    kubectl: Path, folder: Path, paths: Sequence[Path]
) -> None:
    assert by_name(build(kubectl, REPOSITORY / folder)) == by_name(objects(paths))


def written(page: str, title: str, directory: Path) -> Path:
    """The kustomizations below `title` of a page, as files; their remote bases are this checkout.

    Each begins with a comment that says which file it is.
    """
    _, _, section = page.partition(f"\n### {title}\n")
    assert section, f"no section {title}"
    for block in section.partition("\n### ")[0].split("```yaml\n# ")[1:]:
        name, _, text = block.partition("```")[0].partition("\n")
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        checkout = os.path.relpath(REPOSITORY, path.parent)
        remote = "https://git.example.com/platform/model-rollouts.git//"
        path.write_text(text.replace(remote, f"{checkout}/").replace("?ref=v0.1.0", ""))
    return directory


def test_the_overlay_on_the_page_says_the_image_and_where_prometheus_is(
    kubectl: Path, tmp_path: Path
) -> None:
    expected = by_name(objects(EVERYWHERE))
    (container,) = deployment(list(expected.values()))["spec"]["template"]["spec"]["containers"]
    container["image"] = IMAGE
    url = next(each for each in container["env"] if each["name"].endswith("PROMETHEUS_URL"))
    url["value"] = PROMETHEUS

    found = by_name(build(kubectl, written(PAGE, "With Kustomize", tmp_path)))

    assert found == expected


def test_the_overlay_on_the_page_replaces_how_prometheus_is_asked(
    kubectl: Path, tmp_path: Path
) -> None:
    (text,) = (each for each in PAGE.split("```yaml\n")[1:] if each.startswith("configMapGen"))
    base = os.path.relpath(REPOSITORY / FOLDER, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(
        f"resources: [{base}]\n" + text.partition("```")[0]
    )

    found = build(kubectl, tmp_path)

    pod = deployment(found)["spec"]["template"]["spec"]
    config, secret = pod["volumes"][0]["projected"]["sources"]
    (replaced,) = (each for each in found if each["kind"] == "ConfigMap")
    assert replaced["metadata"]["name"] == config["configMap"]["name"]
    assert yaml.safe_load(replaced["data"]["config.yaml"]) == {
        "headers": {"X-Scope-OrgID": "models"},
        "headerFiles": {"X-Api-Key": secret["secret"]["items"][0]["path"]},
    }


def test_sed_as_on_the_page_says_the_same_as_the_overlay(kubectl: Path, tmp_path: Path) -> None:
    _, _, section = PAGE.partition("\n### With kubectl\n")
    command = section.split("```sh\n")[1].partition(" | kubectl apply")[0]

    text = run(["bash", "-c", command], cwd=REPOSITORY)

    overlaid = build(kubectl, written(PAGE, "With Kustomize", tmp_path))
    assert by_name([obj for obj in yaml.safe_load_all(text) if obj]) == by_name(overlaid)


def test_the_overlay_on_the_page_for_some_namespaces_gives_rights_there(
    kubectl: Path, tmp_path: Path
) -> None:
    found = build(kubectl, written(PAGE, "For some namespaces only", tmp_path))

    assert environment(found)["MODEL_ROLLOUTS_NAMESPACE"] == "flights shop"
    placed = {place for place in by_name(found) if place[0].startswith("Role")}
    given = (
        *((namespace, "model-rollouts") for namespace in ("flights", "shop")),
        (NAMESPACE, "model-rollouts-leader"),
        (NAMESPACE, "model-rollouts-own-events"),
    )
    assert placed == {(kind, *place) for kind in ("Role", "RoleBinding") for place in given}
    assert subjects(found) == {(NAMESPACE, "model-rollouts")}


def test_an_overlay_moves_the_operator_to_another_namespace(kubectl: Path, tmp_path: Path) -> None:
    base = os.path.relpath(REPOSITORY / FOLDER, tmp_path)
    overlay = {"namespace": "platform", "resources": [base]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))

    found = build(kubectl, tmp_path)

    assert {namespace for _, namespace, _ in by_name(found)} == {"", "platform"}
    assert ("Namespace", "", "platform") in by_name(found)
    assert subjects(found) == {("platform", "model-rollouts")}
