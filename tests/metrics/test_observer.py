"""What the observer counts: read from its own targets alone, per process, beside the proxies."""

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from ephemeral_port_reserve import reserve
from prometheus_client import CollectorRegistry, Counter, Gauge

from model_rollouts.api.runtimes import SERVER_TIMING
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.counts import Counted, Tally
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.findings import Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import errors, own_latency, pairs, records
from model_rollouts.metrics.pods import KnownPods, Pod
from model_rollouts.metrics.process import CLOCK_SLACK_MS
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from tests.kubernetes_clients import until
from tests.metrics.fake_prometheus import (
    COMPLETED,
    GRID,
    START,
    STEP,
    UPTIME,
    World,
    at,
)
from tests.prometheus_server import Target, exposed, prometheus_server

PAIRS = "model_rollouts_observer_pairs_total"
DISAGREEMENTS = "model_rollouts_observer_disagreements_total"
RECORDS = "model_rollouts_observer_records_total"
LOST = "model_rollouts_observer_lost_records_total"
BEGAN = "model_rollouts_observer_start_time_seconds"

OURS = LabelNames(observer=(("namespace", "rollouts"), ("job", "observer")))
ARMS = (
    Arm("shadow", "new", Listener.SHADOW),
    Arm("stable", "old", compared_with="new"),
)
ANSWERS = pairs("answers", "1ce1f3ed")
KNOWN = KnownPods(
    tuple(Pod(f"{each}-pod", each, START - 100_000, START - 90_000) for each in ("new", "old"))
)


class Told(World):
    """Series of two proxies and of observers."""

    def __init__(self) -> None:
        super().__init__(names=OURS)
        seconds = [each - 0.5 for each in range(-4, 9)]
        for revision, listener in (("new", Listener.SHADOW), ("old", Listener.LIVE)):
            pod = f"{revision}-pod"
            self.write(UPTIME, {each: 1_000 + each for each in seconds}, revision=revision, pod=pod)
            self.write(
                COMPLETED,
                [(each, 10 * round(each + 5)) for each in seconds],
                revision=revision,
                pod=pod,
                listener=listener,
            )

    def observer(
        self,
        metric: str,
        samples: Mapping[float, object],
        *,
        pod: str = "observer-0",
        revision: str = "new",
        tells_of: str = "shop",
        namespace: str = "rollouts",
        job: str = "observer",
        **labels: str,
    ) -> None:
        """What one observer exports of a revision."""
        if metric in (PAIRS, DISAGREEMENTS):
            labels = {"comparison": "1ce1f3ed", "slice": "", **labels}
        self.write(
            metric,
            samples,
            revision=revision,
            pod=pod,
            namespace=namespace,
            job=job,
            more={"model_namespace": tells_of, "model": "model", **labels},
        )

    def counts(
        self, samples: Mapping[float, int], began: float, *, bad: int = 0, **labels: str
    ) -> None:
        """Pairs, and `bad` disagreements in each hundred of them, of a process."""
        self.observer(BEGAN, dict.fromkeys(samples, at(began)), **only(labels, "pod"))
        self.observer(PAIRS, samples, **labels)
        wrong = {each: value * bad // 100 for each, value in samples.items()}
        self.observer(DISAGREEMENTS, wrong, **labels)


def only(labels: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name in names}


def measured(names: LabelNames = OURS, **changes: object) -> MeasuredRollout:
    fields: dict[str, object] = {
        "objectives": (errors("errors"), ANSWERS, records("records")),
        "arms": ARMS,
        "pods": KNOWN,
        **changes,
    }
    return MeasuredRollout(
        "shop/model",
        "shop",
        started_ms=START,
        warmup_ms=0,
        **fields,  # type: ignore[arg-type]
    )


def counted(
    world: World,
    until_s: int = 6,
    *,
    names: LabelNames = OURS,
    since: Watermark | None = None,
    restarts: bool = False,
    asked: MeasuredRollout | None = None,
) -> list[Counted]:
    """All ticks of one operator, or of one that is thrown away after each of them."""
    asked, found = asked or measured(), []
    intake = Intake(GRID, Batching(names))
    for seconds in range(1, until_s + 1):
        if restarts:
            intake = Intake(GRID, Batching(names))
        tick = intake.plan([Request(asked, since)], START + seconds * STEP + STEP)
        answers = [world.answer(query) for query in tick.queries]
        result = intake.advance(tick, answers)[asked.key]
        assert isinstance(result, Counted)
        found.append(result)
        since = result.watermark
    return found


def total(found: list[Counted], name: str = "answers", arm: str = "shadow") -> Tally:
    tallies = [each.arms[arm].tallies[name] for one in found for each in one.intervals]
    return Tally(sum(each.total for each in tallies), (sum(each.bad[0] for each in tallies),))


def test_pairs_are_counted_from_the_observers_of_the_revision() -> None:
    world = Told()
    world.counts({0.4: 100, 1.4: 300, 2.4: 400}, began=0.1, bad=10, slice="eu")
    for metric, values in ((PAIRS, (50, 80, 100)), (DISAGREEMENTS, (5, 8, 10))):
        world.observer(metric, dict(zip((0.4, 1.4, 2.4), values, strict=True)), slice="us")
    world.counts({1.6: 200, 3.6: 300}, began=1.0, bad=1, pod="observer-1")
    for other in ({"comparison": "00000000"}, {"revision": "other"}):
        world.observer(PAIRS, {1.6: 900, 3.6: 950}, pod="observer-1", **other)

    found = counted(world)

    assert total(found) == Tally(800, (53,))
    seen = [each.arms["shadow"].observers for one in found for each in one.intervals]
    assert max(seen) == 2
    pods = {each.arms["shadow"].pods for one in found for each in one.intervals}
    assert pods == {1}


def test_what_stable_says_otherwise_itself_is_counted_beside_it() -> None:
    world = Told()
    world.counts({0.4: 0, 1.4: 100, 2.4: 400}, began=0.1, bad=10)
    world.observer(BEGAN, dict.fromkeys((0.4, 1.4, 2.4), at(0.1)), revision="old")
    for metric, values in ((PAIRS, (0, 100, 400)), (DISAGREEMENTS, (0, 5, 9))):
        samples = dict(zip((0.4, 1.4, 2.4), values, strict=True))
        world.observer(metric, samples, revision="old")

    found = counted(world)

    assert total(found) == Tally(400, (40,))
    assert total(found, arm="stable") == Tally(400, (9,))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"namespace": "shop"}, id="a pod of the tenant"),
        pytest.param({"job": "models"}, id="another job"),
        pytest.param({"tells_of": "other"}, id="a model of another namespace"),
    ],
)
def test_nobody_else_speaks_for_it(labels: dict[str, str]) -> None:
    world = Told()
    world.observer(BEGAN, {0.4: at(0.1), 2.4: at(0.1)}, **labels)
    world.observer(PAIRS, {0.4: 10, 2.4: 400}, **labels)

    found = counted(world)

    assert total(found) == Tally(0, (0,))
    assert not any(each.arms["shadow"].observers for one in found for each in one.intervals)


def test_where_its_targets_are_not_known_it_is_not_asked() -> None:
    world = Told()
    world.counts({0.4: 10, 2.4: 400}, began=0.1)
    world.names = LabelNames()
    asked = measured()
    tick = Intake(GRID, Batching(LabelNames())).plan([Request(asked)], START + 2 * STEP)

    assert not any("observer" in query.text for query in tick.queries)
    assert total(counted(world, names=LabelNames())) == Tally(0, (0,))


def test_its_query_names_its_targets() -> None:
    tick = Intake(GRID, Batching(OURS)).plan([Request(measured())], START + 2 * STEP)

    (text,) = (query.text for query in tick.queries if "observer" in query.text)
    assert 'model_namespace="shop"' in text
    assert ',namespace="rollouts",job="observer"' in text


def test_a_rollout_without_comparisons_asks_nothing_of_it() -> None:
    plain = measured(objectives=(errors("errors"),))
    live = measured(
        arms=(Arm("candidate", "new"), Arm("stable", "old", compared_with="new")),
    )

    for asked in (plain, live):
        tick = Intake(GRID, Batching(OURS)).plan([Request(asked)], START + 2 * STEP)
        assert not any("observer" in query.text for query in tick.queries)


@pytest.mark.parametrize("restarts", [False, True], ids=["one operator", "thrown away each time"])
def test_a_restart_loses_nothing_that_was_scraped(restarts: bool) -> None:
    """What it had counted is counted, and what it counts after its restart is new."""
    world = Told()
    world.observer(BEGAN, {0.4: at(0.1), 1.4: at(0.1), 3.4: at(2.9), 4.4: at(2.9)})
    world.observer(PAIRS, {0.4: 100, 1.4: 200, 3.4: 30, 4.4: 210})
    world.observer(DISAGREEMENTS, {0.4: 2, 1.4: 4, 3.4: 1, 4.4: 4})

    found = counted(world, restarts=restarts)

    assert total(found) == Tally(410, (8,))
    reasons = {each.reason for one in found for record in one.intervals for each in record.findings}
    assert Reason.COUNTERS_RESET not in reasons, "no pod of the model began again"


def test_an_observer_that_is_away_stops_nobody_elses_counts() -> None:
    world = Told()
    world.counts({0.4: 100, 1.4: 200}, began=0.1)

    found = counted(world)

    lengths = {each.end_ms - each.start_ms for one in found for each in one.intervals}
    assert lengths == {STEP}
    assert total(found, "errors").total == 60
    last = found[-1].intervals[-1].arms["shadow"]
    assert (last.observers, last.pods, last.tallies["answers"].total) == (0, 1, 0)
    reasons = {each.reason for one in found for record in one.intervals for each in record.findings}
    assert not reasons


def test_lost_records_are_a_part_of_all() -> None:
    world = Told()
    for arm, revision, came, lost in (("shadow", "new", 990, 10), ("live", "old", 400, 0)):
        world.observer(BEGAN, {0.4: at(0.1), 1.4: at(0.1)}, revision=revision)
        for outcome, number in (("taken", came - 40), ("cut", 40)):
            told = {"revision": revision, "arm": arm, "outcome": outcome}
            world.observer(RECORDS, {0.4: 0, 1.4: number}, **told)
        world.observer(LOST, {0.4: 0, 1.4: lost}, revision=revision, arm=arm)

    found = counted(world)

    assert total(found, "records") == Tally(1_000, (10,))
    assert total(found, "records", "stable") == Tally(400, (0,))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_what_was_scraped_is_counted_once(seed: int) -> None:
    """Observers restart and are away at random; the sum is what their scrapes showed."""
    dice = random.Random(seed)
    world, truth, wrong = Told(), 0, 0
    for pod in ("observer-0", "observer-1"):
        began, value, bad, shown = 0.05, 0, 0, (0, 0)
        times = [second + dice.uniform(0.1, 0.9) for second in range(12)]
        rows: list[tuple[float, float, int, int]] = []
        for seconds in times:
            # A clock tells processes apart that lived for longer than it may lag.
            if dice.random() < 0.4 and 1000 * (seconds - began) > CLOCK_SLACK_MS + STEP:
                truth, wrong = truth + shown[0], wrong + shown[1]
                began, value, bad, shown = seconds - 0.05, 0, 0, (0, 0)
            more = dice.randrange(50)
            value, bad = value + more, bad + dice.randrange(more + 1)
            if dice.random() < 0.8:
                shown = (value, bad)
                rows.append((seconds, began, value, bad))
        truth, wrong = truth + shown[0], wrong + shown[1]
        world.observer(BEGAN, {row[0]: at(row[1]) for row in rows}, pod=pod)
        world.observer(PAIRS, {row[0]: row[2] for row in rows}, pod=pod)
        world.observer(DISAGREEMENTS, {row[0]: row[3] for row in rows}, pod=pod)

    at_once, anew = counted(world, 14), counted(world, 14, restarts=True)

    assert total(at_once) == total(anew) == Tally(truth, (wrong,))


def test_a_label_of_its_targets_is_a_label() -> None:
    with pytest.raises(InputError, match=r"labels.observer"):
        LabelNames(observer=(("a-b", "x"),))


class Observer:
    """A stand-in whose output is what the contract says."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("model_namespace", "model", "modelrollouts_revision")
        whose = MappingProxyType(
            {"model_namespace": "shop", "model": "model", "modelrollouts_revision": "new"}
        )
        counted = {"comparison": "1ce1f3ed", "slice": "eu"}
        began = Gauge(BEGAN, "-", labels, registry=self.registry)
        began.labels(**whose).set(time.time())
        of_pair = (*labels, "comparison", "slice")
        self.pairs = Counter(PAIRS, "-", of_pair, registry=self.registry).labels(**whose, **counted)
        self.bad = Counter(DISAGREEMENTS, "-", of_pair, registry=self.registry).labels(
            **whose, **counted
        )


@pytest.mark.prometheus
@pytest.mark.timeout(90)
def test_a_real_prometheus_tells_the_observer_from_a_pod_of_a_tenant(
    tmp_path: Path, prometheus: Path
) -> None:
    """The counts of the observer's job count; those that a tenant's pod claims do not."""
    one, other, tenant = Observer(), Observer(), Observer()
    with contextlib.ExitStack() as stack:
        targets = []
        for each, pod, namespace, job in (
            (one, "observer-0", "rollouts", "observer"),
            (other, "observer-1", "rollouts", "observer"),
            (tenant, "spy", "shop", "models"),
        ):
            port = reserve()
            stack.enter_context(exposed(each.registry, port))
            targets.append(Target(port, {"namespace": namespace, "pod": pod}, job=job))
        server = stack.enter_context(prometheus_server(prometheus, tmp_path, targets, "1s"))
        asyncio.run(_compared(server.url, one, other, tenant))


async def _compared(url: str, one: Observer, other: Observer, tenant: Observer) -> None:
    asked = MeasuredRollout(
        "shop/model",
        "shop",
        ARMS,
        (errors("errors"), ANSWERS),
        round(time.time() * 1000),
        warmup_ms=0,
    )
    async with PrometheusClient(ServerOptions(url)) as client:
        reader = SampleReader(client.query, Intake(Grid(1_000), Batching(OURS)))
        since: Watermark | None = None
        sums, seen = [0, 0], 0

        async def reaches(pairs: int, bad: int) -> bool:
            nonlocal since, seen
            found = await reader.tick([Request(asked, since)], round(time.time() * 1000))
            counted = found[asked.key]
            assert isinstance(counted, Counted), counted
            since = counted.watermark
            for interval in counted.intervals:
                arm = interval.arms["shadow"]
                seen = max(seen, arm.observers)
                sums[0] += arm.tallies["answers"].total
                sums[1] += arm.tallies["answers"].bad[0]
            return sums == [pairs, bad] and seen == 2

        tenant.pairs.inc(10_000)

        async def seen_once() -> bool:
            return await reaches(0, 0)

        await until(seen_once, "the observers were never scraped")
        one.pairs.inc(600)
        one.bad.inc(7)
        other.pairs.inc(41)

        async def complete() -> bool:
            return await reaches(641, 7)

        await until(complete, f"found {sums}")


def test_times_of_stages_are_counted_for_users_and_mirrored_requests_apart() -> None:
    """In every phase: what the header says of a version is known wherever it answers."""
    stage = {"stage": "Predict"}
    predict = own_latency("predict", SERVER_TIMING, (0.05,), matchers=(("stage", ("Predict",)),))
    world = Told()
    for revision, arm, within in (("new", "shadow", 0.5), ("new", "live", 0.1), ("old", "live", 1)):
        world.observer(BEGAN, dict.fromkeys((0.4, 1.4, 2.4), at(0.1)), revision=revision)
        for part, share, labels in (
            ("count", 1.0, {}),
            ("bucket", within, {"le": "0.05"}),
            ("bucket", 1.0, {"le": "+Inf"}),
        ):
            samples = {each: round(value * share) for each, value in ((0.4, 0), (2.4, 400))}
            more = {**stage, **labels, "arm": arm}
            world.observer(f"{SERVER_TIMING}_{part}", samples, revision=revision, **more)
        other = {"stage": "Queue", "arm": arm}
        world.observer(f"{SERVER_TIMING}_count", {0.4: 0, 2.4: 900}, revision=revision, **other)

    in_shadow = counted(world, asked=measured(objectives=(errors("errors"), predict)))
    live = measured(
        objectives=(errors("errors"), predict),
        arms=(Arm("candidate", "new"), Arm("stable", "old", compared_with="new")),
    )

    assert total(in_shadow, "predict") == Tally(400, (200,))
    assert total(in_shadow, "predict", "stable") == Tally(400, (0,))
    assert total(counted(world, asked=live), "predict", "candidate") == Tally(400, (360,))
