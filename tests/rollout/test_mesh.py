"""A version in a service mesh that Prometheus does not reach: the mesh is named."""

from typing import Any

import pytest

from tests.rollout.simulated_cluster import World

ISTIO = {"metadata": {"labels": {"sidecar.istio.io/inject": "true"}}}
LINKERD = {"metadata": {"annotations": {"linkerd.io/inject": "enabled"}}}
REFUSES = {"metadata": {"annotations": {"linkerd.io/inject": "disabled"}}}


def told(world: World, reason: str) -> str:
    found = [each["message"] for each in world.status["conditions"] if each["reason"] == reason]
    return str(found[0]) if found else ""


@pytest.mark.parametrize(
    ("template", "name"), [(ISTIO, "Istio"), (LINKERD, "Linkerd"), (REFUSES, None), ({}, None)]
)
def test_pods_that_are_not_scraped_name_their_mesh(
    template: dict[str, Any], name: str | None
) -> None:
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(20)
    world.unscraped = {"2"}

    world.edit(version="2", **{f"template__{key}": value for key, value in template.items()})
    world.until("Starting").run(60)

    message = told(world, "ScrapeMissing")
    assert "Prometheus has no sample of them yet" in message
    if name is None:
        assert "sidecar" not in message
    else:
        assert f"Its pods have a sidecar of {name}: where that takes mTLS alone" in message
