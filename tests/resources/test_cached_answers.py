"""The cache that docs/fallback.md shows, run as it stands there behind and before a real Envoy."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from e2e.cluster.paths import REPOSITORY
from model_rollouts.resources.fallback import Service
from tests.resources.envoy import LOOPBACK, eventually, free_ports, proxied, serving
from tests.resources.test_fallback_against_envoy import STATIC, counts, to_port

pytestmark = pytest.mark.timeout(60)

_BLOCKS = (REPOSITORY / "docs" / "fallback.md").read_text().split("```yaml\n")[1:]
(_MANIFEST,) = (
    [*yaml.safe_load_all(text)]
    for text in (each.partition("```")[0] for each in _BLOCKS)
    if "serve.py" in text
)
OBJECTS: dict[str, Any] = {each["kind"]: each for each in _MANIFEST}
(CONTAINER,) = OBJECTS["Deployment"]["spec"]["template"]["spec"]["containers"]
SHOWN = {each["name"]: each["value"] for each in CONTAINER["env"]}
KEY = SHOWN["KEY"]
NONE: Mapping[str, str] = MappingProxyType({})


@dataclass
class Cache:
    """The running cache, and who asks it."""

    port: int
    session: aiohttp.ClientSession

    async def ask(
        self, key: str | None = None, *, of: str | None = None, path: str = "/"
    ) -> tuple[int, str, Any]:
        """Status, body and headers; `of`: as a proxy asks in place of that revision."""
        headers = {KEY: key, "x-model-fallback-of": of}
        given = {name: value for name, value in headers.items() if value is not None}
        url = f"http://{LOOPBACK}:{self.port}{path}"
        async with self.session.post(url, data=b"in", headers=given) as answer:
            return answer.status, await answer.text(), answer.headers


@contextlib.asynccontextmanager
async def cache(
    folder: Path, gateway: int, port: int | None = None, changes: Mapping[str, str] = NONE
) -> AsyncIterator[Cache]:
    """The program of the page with its settings, but for where it listens and whom it asks."""
    program = folder / "serve.py"
    program.write_text(OBJECTS["ConfigMap"]["data"]["serve.py"])
    port = port or free_ports(1)[0]
    own = {"PORT": str(port), "GATEWAY": f"{LOOPBACK}:{gateway}", "ADDRESS": LOOPBACK}
    process = subprocess.Popen(
        [sys.executable, program], env={**os.environ, **SHOWN, **own, **changes}
    )
    try:
        async with aiohttp.ClientSession() as session:
            found = Cache(port, session)

            async def listens() -> bool:
                assert process.poll() is None, "the program ended by itself"
                try:
                    return (await found.ask(of="nobody"))[0] == 503
                except aiohttp.ClientError:
                    return False

            await eventually(listens, "the cache listens")
            yield found
    finally:
        process.kill()
        process.wait()


def test_users_get_the_last_good_answer_when_the_model_fails(tmp_path: Path) -> None:
    asked = 0
    fails = False

    async def model(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await request.read()
        text = f"answer {asked} of {request.headers[KEY]}"
        return web.Response(status=500) if fails else web.Response(text=text)

    async def scenario() -> None:
        nonlocal fails
        (port,) = free_ports(1)
        to = Service("rules", 8000)
        chance = replace(STATIC, fallback=replace(STATIC.fallback, to=to, resend=False))
        async with (
            proxied(chance=chance, change=to_port(port), model=model) as proxy,
            cache(tmp_path, proxy.ports.live, port) as kept,
        ):
            for key in ("BA1", "BA2", "BA1"):
                status, text, _ = await kept.ask(key)
                assert status == 200
            assert text == "answer 3 of BA1"

            fails = True
            for key, answer in (("BA1", "answer 3 of BA1"), ("BA2", "answer 2 of BA2")):
                status, text, headers = await kept.ask(key)
                assert (status, text) == (200, answer)
                assert headers["x-model-fallback"] == "Service"
            # Never asked before: there is nothing to give.
            assert (await kept.ask("BA3"))[0] == 503
            await counts(proxy, bad=3, total=6, fallback=3)

            # What a fallback said is no answer of the model, and is not kept in its place.
            fails = False
            assert (await kept.ask("BA1"))[1] == "answer 7 of BA1"

    asyncio.run(scenario())


async def _upstream(request: web.Request) -> web.Response:
    """Answers as many bytes as the path says, with the status that it says."""
    _, size, status = request.path.split("/")
    headers = {"x-model-fallback": "Static"} if status == "999" else {}
    return web.Response(body=b"x" * int(size), status=int(status) % 799, headers=headers)


@contextlib.asynccontextmanager
async def filled(folder: Path, **changes: str) -> AsyncIterator[Cache]:
    """A cache before a gateway that answers whatever is asked for."""
    (gateway,) = free_ports(1)
    async with serving(_upstream, gateway), cache(folder, gateway, None, changes) as found:
        yield found


def test_what_is_kept_is_bounded_and_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path, MOST_BYTES="250") as kept:
            path = "/100/200"
            for key in ("a", "b"):
                await kept.ask(key, path=path)
            await kept.ask("a", of="r", path=path)
            await kept.ask("c", path=path)

            found = [(await kept.ask(key, of="r", path=path))[0] for key in ("a", "b", "c")]
            assert found == [200, 503, 200]
            # An answer that is larger than all there is room for leaves nothing.
            await kept.ask("d", path="/300/200")
            assert (await kept.ask("d", of="r", path="/300/200"))[0] == 503

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("key", "path", "changes"),
    [
        (None, "/1/200", {}),
        ("a", "/1/404", {}),
        # As a fallback answered it.
        ("a", "/1/999", {}),
        ("a", "/1/200", {"MAX_AGE_S": "0"}),
    ],
)
def test_only_what_the_model_said_of_a_key_lately_is_kept(
    tmp_path: Path, key: str | None, path: str, changes: dict[str, str]
) -> None:
    async def scenario() -> None:
        async with filled(tmp_path, **changes) as kept:
            status, _, _ = await kept.ask(key, path=path)
            assert status == int(path[-3:]) % 799

            assert (await kept.ask(key, of="r", path=path))[0] == 503

    asyncio.run(scenario())


def test_the_page_starts_what_it_shows() -> None:
    pod, mounts = OBJECTS["Deployment"]["spec"]["template"]["spec"], CONTAINER["volumeMounts"]
    (service_port,) = OBJECTS["Service"]["spec"]["ports"]

    assert CONTAINER["command"][-1] == f"{mounts[0]['mountPath']}/serve.py"
    assert pod["volumes"][0]["configMap"]["name"] == OBJECTS["ConfigMap"]["metadata"]["name"]
    assert str(service_port["port"]) == SHOWN["PORT"]
