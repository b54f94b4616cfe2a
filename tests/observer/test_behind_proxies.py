"""Two real proxies and a real observer: what is mirrored meets by its id, counted exactly."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from deltalake import DeltaTable

from model_rollouts.observer.capture.receiver import Certificate
from model_rollouts.resources.capture import Capture
from model_rollouts.resources.capture_proxy import Sender
from tests.observer.batches import CANDIDATE, MODEL, NAMESPACE, STABLE, answer
from tests.observer.running import Scraped, eventually, observing, options
from tests.observer.stub_api import StubApi, served
from tests.observer.test_killed import started
from tests.resources.envoy import Proxied, proxied
from tests.resources.observed import Token, on_loopback

pytestmark = pytest.mark.timeout(180)

HOST = "localhost"
ARMS = ("live", "shadow")
COMPARED = {"model_namespace": NAMESPACE, "model": MODEL, "modelrollouts_revision": CANDIDATE}
OTHERWISE, FAILS, LEAVES_OUT = range(0, 100, 10), (3, 13), (5,)
"""Requests that the candidate answers with another label, with 500, and with no output."""
CLOSES, STOPS, WAITS = (6, 16, 26), (7,), (8, 18)
"""Requests on which the candidate closes the connection before and within its answer, and those
that it answers only once whoever mirrors has left."""

BINARY = range(1, 100, 10)
"""Requests that the candidate answers with the same label in a binary tensor."""


async def _stable(_: web.Request) -> web.StreamResponse:
    return web.Response(body=answer("cat"), content_type="application/json")


async def _second(request: web.Request) -> web.StreamResponse:
    """Another pod of stable, which is not sure of itself."""
    number = int(request.path.rpartition("/")[2] or -1)
    return web.Response(body=answer("cow" if number in UNSURE else "cat"))


async def _candidate(request: web.Request) -> web.StreamResponse:
    number = int(request.path.rpartition("/")[2] or -1)
    if number in FAILS:
        return web.Response(status=500)
    if number in WAITS:
        # Cancelled when its proxy closes the connection: whoever asked has left.
        await asyncio.Event().wait()
    if number in CLOSES:
        assert request.transport is not None
        request.transport.abort()
    if number in STOPS:
        begun = web.StreamResponse()
        await begun.prepare(request)
        await begun.write(b'{"outputs":')
        assert request.transport is not None
        request.transport.abort()
        return begun
    if number in LEAVES_OUT:
        return web.json_response({"outputs": []})
    if number in BINARY:
        text = b'{"outputs":[{"name":"species","shape":[1],"datatype":"BYTES",'
        text += b'"parameters":{"binary_data_size":7}}]}'
        headers = {"Inference-Header-Content-Length": f"{len(text)}"}
        return web.Response(body=text + b"\3\0\0\0cat", headers=headers)
    return web.Response(body=answer("dog" if number in OTHERWISE else "cat"))


UNSURE = range(0, 40, 5)
"""Requests that another pod of stable answers with another label than the first one."""
GIVEN_UP_S = 0.3
"""How long a copy is waited for that is never answered."""


class World:
    """The proxies, and the observer that they send to; the third one is of stable again."""

    def __init__(
        self, made: Any, stable: Proxied, candidate: Proxied, second: Proxied | None = None
    ) -> None:
        self.made = made
        self.observer = Scraped(made.metrics_port)
        self._arms = [(stable, stable.ports.live), (candidate, candidate.ports.shadow)]
        if second is not None:
            self._arms.append((second, second.ports.shadow))
        self.sent = 0

    async def ask(self, number: int = -1) -> None:
        """One request with its mirrored copy, as a gateway sends them: with the same id."""
        self.sent += 1
        headers = {"x-request-id": f"request-{self.sent}"}
        timeout = aiohttp.ClientTimeout(total=GIVEN_UP_S if number in WAITS else None)
        live, shadow, *again = (
            proxy.ask(port, f"/{number}", headers=headers, timeout=timeout)
            for proxy, port in self._arms
        )
        for each in again:
            await each
        if number in WAITS:
            await live
            with pytest.raises(TimeoutError):
                await shadow
        elif number in STOPS:
            await live
            with pytest.raises(aiohttp.ClientPayloadError):
                await shadow
        else:
            await asyncio.gather(live, shadow)

    async def connect(self) -> None:
        """Until both proxies have a stream; what they have to tell before, they drop."""

        async def connected() -> bool:
            await self.ask()
            return await self.observer.value("streams") == len(self._arms)

        await eventually(connected)

    async def settled(self, arm: str, kept: Callable[[], Awaitable[float]], **labels: str) -> None:
        """Until each request that was sent is kept, or told as lost; `labels` are of the latter."""
        found: list[float] = []

        async def known() -> bool:
            lost = await self.observer.value("lost_records_total", arm=arm, **labels)
            found[:] = [await kept(), lost]
            return sum(found) >= self.sent

        with contextlib.suppress(TimeoutError):
            await eventually(known)
        assert sum(found) == self.sent, found


@contextlib.asynccontextmanager
async def world(folder: Path, *, asks_twice: bool = False) -> AsyncIterator[World]:
    """Everything but the observer itself."""
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    files = Certificate(folder / "tls.crt", folder / "tls.key")
    files.certificate.write_bytes(b"".join(e.bytes() for e in certificate.cert_chain_pems))
    files.key.write_bytes(certificate.private_key_pem.bytes())
    async with contextlib.AsyncExitStack() as stack:
        stub = StubApi()
        if asks_twice:
            stub.status = {"stable": {"revision": STABLE, "version": "1"}}
            stub.spec["objectives"][0]["disagreement"]["against"] = "Self"
        kubeconfig = await stack.enter_async_context(served(stub, folder))
        made = replace(options(folder, kubeconfig), certificate=files)
        proxies = []
        for pod, revision, model in (
            ("stable-0", STABLE, _stable),
            ("candidate-0", CANDIDATE, _candidate),
            *([("stable-1", STABLE, _second)] if asks_twice else []),
        ):
            place = folder / pod
            place.mkdir()
            token = Token(place)
            token.write(pod)
            ca = authority.cert_pem.bytes().decode()
            capture = Capture(sample=Fraction(1))
            sender = Sender(capture, NAMESPACE, MODEL, HOST, made.port, ca, f"{place}")
            proxy = proxied(
                change=on_loopback, model=model, sender=sender, revision=revision, pod=pod
            )
            proxies.append(await stack.enter_async_context(proxy))
        yield World(made, *proxies)


def rows(folder: Path) -> list[dict[str, Any]]:
    """What the log has of requests, by arm."""
    columns = ["arm", "request_id"]
    table = DeltaTable(str(folder / "log" / "predictions"))
    found: list[dict[str, Any]] = table.to_pyarrow_table(columns=columns).to_pylist()
    return found


def test_mirrored_requests_meet_and_their_disagreements_are_counted_exactly(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as made, observing(made.made) as observer:
            await made.connect()
            for arm in ARMS:
                await made.settled(arm, partial(observer.value, "stored_records_total", arm=arm))
            before = await observer.value("pairs_total", **COMPARED)
            for number in range(100):
                await made.ask(number)

            compared = 100 - len({*CLOSES, *STOPS, *WAITS})
            await observer.shows(before + compared, "pairs_total", **COMPARED)
            odd = len({*OTHERWISE, *FAILS, *LEAVES_OUT})
            await observer.shows(odd, "disagreements_total", **COMPARED)
            for reason, requests in (("no_answer", CLOSES), ("broken_off", (*STOPS, *WAITS))):
                labels = {"reason": f"candidate_{reason}"}
                await observer.shows(len(requests), "unpaired_total", **labels, **COMPARED)
            unpaired = len({*CLOSES, *STOPS, *WAITS})
            await observer.shows(unpaired, "unpaired_total", **COMPARED)
            path = f"/v1/namespaces/{NAMESPACE}/models/{MODEL}/revisions/{CANDIDATE}"
            _, text = await observer.get(f"{path}/disagreements?limit=100")
            whys = [each["why"] for each in json.loads(text)]
            assert {why: whys.count(why) for why in whys} == {
                "differs": len(OTHERWISE),
                "failed": len(FAILS),
                "unreadable": len(LEAVES_OUT),
            }

    asyncio.run(story())


def test_requests_that_stable_answers_twice_count_where_one_version_alone_differs(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with world(tmp_path, asks_twice=True) as made, observing(made.made) as observer:
            await made.connect()
            stable = {**COMPARED, "modelrollouts_revision": STABLE}
            for arm, of in (("live", stable), ("shadow", COMPARED), ("shadow", stable)):
                kept = partial(observer.value, "stored_records_total", arm=arm, **of)
                await made.settled(arm, kept, **of)
            before = await observer.value("pairs_total", **COMPARED)
            for number in range(100):
                await made.ask(number)

            odd = {*OTHERWISE, *FAILS, *LEAVES_OUT}
            unpaired = {*CLOSES, *STOPS, *WAITS}
            for revision, only in (
                (COMPARED, odd - set(UNSURE)),
                (stable, set(UNSURE) - odd - unpaired),
            ):
                await observer.shows(before + 100 - len(unpaired), "pairs_total", **revision)
                await observer.shows(len(only), "disagreements_total", **revision)

    asyncio.run(story())


def test_each_request_is_kept_or_told_as_lost_when_the_observer_is_killed(tmp_path: Path) -> None:
    async def kept(arm: str) -> float:
        return len({each["request_id"] for each in rows(tmp_path) if each["arm"] == arm})

    async def story() -> None:
        async with world(tmp_path) as made:
            process = await started(made.made)
            try:
                await made.connect()
                for _ in range(50):
                    await made.ask()
            finally:
                process.kill()
                await process.wait()
            for _ in range(30):
                await made.ask()
            process = await started(made.made)
            try:
                await made.connect()
                for _ in range(20):
                    await made.ask()
                for arm in ARMS:
                    await made.settled(arm, partial(kept, arm))
                    assert await made.observer.value("lost_records_total", arm=arm) > 0
            finally:
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0

    asyncio.run(story())
