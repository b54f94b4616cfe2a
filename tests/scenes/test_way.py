"""A way to the API server that a scene cuts: nothing comes through, and then all does again."""

import asyncio
from pathlib import Path

import pytest

from e2e.fixtures import ApiServer
from e2e.scenes.way import Way
from model_rollouts.cluster.kinds import CONTROLLER_REVISION
from tests.cluster.test_client import revision
from tests.kubernetes_clients import connected

SILENT_S = 0.5


def test_what_is_cut_waits_and_what_is_healed_is_carried_again(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    async def test(way: Way) -> None:
        async with connected(way.kubeconfig) as client:
            await client.create(revision(namespace, "one"))
            way.cut()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.create(revision(namespace, "lost")), SILENT_S)
            way.heal()
            found = [
                each["metadata"]["name"]
                async for page in client.pages(CONTROLLER_REVISION, namespace)
                for each in page.items
            ]
            assert found == ["one"]

    with Way(api_server.kubeconfig, tmp_path / "kubeconfig") as way:
        asyncio.run(test(way))
