"""What a captured request becomes in the real Envoy, and that users notice nothing of it."""

import asyncio
import base64
import contextlib
import gzip
import socket
import ssl
import uuid
from collections.abc import Coroutine
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from model_rollouts.api.runtimes import Stage
from model_rollouts.observer.protocols.server_timing import stages_of
from model_rollouts.resources.capture import Capture
from tests.resources.access_log import WARM_UP, Receiver, Record
from tests.resources.envoy import PATIENCE_S, POD, REVISION, Proxied, eventually
from tests.resources.observed import MODEL, NAMESPACE, observed

pytestmark = pytest.mark.timeout(120)

KIB = 1024
LIMIT = Capture(sample=Fraction(1), max_body=4 * KIB)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


async def _model(request: web.Request) -> web.StreamResponse:
    """Answers with what it is sent, or as the path says."""
    body = await request.read()
    if request.path == "/fails":
        return web.Response(status=500, body=b"out of memory")
    if request.path == "/hangs":
        await asyncio.sleep(60)
    return web.Response(body=body)


async def _asked(
    proxy: Proxied, body: bytes, path: str = "/", *, port: int | None = None, **headers: str
) -> tuple[str, bytes]:
    """The id of a request that posted `body`, and its answer."""
    request_id = str(uuid.uuid4())
    headers = {"x-request-id": request_id, **headers}
    url = proxy.url(port or proxy.ports.live, path)
    async with proxy.session.post(url, data=body, headers=headers) as answer:
        return request_id, await answer.read()


async def _record(receiver: Receiver, request_id: str) -> Record:
    async def came() -> bool:
        return bool(receiver.of(request_id))

    await eventually(came, "a record")
    (found,) = receiver.of(request_id)
    return found


def _body(record: Record, side: str) -> bytes:
    text = record.said[side]
    is_base64 = record.said.get(f"{side}_base64", False)
    return base64.b64decode(text) if is_base64 else text.encode()


ODD_BODIES = {
    "empty": b"",
    "JSON": b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [0.1]}]}',
    "characters of two to four bytes": "é€😀".encode() * 100,
    "gzip": gzip.compress(b'{"inputs": []}' * 20),
    "zeros and all other bytes": bytes(range(256)) * 4,
    "a zero in text": b'{"a": "\0"}',
    "overlong": b"ok \xc0\xaf",
    "a surrogate": b"ok \xed\xa0\x80",
    "too large for Unicode": b"ok \xf4\x90\x80\x80",
    "a character without its end": b"ok \xe2\x82",
    "as long as the limit": b"x" * (4 * KIB),
}


def test_bodies_come_whole_whatever_is_in_them() -> None:
    async def scenario() -> None:
        async with observed(LIMIT, model=_model) as pod, pod.receiving() as receiver:
            for title, body in ODD_BODIES.items():
                request_id, answer = await _asked(pod.proxy, body)
                record = await _record(receiver, request_id)

                assert answer == body, title
                assert (_body(record, "in"), _body(record, "out")) == (body, body), title
                lengths = (record.said["in_length"], record.said["out_length"])
                assert lengths == (len(body), len(body)), title

    run(scenario())


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀"])
def test_a_longer_body_is_cut_between_characters(letter: str) -> None:
    async def scenario() -> None:
        async with observed(LIMIT, model=_model) as pod, pod.receiving() as receiver:
            for before in range(4):
                body = b"." * before + letter.encode() * 3000
                request_id, answer = await _asked(pod.proxy, body)
                record = await _record(receiver, request_id)

                kept = _body(record, "in")
                assert answer == body
                assert body.startswith(kept)
                if len(body) > 4 * KIB:
                    assert 4 * KIB - len(letter.encode()) < len(kept) <= 4 * KIB
                assert record.said["in_length"] == record.body_bytes[0] == len(body)
                assert "in_base64" not in record.said

    run(scenario())


def test_what_failed_is_recorded_as_what_it_was() -> None:
    async def scenario() -> None:
        async with observed(model=_model) as pod, pod.receiving() as receiver:
            failed, _ = await _asked(pod.proxy, b"in", "/fails")
            async with pod.proxy.session.get(pod.proxy.url(pod.proxy.ports.live)) as answer:
                prediction = answer.headers["x-prediction-id"]
            patience = aiohttp.ClientTimeout(total=0.5)
            with pytest.raises(TimeoutError):
                async with pod.proxy.session.post(
                    pod.proxy.url(pod.proxy.ports.live, "/hangs"),
                    data=b"in",
                    headers={"x-request-id": "left"},
                    timeout=patience,
                ):
                    pass

            error = await _record(receiver, failed)
            assert (error.code, error.model_gone, error.said["out"]) == (
                500,
                False,
                "out of memory",
            )
            bare = await _record(receiver, prediction.rpartition(".")[2])
            assert (bare.said["in"], bare.said["in_length"]) == ("", 0)
            assert bare.prediction == prediction
            left = await _record(receiver, "left")
            assert (left.code, left.client_left, left.said["in"]) == (0, True, "in")
            assert "out" not in left.said
            # What did not end has no number, and is known to be sampled.
            assert ("seq" in left.said, left.said["boot"]) == (False, error.said["boot"])

    run(scenario())


def test_a_model_that_is_gone_is_told_from_one_that_fails() -> None:
    async def scenario() -> None:
        async with (
            observed(model=_model, change=_model_elsewhere) as pod,
            pod.receiving() as receiver,
        ):
            request_id, answer = await _asked(pod.proxy, b"in")

            record = await _record(receiver, request_id)
            assert (record.code, record.model_gone) == (503, True)
            assert (record.said["in"], _body(record, "out")) == ("in", answer)

    run(scenario())


def test_events_are_not_held_back() -> None:
    async def scenario() -> None:
        go_on = asyncio.Event()

        async def model(request: web.Request) -> web.StreamResponse:
            if request.path == WARM_UP:
                return web.Response()
            answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await answer.prepare(request)
            await answer.write(b"data: 1\n\n")
            await go_on.wait()
            await answer.write(b"data: 2\n\n")
            return answer

        async with observed(model=model) as pod, pod.receiving() as receiver:
            url, headers = pod.proxy.url(pod.proxy.ports.live), {"x-request-id": "events"}
            async with pod.proxy.session.get(url, headers=headers) as answer:
                assert await answer.content.readuntil(b"\n\n") == b"data: 1\n\n"
                go_on.set()
                assert await answer.read() == b"data: 2\n\n"

            record = await _record(receiver, "events")
            assert record.said["out"] == "data: 1\n\ndata: 2\n\n"

    run(scenario())


def test_both_arms_sample_the_same_requests_and_tell_of_all() -> None:
    async def scenario() -> None:
        share = Capture(sample=Fraction(1, 4), slice_header="X-Tenant")
        async with observed(share, model=_model) as pod, pod.receiving() as receiver:
            ports = pod.proxy.ports
            ids = [f"request-{digits:04x}" for digits in range(0, 65_536, 1024)]
            ids += ["request-3fff", "request-3FFF", "request-4000", "no-number"]
            for request_id in ids:
                for port in (ports.live, ports.shadow):
                    headers = {"x-request-id": request_id, "x-tenant": "a" * 70}
                    await _asked(pod.proxy, b"in", port=port, **headers)

            async def all_came() -> bool:
                return len(receiver.records) == 2 * len(ids)

            await eventually(all_came, "a record of each request")
            sampled = {
                listener: [
                    r.request_id
                    for r in receiver.records
                    if r.listener == listener and "in" in r.said
                ]
                for listener in ("live", "shadow")
            }
            expected = [*ids[:16], "request-3fff", "request-3FFF"]
            assert sampled == {"live": expected, "shadow": expected}
            # What is not sampled has its slice, and nothing else.
            others = [record.said for record in receiver.records if "in" not in record.said]
            assert others == [{"slice": "a" * 40}] * (2 * (len(ids) - len(expected)))
            assert {r.said["slice"] for r in receiver.records} == {"a" * 40}

    run(scenario())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"gold", {"slice": "gold"}),
        (b"\xc3\xa9t\xc3\xa9", {}),
        (b"a\xff", {"slice": "a"}),
    ],
)
def test_a_slice_of_other_letters_harms_no_record(value: bytes, said: dict[str, str]) -> None:
    async def scenario() -> None:
        with_slice = Capture(slice_header="x-tenant")
        async with observed(with_slice, model=_model) as pod, pod.receiving() as receiver:
            reader, writer = await asyncio.open_connection("127.0.0.1", pod.proxy.ports.live)
            lines = (b"GET / HTTP/1.1", b"host: m", b"x-request-id: odd", b"x-tenant: " + value)
            writer.write(b"\r\n".join([*lines, b"", b""]))
            assert (await reader.readline()).split()[1] == b"200"
            writer.close()

            assert (await _record(receiver, "odd")).said == said

    run(scenario())


def test_records_are_numbered_and_a_gap_is_a_loss() -> None:
    async def scenario() -> None:
        async with observed(model=_model) as pod:
            async with pod.receiving() as receiver:
                first = [(await _asked(pod.proxy, b""))[0] for _ in range(3)]
                before = [(await _record(receiver, each)).said for each in first]
            known = pod.warm_ups["live"]
            for _ in range(5):
                await _asked(pod.proxy, b"")
            async with pod.receiving() as receiver:
                after = (await _record(receiver, (await _asked(pod.proxy, b""))[0])).said

            assert {said["boot"] for said in (*before, after)} == {after["boot"]}
            assert [said["seq"] - known for said in before] == [1, 2, 3]
            assert after["seq"] == before[-1]["seq"] + 5 + (pod.warm_ups["live"] - known) + 1

    run(scenario())


def test_a_slow_answer_is_numbered_when_it_ends_and_leaves_no_gap() -> None:
    async def scenario() -> None:
        go_on = asyncio.Event()

        async def model(request: web.Request) -> web.StreamResponse:
            if request.path == "/slow":
                await go_on.wait()
            return web.Response()

        async with observed(model=model) as pod, pod.receiving() as receiver:
            slow = asyncio.create_task(_asked(pod.proxy, b"", "/slow"))
            ids = [(await _asked(pod.proxy, b""))[0] for _ in range(2)]
            fast = [(await _record(receiver, each)).said["seq"] for each in ids]
            go_on.set()
            late = (await _record(receiver, (await slow)[0])).said["seq"]

            known = pod.warm_ups["live"]
            assert [*fast, late] == [known + 1, known + 2, known + 3]

    run(scenario())


def test_a_restart_has_another_boot() -> None:
    async def boot() -> str:
        async with observed(model=_model) as pod, pod.receiving() as receiver:
            request_id, _ = await _asked(pod.proxy, b"")
            record = await _record(receiver, request_id)
            assert record.said["seq"] == pod.warm_ups["live"] + 1
            found: str = record.said["boot"]
            return found

    boots = {asyncio.run(boot()) for _ in range(2)}
    assert len(boots) == 2
    assert all(len(each) == 16 for each in boots)


def test_without_a_share_only_what_is_no_content_is_told() -> None:
    async def scenario() -> None:
        async with observed(Capture(), model=_model) as pod, pod.receiving() as receiver:
            request_id, _ = await _asked(pod.proxy, b"secret")

            record = await _record(receiver, request_id)
            assert record.said == {}
            assert (record.listener, record.code, record.body_bytes) == ("live", 200, (6, 6))

    run(scenario())


def test_who_speaks_is_told_with_the_token_of_the_moment() -> None:
    async def scenario() -> None:
        claims = {"namespace": NAMESPACE, "model": MODEL, "revision": REVISION}
        async with observed(model=_model) as pod:
            async with pod.receiving() as receiver:
                for stream in receiver.streams:
                    assert stream["authorization"] == "Bearer token-1"
                    assert stream["node"] == (POD, REVISION, claims)
            pod.token.write("token-2")

            async def renewed() -> bool:
                async with pod.receiving() as receiver:
                    return any(s["authorization"] == "Bearer token-2" for s in receiver.streams)

            await eventually(renewed, "a stream with the new token")

    run(scenario())


def test_a_token_is_shown_to_nobody_with_another_certificate() -> None:
    async def scenario() -> None:
        strangers = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        strangers.issue_cert("localhost").configure_cert(context)
        async with observed(model=_model) as pod:
            stranger = asyncio.create_task(asyncio.to_thread(_shake_hands, pod.port, context))
            while not stranger.done():
                _, answer = await _asked(pod.proxy, b"in")
                assert answer == b"in"
            assert "unknown ca" in await stranger

    run(scenario())


def _shake_hands(port: int, context: ssl.SSLContext) -> str:
    """What the first who connects says of the certificate."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(PATIENCE_S)
        connection, _ = server.accept()
        with connection:
            try:
                context.wrap_socket(connection, server_side=True)
            except ssl.SSLError as error:
                return f"{error}"
    return "it is good"


@pytest.mark.parametrize("state", ["absent", "hangs"])
def test_users_notice_no_observer_that_is_absent_or_hangs(state: str) -> None:
    """12 MiB of bodies meet an observer that takes none: answers are whole, memory is bounded."""

    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            pod = await stack.enter_async_context(observed(model=_model))
            if state == "hangs":
                receiver = await stack.enter_async_context(pod.receiving())
                receiver.reads.clear()
            body = b"x" * (64 * KIB)
            for _ in range(10):
                await _asked(pod.proxy, body)
            before = _memory_kib(pod.proxy)

            for _ in range(96):
                _, answer = await _asked(pod.proxy, body)
                assert answer == body

            # What waits is at most 1 MiB; 12 MiB were to be sent.
            assert _memory_kib(pod.proxy) - before < 8 * KIB

    run(scenario())


def _memory_kib(proxy: Proxied) -> int:
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _model_elsewhere(config: dict[str, Any]) -> None:
    """Point the clusters of the model at a port where nothing listens."""
    for cluster in config["static_resources"]["clusters"]:
        if cluster["name"] in ("live", "shadow"):
            (endpoints,) = cluster["load_assignment"]["endpoints"]
            (endpoint,) = endpoints["lb_endpoints"]
            endpoint["endpoint"]["address"]["socket_address"]["port_value"] = 1


def test_times_that_the_model_tells_come_with_every_record_and_reach_the_client() -> None:
    async def timed(_: web.Request) -> web.Response:
        answer = web.Response()
        answer.headers.add("Server-Timing", "pre;dur=1.2")
        answer.headers.add("Server-Timing", 'predict;desc="a, b";dur=5')
        return answer

    async def scenario() -> None:
        async with observed(Capture(), model=timed) as pod, pod.receiving() as receiver:
            for port in (pod.proxy.ports.live, pod.proxy.ports.shadow):
                request_id = str(uuid.uuid4())
                headers = {"x-request-id": request_id}
                answer = await pod.proxy.ask(port, headers=headers)
                assert len(answer.headers.getall("Server-Timing")) == 2
                record = await _record(receiver, request_id)
                stages = stages_of(record.timing)
                assert stages == {Stage.PREPROCESS: 0.0012, Stage.PREDICT: 0.005}

    run(scenario())
