"""What `manifests/` has for those who install without Helm: the chart, rendered and cut to files.

Helm is a tool of the cluster, not a part of the operator: so this is no command of the operator's.
Documents are handled as text, because their comments say why a right is there.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import yaml
from rich.console import Console

from e2e.chart import REQUIRED, Values, render
from e2e.cluster import progress
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError

FOLDER = Path("manifests")
INSTALL = FOLDER / "install.yaml"
OPERATOR = FOLDER / "namespaced" / "operator" / "operator.yaml"
WATCHED = FOLDER / "namespaced" / "watched" / "rights.yaml"
MODELS = FOLDER / "models" / "network-policy.yaml"

NAMESPACE = "model-rollouts"
"""Where the operator runs."""
WATCHED_NAMESPACE = "models"
"""Where the operator of `manifests/namespaced` acts until an overlay says where."""

# What an object needs comes before it, so that applying a file once is enough.
_ORDER = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "ConfigMap",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "ResourceQuota",
    "PodDisruptionBudget",
    "Deployment",
    "NetworkPolicy",
)
_RIGHTS_IN_A_NAMESPACE = ("Role", "RoleBinding")

_NAMESPACE = f"""\
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    app.kubernetes.io/name: model-rollouts
    app.kubernetes.io/instance: model-rollouts
    # The operator's pod passes it, and nothing else should run here.
    pod-security.kubernetes.io/enforce: restricted
"""
# Helm neither manages these objects nor can it upgrade them.
_HELMS_LABELS = re.compile(r"^ +(app\.kubernetes\.io/managed-by: Helm|helm\.sh/chart: .*)\n", re.M)
_HELMS_KEEP = "  annotations: {helm.sh/resource-policy: keep}\n"
_KEEP = """\
  annotations:
    # Whoever deletes it deletes every ModelDeployment, and what serves with it: Argo CD and Flux
    # shall leave it when they prune.
    argocd.argoproj.io/sync-options: Prune=false,Delete=false
    kustomize.toolkit.fluxcd.io/prune: disabled
"""
_WATCHED_LINE = f"  namespace: {WATCHED_NAMESPACE}\n"
_NETWORK_POLICY: Values = {
    "enabled": True,
    **{
        source: [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]
        for source, name in (("gateway", "gateways"), ("prometheus", "monitoring"))
    },
}
"""Examples of the namespaces in which gateway and Prometheus run."""
_GENERATED = """\
# Generated from helm/model-rollouts by `make manifests`. Change the chart, not this file.
"""
_YOURS = f"""\
# Two values are examples, to be replaced: the image, {REQUIRED["image"]["repository"]},
# and the address of Prometheus, MODEL_ROLLOUTS_PROMETHEUS_URL. docs/install.md says how, with
# kubectl and with Kustomize.
"""


class Document(NamedTuple):
    """An object's kind and its YAML."""

    kind: str
    text: str


@cache
def generated() -> Mapping[Path, str]:
    """The files and their text; the paths are below the root of the repository.

    Raises:
        StepError: Helm refused the values, or no place in the order is known for a kind.
    """
    everywhere = documents({})
    watch = {"namespaces": [WATCHED_NAMESPACE]}
    here = documents({"watch": watch})
    guarded = documents({"watch": watch, "modelNetworkPolicy": _NETWORK_POLICY})
    rights = [each for each in here if _is_right_in_a_watched_namespace(each)]
    operator = [each for each in here if not _is_right_in_a_watched_namespace(each)]
    return {
        INSTALL: _file("The operator, for the ModelDeployments of all namespaces.", everywhere),
        OPERATOR: _file(
            "The operator, for some namespaces: without ../watched it may write in none.", operator
        ),
        WATCHED: _file(
            "What the operator may do in a namespace that it watches, for each of them once.",
            rights,
        ),
        MODELS: _file(
            "Who may connect to the pods of models. Apply it in each namespace that has some,\n"
            "# with the namespaces of your gateway and your Prometheus in place of the two in it.",
            [_anywhere(each) for each in guarded if each.kind == "NetworkPolicy"],
        ),
    }


def documents(values: Values) -> list[Document]:
    """The namespace and what the chart renders for `values`, in the order to apply them.

    Raises:
        StepError: Helm refused the values, or no place in the order is known for a kind.
    """
    rendered = [Document("Namespace", _NAMESPACE), *_rendered(values)]
    try:
        # Sorting is stable: within a kind the order is the chart's.
        return sorted(rendered, key=lambda each: _ORDER.index(each.kind))
    except ValueError:
        unknown = ", ".join(sorted({each.kind for each in rendered} - {*_ORDER}))
        raise StepError(
            f"the chart renders {unknown}, which has no place among the manifests",
            hint="add it to _ORDER in e2e/manifests.py",
        ) from None


def _rendered(values: Values) -> Iterator[Document]:
    text = render({**REQUIRED, **values}, release=NAMESPACE, namespace=NAMESPACE)
    for part in re.split(r"^---\n", text, flags=re.M):
        ours = re.sub(r"\A# Source: .*\n", "", part).lstrip("\n")
        found = yaml.safe_load(ours)
        if found is not None:
            plain = _HELMS_LABELS.sub("", ours).replace(_HELMS_KEEP, _KEEP)
            yield Document(found["kind"], plain)


def _is_right_in_a_watched_namespace(document: Document) -> bool:
    """Whether an object is a right for models, and not one beside the operator's own pod."""
    where = yaml.safe_load(document.text)["metadata"].get("namespace")
    return document.kind in _RIGHTS_IN_A_NAMESPACE and where != NAMESPACE


def _anywhere(namespaced: Document) -> Document:
    """The object without its namespace: whoever applies it says where."""
    return Document(namespaced.kind, namespaced.text.replace(_WATCHED_LINE, ""))


def _file(title: str, held: Sequence[Document]) -> str:
    head = f"# {title}\n{_GENERATED}"
    if any(each.kind == "Deployment" for each in held):
        head += _YOURS
    return "---\n".join([head, *(each.text for each in held)])


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file differs.")
@click.option(
    "--directory",
    "-C",
    default=REPOSITORY,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where `manifests` lies.  [the root of the repository]",
)
def main(check: bool, directory: Path) -> None:
    """Write what is generated in manifests/, or say where it is not what the chart renders."""
    differing = {
        path: text for path, text in generated().items() if _read(directory / path) != text
    }
    if check and differing:
        names = ", ".join(map(str, differing))
        raise click.ClickException(f"{names}: not what the chart renders, run make manifests")
    for path, text in differing.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
        click.echo(f"wrote {path}", err=True)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    try:
        main()
    except StepError as error:
        progress.explain(error, Console(stderr=True))
        sys.exit(1)
