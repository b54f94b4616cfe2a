"""The bootstrap in the real Envoy: what it measures, what it adds and what it leaves alone."""

import asyncio
import json
import time
import uuid
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from model_rollouts.metrics.objectives import COMPLETED, GIVEN_UP, GRPC_ERRORS
from model_rollouts.resources.controller_revision import objects
from model_rollouts.resources.edges import bucket_edge, bucket_edges
from tests.resources.envoy import REVISION, Proxied, eventually, proxied, require_valid
from tests.resources.example import OWNER, stored

pytestmark = pytest.mark.timeout(60)

FOREVER = 60.0
GIVES_UP_AFTER_S = 0.2


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_the_configuration_in_the_pod_is_valid() -> None:
    deployment, *_ = objects(stored(), OWNER)
    (proxy,) = deployment["spec"]["template"]["spec"]["initContainers"]

    require_valid(*proxy["args"])


def test_answers_and_headers() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            headers = {"x-request-id": "not-a-uuid", "x-model-shadow": "true"}
            live = await proxy.ask(proxy.ports.live, headers=headers)
            copy = await proxy.ask(proxy.ports.shadow, headers={"Host": "models-shadow:80"})

            assert live.status == copy.status == 200
            # Which revision answered is told, and the model's own headers stay.
            assert live.headers.getall("x-model-revision") == [REVISION]
            assert "aiohttp" in live.headers["server"]
            assert "x-envoy-upstream-service-time" not in live.headers
            seen = await live.json()
            assert seen["x-request-id"] == "not-a-uuid"
            # A user cannot pass as a copy, and a copy is always known as one.
            assert "x-model-shadow" not in seen
            assert (await copy.json())["x-model-shadow"] == "true"
            assert (await copy.json())["host"] == "models-shadow:80"

    run(scenario())


def test_each_answer_to_a_user_has_a_name_that_begins_with_its_time() -> None:
    async def names_it_itself(_: web.Request) -> web.Response:
        return web.Response(headers={"x-prediction-id": "1", "x-model-revision": "other"})

    async def scenario() -> None:
        async with proxied(model=names_it_itself) as proxy:
            begun = time.time() * 1000
            names = [
                (await proxy.ask(proxy.ports.live, headers=headers)).headers.getall(
                    "x-prediction-id"
                )
                for headers in (
                    {},
                    {"x-request-id": "mine"},
                    {"x-request-id": "a" * 65},
                    {"x-request-id": '"; <b>%REQ(host)%'},
                )
            ]
            ended = time.time() * 1000

            # One each, and not that of the model.
            parts = [name.split(".", 2) for (name,) in names]
            times = [int(at) for at, _, _ in parts]
            assert begun - 1 <= times[0] <= times[-1] <= ended
            assert times == sorted(times)
            assert {revision for _, revision, _ in parts} == {REVISION}
            generated, *given = [request for _, _, request in parts]
            assert str(uuid.UUID(generated)) == generated
            assert given == ["mine", "a" * 64, '"; <b>%REQ(host)%']

    run(scenario())


def test_a_client_cannot_steer_the_router() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            wishes = {
                "x-envoy-upstream-rq-timeout-ms": "1",
                "x-envoy-retry-on": "5xx",
                "x-envoy-max-retries": "5",
                "x-envoy-upstream-alt-stat-name": "mine",
            }
            slow = await proxy.ask(proxy.ports.live, "/?delay=0.1", headers=wishes)
            failed = await proxy.ask(proxy.ports.live, "/?status=503", headers=wishes)

            assert (slow.status, failed.status) == (200, 503)
            total = await _value(proxy, "envoy_cluster_upstream_rq_total", cluster="live")
            assert total == 2

    run(scenario())


def test_users_and_copies_are_counted_apart_under_the_revision() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            live, shadow = proxy.ports.live, proxy.ports.shadow
            for status, times in ((200, 3), (404, 1), (429, 2), (503, 1)):
                for _ in range(times):
                    await proxy.ask(live, f"/?status={status}")
            await proxy.ask(shadow, "/?status=500")

            found = await proxy.samples()
            assert {dict(labels)["modelrollouts_revision"] for _, labels in found} == {REVISION}
            completed = "envoy_http_downstream_rq_completed"
            assert await _value(proxy, completed, listener="live") == 7
            assert await _value(proxy, completed, listener="shadow") == 1
            for listener, counts in {"live": [3, 0, 3, 1], "shadow": [0, 0, 0, 1]}.items():
                for number, wanted in zip("2345", counts, strict=True):
                    metric = "envoy_http_downstream_rq_xx"
                    labels = {"listener": listener, "envoy_response_code_class": number}
                    assert await _value(proxy, metric, **labels) == wanted
            throttled = {"cluster": "live", "envoy_response_code": "429"}
            assert await _value(proxy, "envoy_cluster_upstream_rq", **throttled) == 2
            assert ("envoy_server_uptime", frozenset({_TAG})) in found

    run(scenario())


def test_answers_of_grpc_are_counted_by_status_and_by_nothing_else() -> None:
    """An error in gRPC is an HTTP answer 200, and a model may answer with any text for a status."""

    async def scenario() -> None:
        async with proxied(model=_grpc) as proxy:
            for port, statuses in (
                (proxy.ports.live, ("0", "13", "0", "16", "17", "x")),
                (proxy.ports.shadow, ("14",)),
            ):
                for status in statuses:
                    answer = await proxy.ask(port, f"/m.{status}/{status}", headers=_GRPC)
                    assert answer.status == 200
            await proxy.ask(proxy.ports.live, "/m.Service/None")

            found = {
                (seen["envoy_cluster_name"], seen["envoy_grpc_status"]): value
                for (metric, labels), value in (await proxy.samples()).items()
                if "grpc" in metric and (seen := dict(labels))
            }
            assert found == {
                ("live", "0"): 2,
                ("live", "13"): 1,
                ("live", "16"): 1,
                ("shadow", "14"): 1,
            }
            metrics = {metric for metric, _ in await proxy.samples() if "grpc" in metric}
            assert metrics == {GRPC_ERRORS.metric}

    run(scenario())


def test_a_client_that_gives_up_is_counted() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            patience = aiohttp.ClientTimeout(total=GIVES_UP_AFTER_S)
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await proxy.ask(proxy.ports.live, f"/?delay={FOREVER}", timeout=patience)

            async def counted() -> bool:
                metric = "envoy_http_downstream_rq_rx_reset"
                return await _value(proxy, metric, listener="live") == 3

            await eventually(counted, "three requests given up on")
            completed = "envoy_http_downstream_rq_completed"
            assert await _value(proxy, completed, listener="live") == 0

    run(scenario())


@pytest.mark.parametrize("how", ["closes", "aborts", "breaks the protocol"])
@pytest.mark.parametrize("listener", ["live", "shadow"])
def test_an_answer_that_the_model_breaks_off_counts_as_failed(how: str, listener: str) -> None:
    """Its status was 200, and no client left: it is among requests that were given up on."""

    async def break_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        await answer.write(b"the first half")
        assert request.transport is not None
        if how == "aborts":
            request.transport.abort()
        elif how == "closes":
            request.transport.close()
        else:
            request.transport.write(b"no length of a chunk\r\n")
        return answer

    async def scenario() -> None:
        async with proxied(model=break_off) as proxy:
            port = proxy.ports.live if listener == "live" else proxy.ports.shadow
            for _ in range(3):
                with pytest.raises(aiohttp.ClientPayloadError):
                    await proxy.ask(port)

            async def counted() -> bool:
                given_up = await _value(proxy, GIVEN_UP.metric, listener=listener)
                completed = await _value(proxy, COMPLETED.metric, listener=listener)
                return (given_up, completed) == (3, 3)

            await eventually(counted, "three answers that were broken off")

    run(scenario())


def test_a_threshold_is_counted_exactly() -> None:
    """Answers just over 100 ms are not within 100 ms, though Envoy keeps them in bins of 10 ms."""

    async def scenario() -> None:
        edges = bucket_edges("example", [100])
        async with proxied(edges) as proxy:
            for delay in (0.0, 0.0, 0.0, 0.102, 0.102):
                await proxy.ask(proxy.ports.live, f"/?delay={delay}")

            async def flushed() -> bool:
                metric = "envoy_http_downstream_rq_time_count"
                return await _value(proxy, metric, listener="live") == 5

            await eventually(flushed, "five answers in the histogram")
            bucket = "envoy_http_downstream_rq_time_bucket"
            within = await _value(proxy, bucket, listener="live", le=str(bucket_edge(100)))
            # The first three may take long on a busy machine; the others are slow for certain.
            assert within <= 3
            exported = {
                dict(labels)["le"]
                for metric, labels in await proxy.samples()
                if metric == bucket and ("envoy_http_conn_manager_prefix", "live") in labels
            }
            assert exported == {*map(str, edges), "+Inf"}

    run(scenario())


def test_only_the_metrics_of_the_admin_interface_are_reachable() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            refused = (
                "/",
                "/config_dump",
                "/stats",
                "/stats/prometheus/",
                "/stats/prometheus/../../config_dump",
                "/stats/prometheus%2f..%2f..%2fconfig_dump",
            )
            for path in refused:
                url = URL(proxy.url(proxy.ports.metrics, path), encoded=True)
                async with proxy.session.get(url) as answer:
                    assert answer.status == 404, path
            for path in ("/quitquitquit", "/healthcheck/fail", "/stats/prometheus"):
                url = URL(proxy.url(proxy.ports.metrics, path))
                async with proxy.session.post(url) as answer:
                    assert answer.status == 404, path
            assert (await proxy.ask(proxy.ports.metrics, "/stats/prometheus")).status == 200

    run(scenario())


def test_a_kept_connection_is_left_after_its_age_and_never_in_the_middle() -> None:
    """What empties an ending pod: the answer says `close`, so no request meets a closed door."""

    async def scenario() -> None:
        async with proxied(change=_age_of_one_second) as proxy:

            async def asked_to_leave() -> bool:
                answer = await proxy.ask(proxy.ports.live)
                assert answer.status == 200
                return answer.headers.get("connection") == "close"

            await eventually(asked_to_leave, "the client is asked to connect anew")
            # A request that is under way at that age is answered; the next one is told.
            slow = await proxy.ask(proxy.ports.live, "/?delay=1.2")
            assert (slow.status, slow.headers.get("connection")) == (200, None)
            assert await asked_to_leave()

    run(scenario())


def test_only_a_request_on_which_nothing_moves_is_cut() -> None:
    async def scenario() -> None:
        async with proxied(change=_patience_of_half_a_second, model=_dripping) as proxy:
            moving = await proxy.ask(proxy.ports.live, "/?first=0")
            silent = await proxy.ask(proxy.ports.live, f"/?first={FOREVER}")

            assert (moving.status, await moving.text()) == (200, "token " * 5)
            assert silent.status == 504

    run(scenario())


def test_answers_of_a_model_that_is_not_there_say_which_revision_failed() -> None:
    async def scenario() -> None:
        async with proxied(change=_model_elsewhere) as proxy:
            answer = await proxy.ask(proxy.ports.live)

            assert (answer.status, answer.headers["x-model-revision"]) == (503, REVISION)
            assert f".{REVISION}." in answer.headers["x-prediction-id"]

    run(scenario())


_TAG = ("modelrollouts_revision", REVISION)
_LONG_NAMES = {"listener": "envoy_http_conn_manager_prefix", "cluster": "envoy_cluster_name"}


async def _value(proxy: Proxied, metric: str, **labels: str) -> float:
    wanted = {_LONG_NAMES.get(name, name): value for name, value in labels.items()}
    return (await proxy.samples())[metric, frozenset({_TAG, *wanted.items()})]


async def _dripping(request: web.Request) -> web.StreamResponse:
    """Answers after `first` seconds, in parts that take a second in all."""
    await asyncio.sleep(float(request.query["first"]))
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(5):
        await asyncio.sleep(0.2)
        await answer.write(b"token ")
    return answer


_GRPC = {"content-type": "application/grpc"}


async def _grpc(request: web.Request) -> web.StreamResponse:
    """Answers as a gRPC server does that has only a status to tell: the last part of the path."""
    if request.headers.get("content-type") != _GRPC["content-type"]:
        return web.Response()
    return web.Response(headers={**_GRPC, "grpc-status": request.path.rpartition("/")[2]})


def _age_of_one_second(config: dict[str, Any]) -> None:
    _replace(config, '"max_connection_duration": "10s"', '"max_connection_duration": "1s"')


def _patience_of_half_a_second(config: dict[str, Any]) -> None:
    _replace(config, '"300s"', '"0.5s"')


def _replace(config: dict[str, Any], what: str, by: str) -> None:
    text = json.dumps(config)
    assert what in text
    config.update(json.loads(text.replace(what, by)))


def _model_elsewhere(config: dict[str, Any]) -> None:
    """Point the clusters of the model at a port where nothing listens."""
    for cluster in config["static_resources"]["clusters"]:
        if cluster["name"] != "admin":
            (endpoints,) = cluster["load_assignment"]["endpoints"]
            (endpoint,) = endpoints["lb_endpoints"]
            endpoint["endpoint"]["address"]["socket_address"]["port_value"] = 1
