"""The whole operator on a real API server, with controllers, users and a Prometheus beside it."""

import asyncio
import contextlib
import copy
import gc
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from ephemeral_port_reserve import reserve
from prometheus_client.parser import text_string_to_metric_families

from e2e.fixtures import ApiServer
from model_rollouts.api.group import GROUP, KIND, VERSION
from model_rollouts.api.status import Status
from model_rollouts.cluster.kinds import HTTP_ROUTE, MODEL_DEPLOYMENT
from model_rollouts.cluster.leases import LeaseName
from model_rollouts.engine.outage import OwnPod
from model_rollouts.engine.wiring import Options, core, operate
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.series import LabelNames
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout.plan import Settings
from model_rollouts.rollout.state.state import Pace
from model_rollouts.routes import reader
from model_rollouts.routes.features import MIRROR, MIRROR_PERCENT, MIRRORS
from tests.conditions_check import broken_rules
from tests.engine.controllers import IMAGE, Controllers, Direct, background
from tests.engine.standin_prometheus import OBSERVER, StandinPrometheus
from tests.engine.test_cluster_checks import World as Gateways
from tests.gateways import ENVOY_GATEWAY
from tests.kubernetes_clients import until

MARKS = [
    pytest.mark.whole,
    # A request that is cancelled closes its connection by a goodbye over TLS, and asyncio has no
    # way to wait for it: on a busy machine the loop of a test ends before the API server answers.
    # `test_watching` holds the operator's own watches to leaving none open.
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

NAME = "arrival"
SETTINGS = Settings(
    ProxySettings("envoy@sha256:" + 64 * "0"),
    Grid(step_ms=1_000),
    # Pods are warm at once here, and samples come every second.
    Pace(stage_seconds=1.0, warmup_ms=0),
    sparing_ms=2_000,
)
OFF: dict[str, Any] = {"percent": 0}
ON: dict[str, Any] = {"sideEffects": "None", "minDuration": "1s"}
PATIENCE_S = 60.0

SPEC: dict[str, Any] = {
    "provenance": {"mode": "Warn", "require": []},
    "replicas": 1,
    "port": 8080,
    "objectives": [{"name": "errors", "type": "Availability", "availability": {"target": "99%"}}],
    "strategy": {
        "canary": {"steps": ["50%"], "minStepDuration": "1s", "warmup": "0s"},
        "watch": {"duration": "0s"},
    },
}


OPERATOR = "operator-0"
"""The name of the pod that the operator takes for its own; there is none."""


class Running:
    """An operator at work."""

    def __init__(self, port: int, work: asyncio.Task[None], stop: Callable[[], None]) -> None:
        self._port = port
        self.work = work
        self.stop = stop
        """Have it end in order; returns at once."""

    async def writes(self) -> Counter[str]:
        """Requests so far that were no reads, by resource, as the operator itself counts them."""
        found: Counter[str] = Counter()
        for labels, value in await self.samples("model_rollouts_api_requests_total"):
            if labels["verb"] not in ("GET", "WATCH"):
                found[labels["resource"]] += round(value)
        return found

    async def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series of a metric of it."""
        _, text = await self.page("metrics")
        return [
            (dict(sample.labels), sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        ]

    async def leads(self) -> bool:
        """Whether it may write; not as long as it does not answer."""
        try:
            found = await self.samples("model_rollouts_is_leader")
        except aiohttp.ClientConnectorError:
            return False
        return [value for _, value in found] == [1.0]

    async def page(self, path: str) -> tuple[int, str]:
        """Status and text of one of its pages."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self._port}/{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def kill(self) -> None:
        """It ends without a word to anybody."""
        self.work.cancel()
        await asyncio.wait({self.work})


class Whole:
    """One ModelDeployment in a namespace of its own, and everything around it."""

    def __init__(
        self, server: ApiServer, direct: Direct, prometheus: StandinPrometheus, name: str = NAME
    ) -> None:
        self.direct = direct
        self.prometheus = prometheus
        self.name = name
        self.written: list[tuple[int, dict[str, Any]]] = []
        """Every status that was written, after the generation of its object."""
        self._server = server

    def beside(self, name: str) -> "Whole":
        """Another ModelDeployment of the same namespace; what is written is noted by the first."""
        return Whole(self._server, self.direct, self.prometheus, name)

    def written_as(
        self,
        version: str,
        steps: tuple[str, ...] = ("50%",),
        *more: dict[str, Any],
        shadow: dict[str, Any] | None = None,
        replicas: int | None = 1,
        extra: int | None = None,
        watch: str = "0s",
        gateway: str = "models",
    ) -> dict[str, Any]:
        """The manifest of a version, with `more` objectives than the one on errors.

        It has no shadow unless one is given, and so many pods (None: it says nothing about them)
        and so many to spare (None: no bound).
        """
        spec = copy.deepcopy(SPEC)
        spec["objectives"] += more
        container = {"name": "model", "image": f"{IMAGE}:{version}"}
        spec |= {"model": {"version": version}, "template": {"spec": {"containers": [container]}}}
        spec["strategy"]["canary"]["steps"] = list(steps)
        spec["strategy"]["shadow"] = shadow or OFF
        spec["strategy"]["watch"] = {"duration": watch}
        if replicas is None:
            del spec["replicas"]
        else:
            spec["replicas"] = replicas
        hostnames = [f"{self.name}.example.com"]
        spec["route"] = {"parentRefs": [{"name": gateway}], "hostnames": hostnames}
        if extra is not None:
            spec["strategy"]["maxExtraReplicas"] = extra
        metadata = {"namespace": self.direct.namespace, "name": self.name}
        api = f"{GROUP}/{VERSION}"
        return {"apiVersion": api, "kind": KIND, "metadata": metadata, "spec": spec}

    async def apply(self, version: str, *more: Any, **options: Any) -> None:
        """Apply the manifest of a version; `written_as` has the options."""
        await self.direct.apply(self.written_as(version, *more, **options))

    @contextlib.asynccontextmanager
    async def operator(
        self,
        release: str = "test",
        *,
        leased: bool = False,
        kubeconfig: Path | None = None,
        clock: Callable[[], float] = time.time,
        settings: Settings = SETTINGS,
        observer_http_address: str | None = None,
    ) -> AsyncIterator[Running]:
        """An operator with no memory of its own; it has ended in order after the context.

        One that is `leased` may be beside another one. `kubeconfig` is another way to the API
        server, `clock` that of its machine (Unix seconds).
        """
        stop, thresholds = asyncio.Event(), gc.get_threshold()
        port = reserve()
        options = Options(
            settings=settings,
            release=release,
            prometheus=ServerOptions(self.prometheus.url, retries=0),
            namespaces=(self.direct.namespace,),
            kubeconfig=kubeconfig or self._server.kubeconfig,
            address="127.0.0.1",
            port=port,
            settle_s=0.25,
            pod=OwnPod(self.direct.namespace, OPERATOR, "0"),
            lease=LeaseName(self.direct.namespace, "model-rollouts") if leased else None,
            batching=Batching(LabelNames(observer=OBSERVER)),
            observer_http_address=observer_http_address,
        )
        running = asyncio.create_task(operate(options, core(settings), stop, clock))
        try:
            yield Running(port, running, stop.set)
        finally:
            stop.set()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            gc.set_threshold(*thresholds)

    async def object(self) -> dict[str, Any]:
        """The ModelDeployment."""
        return await self.direct.get(MODEL_DEPLOYMENT, self.name)

    async def status(self) -> Status:
        """What the status tells now."""
        return Status.model_validate((await self.object()).get("status") or {})

    async def route(self) -> dict[str, Any]:
        """The HTTPRoute."""
        return await self.direct.get(HTTP_ROUTE, self.name)

    async def weights(self) -> dict[str, int]:
        """The weights of the route by revision."""
        return reader.weights(await self.route())

    async def told(self, phase: str, version: str, reason: str | None = None) -> Status:
        """The status once it tells a phase of the spec as it is, with `version` in the history.

        In shadow and canary `version` is the candidate. With `reason`, a condition has that one.
        """

        async def found() -> Status | None:
            obj = await self.object()
            status = Status.model_validate(obj.get("status") or {})
            named = [past.version for past in status.history[:1]]
            if status.candidate is not None and phase in ("Starting", "Shadow", "Canary"):
                named = [status.candidate.version]
            reasons = {each.reason for each in status.conditions}
            is_so = (
                status.phase == phase
                and status.observed_generation == obj["metadata"]["generation"]
                and named == [version]
                and (reason is None or reason in reasons)
            )
            return status if is_so else None

        told = f"the status never told {phase} of {version}, {reason or 'whatever the reason'}"
        try:
            status: Status = await until(found, told, PATIENCE_S)
        except AssertionError as error:
            last = await self.status()
            raise AssertionError(f"{error}; the last: {last.phase}, {last.message}") from error
        return status

    async def reads(self, more: int, seconds: float = 60.0) -> None:
        """Return once samples were read so often again; fails after `seconds`."""
        wanted = len(self.prometheus.asked) + more
        await until(lambda: len(self.prometheus.asked) >= wanted, f"not read {more} times", seconds)

    async def watch(self) -> None:
        """Note every status that is written, until cancelled."""
        last: dict[str, Any] = {}
        async for obj in self.direct.versions("0"):
            status, uid = obj.get("status"), obj["metadata"]["uid"]
            if status and status != last.get(uid):
                self.written.append((obj["metadata"]["generation"], status))
            last[uid] = status

    def has_seen(self, status: dict[str, Any]) -> bool:
        """Whether the watch has told of a status."""
        return any(status == written for _, written in reversed(self.written))

    def unsound(self) -> list[str]:
        """What is wrong with the statuses that were written, in words."""
        wrong = []
        for generation, body in self.written:
            status = Status.model_validate(body)
            rules = broken_rules(
                status.conditions,
                generation=generation,
                observed_generation=status.observed_generation or 0,
            )
            wrong += [f"{status.phase}: {rule}" for rule in rules]
        return wrong


async def promoted(whole: Whole, version: str = "v2") -> None:
    """Wait for the end of the story: all users have the version, and the history tells it."""
    status = await whole.told("Full", version)
    assert status.stable is not None
    assert status.stable.version == version
    assert list(await whole.weights()) == [status.stable.revision]
    assert [(past.version, past.outcome) for past in status.history[:2]] == [
        (version, "Promoted"),
        ("v1", "Promoted"),
    ]


Story = Callable[[Whole], Awaitable[None]]
Play = Callable[[Story], None]


def play(server: ApiServer, namespace: str, story: Story, gateway: str = ENVOY_GATEWAY) -> None:
    """Run a test in a world of its own; every status that was written must be sound.

    `gateway` is the name of its gateway's controller.
    """
    asyncio.run(_played(server, namespace, story, gateway))
    # What `MARKS` excuses is found when it is collected: now, and not in the test that comes next.
    gc.collect()


async def _played(server: ApiServer, namespace: str, story: Story, gateway: str) -> None:
    features = ("HTTPRoute", MIRROR, MIRROR_PERCENT, MIRRORS)
    Gateways(server, namespace).gateway("models", *features, of=gateway)
    async with (
        Direct(server, namespace) as direct,
        StandinPrometheus(namespace).running() as prometheus,
        background(Controllers(direct, prometheus, gateway).run()),
    ):
        whole = Whole(server, direct, prometheus)
        async with background(whole.watch()):
            await story(whole)
            last = [obj["status"] for obj in await direct.all(MODEL_DEPLOYMENT)]
            await until(lambda: all(map(whole.has_seen, last)), "the watch lags")
        assert whole.unsound() == []
        assert prometheus.unanswered == 0, "users were sent where no pod was"
