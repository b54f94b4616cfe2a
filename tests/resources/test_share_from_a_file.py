"""Envoy takes another `sample` from a mounted file without a restart: docs/observer.md says so.

No revision is rendered this way, because the operator may write no object that a pod could mount.
Whoever finds one that it may write finds here that the proxy's part of it works.
"""

import asyncio
import copy
import json
import os
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from model_rollouts.resources.capture import Capture, sampled_ids
from tests.resources.access_log import Receiver
from tests.resources.envoy import Proxied, eventually
from tests.resources.observed import observed

pytestmark = pytest.mark.timeout(120)

FIRST, NEXT, LAST = Fraction(1, 10), Fraction(1, 2), Fraction(1, 4)
OF = 256
"""Ids that are asked with, evenly spread."""


class Routes:
    """The routes of both listeners in files that the kubelet would replace at once, by a link."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._times = folder, 0
        self._first: dict[str, Any] = {}

    def take(self, config: dict[str, Any]) -> None:
        """Have the bootstrap read them."""
        for listener in config["static_resources"]["listeners"]:
            name = listener["name"]
            for manager in managers(listener):
                if name in ("live", "shadow"):
                    self._first[name] = manager.pop("route_config")
                    manager["rds"] = self._source(name)
        self.write({name: resource(routes) for name, routes in self._first.items()})

    def _source(self, name: str) -> dict[str, Any]:
        place = {"path": f"{self.folder}/{name}", "watched_directory": {"path": f"{self.folder}"}}
        return {
            "route_config_name": name,
            "config_source": {"resource_api_version": "V3", "path_config_source": place},
        }

    def share(self, share: Fraction) -> None:
        """Sample another share."""
        changed = copy.deepcopy(self._first)
        for each in changed.values():
            for route in each["virtual_hosts"][0]["routes"]:
                for header in route["match"].get("headers", ()):
                    if header["name"] == "x-request-id":
                        header["string_match"]["safe_regex"]["regex"] = sampled_ids(share)
        self.write({name: resource(routes) for name, routes in changed.items()})

    def write(self, texts: Mapping[str, str]) -> None:
        """Put these files in the place of those before."""
        self._times += 1
        files = self.folder / f"..{self._times}"
        files.mkdir()
        for name, text in texts.items():
            (files / name).write_text(text)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        (self.folder / "..new").symlink_to(files.name)
        os.rename(self.folder / "..new", self.folder / "..data")  # noqa: PTH104


def managers(listener: dict[str, Any]) -> list[dict[str, Any]]:
    """The connection managers of a listener that have routes of their own."""
    found = (
        each["typed_config"] for chain in listener["filter_chains"] for each in chain["filters"]
    )
    return [each for each in found if "route_config" in each]


def resource(routes: Mapping[str, Any]) -> str:
    kind = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    return json.dumps({"resources": [{"@type": kind, **routes}]})


class Asked:
    """Asks without a pause until it has ended, and counts the answers by status."""

    def __init__(self, proxy: Proxied) -> None:
        self._proxy, self._ends = proxy, False
        self.statuses = Counter[int]()

    async def run(self) -> None:
        """Ask with an id that is never sampled."""
        while not self._ends:
            headers = {"x-request-id": "others-ffff"}
            answer = await self._proxy.ask(self._proxy.ports.live, headers=headers)
            self.statuses[answer.status] += 1

    def end(self) -> None:
        """Ask no more."""
        self._ends = True


async def sampled(proxy: Proxied, receiver: Receiver, name: str) -> int:
    """How many of `OF` requests are sampled."""
    ids = [f"{name}-{number * 65_536 // OF:04x}" for number in range(OF)]
    for each in ids:
        await proxy.ask(proxy.ports.live, headers={"x-request-id": each})

    async def came() -> bool:
        return all(receiver.of(each) for each in ids)

    await eventually(came, "all records")
    return sum("seq" in record.said for each in ids for record in receiver.of(each))


async def takes(proxy: Proxied, receiver: Receiver, name: str, expected: int) -> None:
    """Wait until so many are sampled."""
    tries = 0

    async def is_taken() -> bool:
        nonlocal tries
        tries += 1
        return await sampled(proxy, receiver, f"{name}-{tries}") == expected

    await eventually(is_taken, f"{expected} of {OF} are sampled")


def test_another_share_comes_by_a_file_and_costs_no_answer(tmp_path: Path) -> None:
    async def story() -> None:
        routes = Routes(tmp_path)
        async with (
            observed(Capture(sample=FIRST), change=routes.take) as pod,
            pod.receiving() as receiver,
        ):
            proxy, asked = pod.proxy, Asked(pod.proxy)
            live = proxy.ports.live
            assert await sampled(proxy, receiver, "first") == 26
            slow = asyncio.create_task(proxy.ask(live, "/?delay=3"))
            others = asyncio.create_task(asked.run())

            routes.share(NEXT)
            await takes(proxy, receiver, "next", 128)
            routes.write({"live": "{broken", "shadow": "{broken"})
            assert await sampled(proxy, receiver, "broken") == 128
            routes.share(LAST)
            await takes(proxy, receiver, "last", 64)

            asked.end()
            await others
            assert (await slow).status == 200
            assert set(asked.statuses) == {200}
            assert proxy.process.poll() is None

    asyncio.run(story())
