"""Objects beside Services on a real API server: written, told when they are refused, and gone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import HTTP_ROUTE, SERVICE, Kind
from model_rollouts.resources import companions
from model_rollouts.rollout.plan import Settings
from tests.engine.whole_operator import MARKS, SETTINGS, Play, Whole, play
from tests.kubernetes_clients import until

pytestmark = MARKS

GRANT = Kind("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "referencegrants")
"""A kind that is installed here and that the operator does not know."""
TEMPLATE: dict[str, Any] = {
    "apiVersion": GRANT.api_version,
    "kind": GRANT.name,
    "spec": {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a"}],
        "to": [{"group": "", "kind": "Service", "name": "$(service)"}],
    },
}


@pytest.fixture
def playing(api_server: ApiServer, namespace: str) -> Play:
    """Plays a story in a namespace of its own."""
    return lambda story: play(api_server, namespace, story)


def wanting(template: Mapping[str, Any], plural: str = GRANT.plural) -> Settings:
    found = companions.parse([{"plural": plural, "template": template}])
    return replace(SETTINGS, companions=found)


async def grants(whole: Whole) -> dict[str, tuple[str, str]]:
    """What each one is for, and the uid of its owner, by name."""
    return {
        each["metadata"]["name"]: (
            each["spec"]["to"][0]["name"],
            each["metadata"]["ownerReferences"][0]["uid"],
        )
        for each in await whole.direct.all(GRANT)
    }


def test_each_service_has_one_that_goes_with_it(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator(settings=wanting(TEMPLATE)):
            await whole.apply("v1")
            await whole.told("Full", "v1")
            services = {
                each["metadata"]["name"]: each["metadata"]["uid"]
                for each in await whole.direct.all(SERVICE)
            }

            async def written() -> bool:
                return await grants(whole) == {name: (name, uid) for name, uid in services.items()}

            assert len(services) == 2
            await until(written, "they were not written")

    playing(story)


def test_one_that_is_refused_is_told_and_no_version_starts(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        unknown = {**TEMPLATE, "apiVersion": "example.com/v1", "kind": "HealthCheck"}
        async with whole.operator(settings=wanting(unknown, "healthchecks")):
            await whole.apply("v1")

            async def told() -> str | None:
                found = {each.reason: each.message for each in (await whole.status()).conditions}
                return (
                    found["WriteRefused"]
                    if {"CompanionMissing", "WriteRefused"} <= found.keys()
                    else None
                )

            message = await until(told, "it was not told")
            assert f"apply HealthCheck {whole.direct.namespace}/" in message
            assert "404" in message
            assert await whole.direct.all(HTTP_ROUTE) == []

    playing(story)
