"""Whole days of the log beside the reference: what moved is named, or why nothing is known."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.requests import Requests
from model_rollouts.observer.distributions import Dataset, Numbers, Reference, write
from model_rollouts.observer.distributions.reference import FORMAT, FORMAT_VERSION
from model_rollouts.observer.exporter.counters import Counters
from model_rollouts.observer.exporter.http import application
from model_rollouts.observer.inputs import DAYS, InputsReport, InputWatch
from model_rollouts.observer.protocols import Tensor
from model_rollouts.observer.settings import Models
from model_rollouts.observer.store.chunk import Chunk, Schemas
from model_rollouts.observer.store.table import PredictionTable
from tests.observer.batches import MODEL, NAMESPACE
from tests.observer.store.test_table import ROW
from tests.observer.stub_api import StubApi, served

DAY_S = 86_400
MONDAY = datetime(2023, 11, 13, tzinfo=UTC).timestamp()
AFTER = MONDAY + DAYS * DAY_S + 3_600
"""An hour into the day after the week."""

CONTENT = write(
    Reference(
        FORMAT,
        FORMAT_VERSION,
        2_400,
        Dataset("sha256:" + "a" * 64),
        (
            Numbers("hour", (0, 6, 12, 18, 23), (600, 600, 600, 600), is_whole=True),
            Numbers("miles", (0, 500, 1_000), (1_200, 1_200)),
            Numbers("unkept", (0, 1, 1), (1_200, 1_200)),
        ),
        importances={"hour": 0.5},
    )
)
ASKED = {
    "configMap": "iris-2",
    "digest": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
}
KEY = (NAMESPACE, MODEL)


def write_days(root: str, days: range, shift: int = 0) -> None:
    """A request each 6 min of each day, with its hour, which is `shift` later than it is."""
    table, schemas = PredictionTable(root, f"observer-{days.start}"), Schemas()
    table.open()
    for day in days:
        made = Chunk()
        start = MONDAY + day * DAY_S
        for number in range(240):
            hour = (number // 10 + shift) % 24
            inputs = [
                Tensor("hour", 1, 1, [float(hour)], False),
                Tensor("miles", 1, 1, [float(number * 4 % 1_000)], False),
            ]
            schema = schemas.of(NAMESPACE, MODEL, inputs, [])
            assert schema is not None
            made.schemas[schema.digest] = schema
            row = ROW._replace(
                request_id=f"{day}-{number}",
                namespace=NAMESPACE,
                model=MODEL,
                time_us=int((start + number * 360) * 1e6),
                date=datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%d"),
                schema=schema.digest,
            )
            made.add(row, inputs, [])
            # Mirrored requests are not what users ask.
            made.add(
                row._replace(arm="shadow"), [each._replace(values=[3.0]) for each in inputs], []
            )
        table.commit(made)


class World:
    """An observer's watch of inputs, the API server that it asks, and its clock."""

    def __init__(self, api: StubApi, client: ClusterClient, root: str) -> None:
        self.api = api
        self.now = AFTER
        self.models = Models(client)
        self.client = client
        self.root = root
        self.watch = self.restarted()

    def restarted(self) -> InputWatch:
        """A new process with the same log."""
        self.registry = CollectorRegistry()
        return InputWatch(
            self.client, self.models, Counters(self.registry), self.root, {}, lambda: self.now
        )

    async def report(self) -> InputsReport:
        """After a look."""
        # Of a revision that the status does not name the spec is read at once.
        await self.models.load(KEY, "new")
        await self.watch.look()
        return self.watch.reports[KEY]


@asynccontextmanager
async def world(folder: Path, root: Path) -> AsyncIterator[World]:
    api = StubApi()
    api.spec["model"]["reference"] = ASKED
    api.config_maps["iris-2"] = {"reference.json": CONTENT.decode()}
    async with served(api, folder) as kubeconfig:
        requests = Requests(await connection.load(kubeconfig), user_agent="test")
        async with ClusterClient(requests) as client:
            yield World(api, client, str(root))


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("week")
    write_days(str(root), range(DAYS))
    return root


def tell(folder: Path, root: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with world(folder, root) as made:
            await story(made)

    asyncio.run(whole())


def test_a_week_like_the_training_data_moved_nothing(tmp_path: Path, week: Path) -> None:
    async def story(world: World) -> None:
        report = await world.report()

        assert (report.why, report.since, report.until) == ("", "2023-11-13", "2023-11-19")
        assert report.requests == DAYS * 240
        assert {each.name: each.moved for each in report.inputs} == {"hour": False, "miles": False}
        assert report.absent == ("unkept",)

    tell(tmp_path, week, story)


def test_what_moved_is_named_in_a_series_and_by_http(tmp_path: Path) -> None:
    root = tmp_path / "log"
    write_days(str(root), range(3))
    write_days(str(root), range(3, DAYS), shift=6)
    # Of 24 hours none are from 0 to 5 on these days.
    reference = msgspec.json.decode(CONTENT)
    reference["inputs"][0]["counts"] = [0, 800, 800, 800]
    content = json.dumps(reference)

    async def story(world: World) -> None:
        world.api.config_maps["iris-2"] = {"reference.json": content}
        digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        world.api.spec["model"]["reference"] = {**ASKED, "digest": digest}
        await world.report()
        registry = world.registry
        served_ = application(registry, {}, world.watch.reports, lambda: "")
        async with TestClient(TestServer(served_)) as http:
            answer = await http.get(f"/v1/namespaces/{NAMESPACE}/models/{MODEL}/inputs")
            found: dict[str, Any] = await answer.json()
            other = await http.get(f"/v1/namespaces/{NAMESPACE}/models/other/inputs")

        assert other.status == 404
        first = found["inputs"][0]
        assert (first["name"], first["moved"], first["importance"]) == ("hour", True, 0.5)
        assert first["sentence"] == "25 % in 0-5, was 0 %"
        labels = {"model_namespace": NAMESPACE, "model": MODEL, "input": "hour"}
        of = "model_rollouts_observer_input"
        assert registry.get_sample_value(f"{of}_moved", labels) == 1
        assert registry.get_sample_value(f"{of}_distance", labels) == pytest.approx(0.25)

        del world.api.spec["model"]["reference"]
        await world.models.load(KEY, "newer")
        await world.watch.look()

        assert world.watch.reports == {}
        assert registry.get_sample_value(f"{of}_moved", labels) is None

    tell(tmp_path, root, story)


def test_a_day_is_counted_once_and_again_after_a_restart(
    tmp_path: Path, week: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    before = InputWatch._counted

    def counts(self: InputWatch, key: Any, day: datetime, like: Reference) -> bytes | None:
        counted.append(day.day)
        return before(self, key, day, like)

    monkeypatch.setattr(InputWatch, "_counted", counts)

    async def story(world: World) -> None:
        first = await world.report()
        again = await world.report()
        assert counted == [13, 14, 15, 16, 17, 18, 19]
        world.watch = world.restarted()
        assert await world.report() == first == again
        assert len(counted) == 2 * DAYS

        world.now += DAY_S
        later = await world.report()
        # Of the days, six are known.
        assert counted[2 * DAYS :] == [20]
        assert later.inputs == ()

    tell(tmp_path, week, story)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda api: api.config_maps.clear(),
            "ConfigMap models/iris-2 is not there: write kubectl",
        ),
        (lambda api: setattr(api, "forbids_config_maps", True), "apply the Role in docs/shifts.md"),
        (
            lambda api: api.config_maps["iris-2"].pop("reference.json"),
            "ConfigMap models/iris-2 has no key reference.json",
        ),
        (
            lambda api: api.config_maps.update({"iris-2": {"reference.json": "{}"}}),
            "spec.model.reference.digest is sha256:",
        ),
    ],
)
def test_what_keeps_it_from_looking_is_said_and_may_end(
    tmp_path: Path, week: Path, change: Callable[[StubApi], Any], why: str
) -> None:
    async def story(world: World) -> None:
        change(world.api)
        report = await world.report()
        assert why.replace("models/", f"{NAMESPACE}/") in report.why
        assert report.inputs == ()

        world.api.forbids_config_maps = False
        world.api.config_maps["iris-2"] = {"reference.json": CONTENT.decode()}
        assert (await world.report()).why == ""

    tell(tmp_path, week, story)


def test_a_day_without_requests_is_no_week(tmp_path: Path) -> None:
    root = tmp_path / "log"
    write_days(str(root), range(2))
    write_days(str(root), range(3, DAYS))

    async def story(world: World) -> None:
        report = await world.report()

        assert report.why == (
            "6 of the last 7 days have requests in the log, and 2023-11-15 has none: inputs are "
            "compared once all of them have"
        )

    tell(tmp_path, root, story)


def test_without_a_log_nothing_is_known(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert "there is no prediction log" in (await world.report()).why

    tell(tmp_path, tmp_path / "none", story)
