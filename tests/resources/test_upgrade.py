"""A new release of the operator restarts no model: what is stored is applied as it is stored."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.fixtures import ApiServer
from model_rollouts.resources.controller_revision import (
    BUILDER_VERSION,
    counted_ms,
    is_open_inside,
    objects,
    render,
    rendered_by,
    stored_input,
)
from model_rollouts.resources.edges import LADDER_MS
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.revision import find_revision
from tests.resources.example import MODEL, OWNER, SETTINGS, revision_input, stored

FOLDER = Path(__file__).with_name("previous_release")


def previous(name: str = "controller-revision") -> Any:
    """A revision as a release before stored it."""
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def without_place(built: dict[str, Any]) -> dict[str, Any]:
    """An object without what is not stored of it: namespace, owner, replicas."""
    bare = copy.deepcopy(built)
    assert bare["metadata"].pop("namespace") == "flights"
    assert bare["metadata"].pop("ownerReferences") == [OWNER.reference()]
    bare["spec"].pop("replicas", None)
    return bare


@pytest.mark.parametrize(
    "made",
    [previous(), previous("builder-2"), stored()],
    ids=["another release", "builder 2", "this release"],
)
def test_repair_applies_what_is_stored(made: Any) -> None:
    kept = copy.deepcopy(made["data"]["rendered"])

    deployment, *services = objects(made, OWNER, replicas=3)

    assert deployment["spec"]["replicas"] == 3
    assert without_place(deployment) == kept["deployment"]
    assert [without_place(each) for each in services] == kept["services"]
    assert made["data"]["rendered"] == kept


def test_replicas_are_left_to_who_set_them() -> None:
    deployment, *_ = objects(previous(), OWNER)

    assert "replicas" not in deployment["spec"]


def test_what_a_revision_counts_is_read_from_its_rendering() -> None:
    made = render(
        MODEL, "arrival-delay-1", revision_input(), [320, 75_000], SETTINGS, namespace="flights"
    )

    counted = counted_ms({"metadata": {"name": "arrival-delay-1"}, "data": {"rendered": made}})

    assert counted == tuple(sorted({*LADDER_MS, 320, 75_000}))


def test_nothing_is_known_of_a_proxy_that_was_rendered_otherwise() -> None:
    """Counting at an edge that is not there would take every answer for a slow one."""
    assert counted_ms(previous()) == ()


def test_the_input_of_the_previous_release_is_still_its_revision() -> None:
    """Nothing rolls out because the operator was upgraded."""
    forms = {"arrival-delay-0a1b2c3d4e": stored_input(previous())}

    assert find_revision(forms, revision_input()) == "arrival-delay-0a1b2c3d4e"
    assert find_revision(forms, revision_input(version="4")) is None


def test_nothing_is_said_of_a_mesh_by_a_release_that_knew_none() -> None:
    assert not is_open_inside(previous())


def test_who_rendered_a_revision_is_told() -> None:
    made = (previous(), previous("builder-2"), stored())
    assert [rendered_by(each) for each in made] == [0, 2, BUILDER_VERSION]


def test_what_a_builder_before_rendered_is_what_the_spec_still_asks_for() -> None:
    forms = {"arrival-delay-883156dc2f": stored_input(previous("builder-2"))}

    assert find_revision(forms, revision_input()) == "arrival-delay-883156dc2f"
    assert counted_ms(previous("builder-2")) == counted_ms(stored())


@pytest.mark.parametrize("part", ["deployment", "services"])
def test_a_revision_without_its_rendering_is_refused(part: str) -> None:
    broken = previous()
    del broken["data"]["rendered"][part]

    words = f"ControllerRevision 'arrival-delay-0a1b2c3d4e', data.rendered.{part}: found nothing"
    with pytest.raises(ResourceError, match=words):
        objects(broken, OWNER)


@pytest.mark.parametrize("release", ["controller-revision", "builder-2"])
def test_an_upgrade_patches_no_deployment(
    api_server: ApiServer, namespace: str, release: str
) -> None:
    """Given what a release before applied, when this one repairs, then no pod is replaced."""
    made = previous(release)
    made["metadata"].pop("ownerReferences", None)
    made["metadata"]["namespace"] = namespace
    api_server.kubectl("create", "-f", "-", stdin=yaml.safe_dump(made))
    for each in (made["data"]["rendered"]["deployment"], *made["data"]["rendered"]["services"]):
        each["metadata"]["namespace"] = namespace
        api_server.kubectl.apply(yaml.safe_dump(each))
    before = api_server.kubectl.get("deployment", "-n", namespace)["items"]

    read = api_server.kubectl.get("controllerrevision", made["metadata"]["name"], "-n", namespace)
    for each in objects(read, OWNER):
        api_server.kubectl.apply(yaml.safe_dump(each))

    after = api_server.kubectl.get("deployment", "-n", namespace)["items"]
    generations = [each["metadata"]["generation"] for each in after]
    assert generations == [each["metadata"]["generation"] for each in before] == [1]
    assert [each["spec"] for each in after] == [each["spec"] for each in before]
