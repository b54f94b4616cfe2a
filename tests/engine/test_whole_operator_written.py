"""A manifest that is written in another way, and a restart by its token, on a real API server."""

from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT
from model_rollouts.resources import restart
from tests.engine.whole_operator import MARKS, Play, Whole, play
from tests.kubernetes_clients import until

pytestmark = MARKS

FIELD = {"fieldPath": "metadata.name"}


@pytest.fixture
def playing(api_server: ApiServer, namespace: str) -> Play:
    """Plays a story in a namespace of its own."""
    return lambda story: play(api_server, namespace, story)


def manifest(whole: Whole, reference: dict[str, str], **container: Any) -> dict[str, Any]:
    """Version 1 with a variable that refers to a field of the pod."""
    written = whole.written_as("v1")
    (model,) = written["spec"]["template"]["spec"]["containers"]
    model["env"] = [{"name": "NAME", "valueFrom": {"fieldRef": reference}}]
    model |= container
    return written


async def deployment(whole: Whole) -> dict[str, Any]:
    (found,) = await whole.direct.all(DEPLOYMENT)
    return found


def test_what_the_api_server_stores_the_same_starts_no_pod(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            amounts: dict[str, Any] = {"limits": {"example.com/device": 1}}
            await whole.direct.apply(manifest(whole, FIELD, resources=amounts))
            await whole.told("Full", "v1")
            before = await deployment(whole)
            # A default that the operator has no row for, and an amount with quotes.
            amounts = {"limits": {"example.com/device": "1"}}
            written = manifest(whole, {**FIELD, "apiVersion": "v1"}, resources=amounts)
            await whole.direct.apply(written)
            await whole.told("Full", "v1")
            after = await deployment(whole)
            revisions = await whole.direct.all(CONTROLLER_REVISION)
        async with whole.operator():
            await whole.reads(2)

        assert len(revisions) == 1
        assert after["metadata"]["generation"] == before["metadata"]["generation"]
        assert await deployment(whole) == after

    playing(story)


def test_a_token_replaces_the_pods_of_the_same_revision_once(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            await whole.apply("v1")
            await whole.told("Full", "v1")
            before, route = await deployment(whole), await whole.route()
            written = whole.written_as("v1")
            written["spec"]["strategy"]["restart"] = "a"
            await whole.direct.apply(written)

            async def replaced() -> bool:
                return restart.token(await deployment(whole)) == "a"

            await until(replaced, "the pods were never given the token")
            await whole.told("Full", "v1")
            await whole.reads(2)
            after = await deployment(whole)
        async with whole.operator():
            await whole.reads(2)

        assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
        assert (await deployment(whole))["metadata"]["generation"] == (
            after["metadata"]["generation"]
        )
        assert (await whole.route())["spec"] == route["spec"]
        assert len(await whole.direct.all(CONTROLLER_REVISION)) == 1

    playing(story)
