"""`manifests/` on a real API server: which takes every object, and gives the rights that are told.

There are no controllers, so nothing runs.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from e2e.fixtures import ApiServer
from e2e.manifests import FOLDER, INSTALL, NAMESPACE, OPERATOR, WATCHED, WATCHED_NAMESPACE
from e2e.rights import LEASES, MAY, MAY_NOT, Right, allowed, rights
from model_rollouts.api.crd import NAME
from model_rollouts.cli.crd import CRD

USER = f"system:serviceaccount:{NAMESPACE}:model-rollouts"
LASTING = ("Namespace", "CustomResourceDefinition")
PAGE = (REPOSITORY / "docs" / "install.md").read_text()
pytestmark = pytest.mark.chart
DRY = ("apply", "--server-side", "--dry-run=server", "--validate=strict")


@pytest.fixture
def everywhere(api_server: ApiServer) -> Iterator[None]:
    """An operator for all namespaces, applied as the page says."""
    with installed(api_server, [INSTALL]):
        yield


@pytest.fixture
def somewhere(api_server: ApiServer) -> Iterator[None]:
    """An operator for one namespace."""
    exists(api_server, WATCHED_NAMESPACE)
    with installed(api_server, [OPERATOR, WATCHED]):
        yield


@contextlib.contextmanager
def installed(api_server: ApiServer, paths: Sequence[Path]) -> Iterator[None]:
    """The objects in the files of `paths`, until the end of the context."""
    files = [option for path in paths for option in ("-f", REPOSITORY / path)]
    api_server.kubectl("apply", "--server-side", *files)
    try:
        yield
    finally:
        # A namespace would wait for a controller to empty it; and the CRD is the test run's.
        removed = [each for each in objects(paths) if each["kind"] not in LASTING]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": removed})
        api_server.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text)
        api_server.kubectl("replace", "-f", REPOSITORY / CRD)


def objects(paths: Sequence[Path]) -> list[Any]:
    """The objects in files below the root of the repository."""
    texts = [(REPOSITORY / path).read_text() for path in paths]
    return [obj for text in texts for obj in yaml.safe_load_all(text) if obj]


def exists(api_server: ApiServer, namespace: str) -> None:
    """Make `namespace`, unless it is there."""
    api_server.kubectl.apply(
        f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}"
    )


def ids(rights: Sequence[Right]) -> list[str]:
    return [str(right) for right in rights]


def test_the_operator_may_what_the_chart_lets_it(api_server: ApiServer, everywhere: None) -> None:
    assert ids(allowed(api_server.kubectl, USER, [*MAY, *MAY_NOT])) == ids(MAY)


def test_with_names_it_may_the_same_there(api_server: ApiServer, somewhere: None) -> None:
    there = allowed(api_server.kubectl, USER, [*MAY, *MAY_NOT], WATCHED_NAMESPACE)

    assert ids(there) == ids(MAY)


def test_with_names_it_may_read_gateways_elsewhere_and_nothing_else(
    api_server: ApiServer, somewhere: None
) -> None:
    gateways = [right for right in MAY if "gateway" in right.resource]
    # Beside its own pod it also tells of what concerns all models, and its Lease is there.
    besides = rights("create patch", "events.k8s.io", "events")
    besides += rights("create", LEASES, "leases")

    for namespace, own in (("default", []), (NAMESPACE, besides)):
        elsewhere = allowed(api_server.kubectl, USER, [*MAY, *MAY_NOT], namespace)

        assert ids(elsewhere) == ids([*gateways, *own]), namespace


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-f", INSTALL), [INSTALL]),
        (("-k", FOLDER), [INSTALL]),
        (("-f", OPERATOR, "-f", WATCHED), [OPERATOR, WATCHED]),
        (("-k", FOLDER / "namespaced"), [OPERATOR, WATCHED]),
    ],
    ids=["everywhere", "everywhere, kustomized", "somewhere", "somewhere, kustomized"],
)
def test_the_api_server_takes_every_object(
    api_server: ApiServer, options: Sequence[str | Path], expected: Sequence[Path]
) -> None:
    # A dry run makes no namespaces for the objects that come after them.
    for namespace in (NAMESPACE, WATCHED_NAMESPACE):
        exists(api_server, namespace)
    where = [REPOSITORY / option if isinstance(option, Path) else option for option in options]

    lines = api_server.kubectl(*DRY, *where).splitlines()

    assert len(lines) == len(objects(expected))
    assert [line for line in lines if "serverside-applied (server dry run)" not in line] == []


def test_a_field_that_does_not_exist_would_be_found(api_server: ApiServer) -> None:
    exists(api_server, NAMESPACE)
    text = (REPOSITORY / INSTALL).read_text().replace("  replicas: 2\n", "  replica: 2\n")

    with pytest.raises(StepError, match=r"\.spec\.replica: field not declared|unknown field"):
        api_server.kubectl(*DRY, "-f", "-", stdin=text)


def test_removed_as_the_page_says_it_leaves_the_crd_and_no_rights(api_server: ApiServer) -> None:
    exists(api_server, WATCHED_NAMESPACE)
    paths = [OPERATOR, WATCHED]
    lines = [line.split() for line in PAGE.splitlines() if line.startswith("kubectl delete ")]
    # What is in the operator's namespace goes with it, where there are controllers.
    commands = [words[1:] for words in lines if "--selector" in words]

    with installed(api_server, paths):
        for command in commands:
            api_server.kubectl(*command)

        files = [option for path in paths for option in ("-f", REPOSITORY / path)]
        found = api_server.kubectl("get", *files, "--ignore-not-found", "-o=name").split()

    assert f"customresourcedefinition.apiextensions.k8s.io/{NAME}" in found
    assert [name for name in found if "rbac.authorization.k8s.io" in name] == []
