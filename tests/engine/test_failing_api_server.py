"""Two whole operators whose way to the API server fails while a version is given its first users.

A Lease lasts shorter here: what is waited for is the same. `make test-outage` runs those that CI
has no time for, among them one with the true times.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.api.status import Status
from model_rollouts.cluster.kinds import LEASE
from model_rollouts.engine import leadership
from model_rollouts.engine.leadership import DeposedError
from tests.engine.two_operators import counted, in_canary, leader_and_standby, written_down
from tests.engine.whole_operator import MARKS, Running, Whole, play
from tests.fault_proxy import Busy, FaultProxy, fault_proxy
from tests.kubernetes_clients import until

pytestmark = MARKS

LEASE_S = 6
SHORT = {"LEASE_S": LEASE_S, "RENEW_S": 4.0, "RETRY_S": 0.8}

LED_S = LEASE_S + 0.8 + 3.0
"""Until a standby leads after the last renewal; a busy machine needs some seconds more."""

BACK_S = 10.0
"""From when writes are taken again until users are off a version that fails every request: 5 s
until they are tried again, and a busy machine."""

JUDGED_S = 10.0
"""From when a version begins to fail every request until users are off it, where all is well."""

Ways = Sequence[FaultProxy]
Story = Callable[[Whole, Ways], Awaitable[None]]
Playing = Callable[[Story], None]


@pytest.fixture
def true_lease() -> None:
    """The Lease as it is."""


@pytest.fixture(autouse=True)
def short_lease(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A Lease that is over sooner, unless a test wants the true one."""
    if "true_lease" not in request.fixturenames:
        for name, seconds in SHORT.items():
            monkeypatch.setattr(leadership, name, seconds)


@pytest.fixture
def playing(api_server: ApiServer, namespace: str, tmp_path: Path) -> Playing:
    """Plays a story with a way to the API server for each of two operators."""

    def played(story: Story) -> None:
        async def on_ways(whole: Whole) -> None:
            async with AsyncExitStack() as stack:
                ways = []
                for name in ("first", "second"):
                    directory = tmp_path / name
                    directory.mkdir()
                    ways.append(await stack.enter_async_context(fault_proxy(api_server, directory)))
                await story(whole, ways)
            assert not written_by_turns(ways), "two wrote by turns"

        play(api_server, namespace, on_ways)

    return played


def writes(way: FaultProxy) -> Iterator[float]:
    """When writes were done that came on a way, those of the Lease apart."""
    return (each.at for each in way.written if f"/{LEASE.plural}" not in each.url)


def written_by_turns(ways: Ways) -> bool:
    """Whether one wrote after another one had begun to."""
    first, second = (list(writes(way)) for way in ways)
    return bool(first and second) and max(first) > min(second)


def kubeconfigs(ways: Ways) -> list[Path]:
    """The ways of two operators."""
    return [way.kubeconfig for way in ways]


async def is_fenced(operator: Running) -> None:
    """Return once it may not write."""

    async def fenced() -> bool:
        return not await operator.leads()

    await until(fenced, "it may write for ever", LED_S)


async def users_are_off(whole: Whole, weights: dict[str, int], seconds: float) -> Status:
    """The status once version 2 is rolled back, on evidence that was kept and counted once."""
    status = await asyncio.wait_for(whole.told("RolledBack", "v2"), seconds)
    assert len(weights) == 2
    assert len(await whole.weights()) == 1
    asked = whole.prometheus.requests_of("v2")
    failed = [each for each in status.objectives if each.verdict == "Fail"]
    assert failed
    assert all(each.bad <= each.total <= asked for each in failed)
    last = (await whole.object())["status"]
    await until(lambda: whole.has_seen(last), "the watch lags")
    canaries = [each for _, each in whole.written if each["phase"] == "Canary"]
    assert len({str(json.loads(each["evidence"])["trial"]) for each in canaries}) == 1
    return status


def everything(method: str, url: str) -> bool:
    """Each request."""
    return True


@pytest.mark.slow
def test_an_api_server_that_was_away_finds_all_as_it_was(playing: Playing) -> None:
    async def story(whole: Whole, ways: Ways) -> None:
        with suppress(DeposedError):  # after an outage of both, either may be the first
            async with leader_and_standby(whole, kubeconfigs(ways)) as (leader, _):
                weights = await in_canary(whole)
                for way in ways:
                    way.leave()
                await is_fenced(leader)
                await whole.reads(LEASE_S)
                whole.prometheus.errors = {"v2": 1.0}
                await whole.reads(3)
                assert await whole.weights() == weights
                for way in ways:
                    way.heal()
                await users_are_off(whole, weights, BACK_S)

    playing(story)


def test_a_leader_that_is_cut_off_is_followed_and_writes_no_more(playing: Playing) -> None:
    """It goes on reading samples, and knows as soon as the other one that the version fails."""

    async def story(whole: Whole, ways: Ways) -> None:
        with pytest.raises(DeposedError):
            async with leader_and_standby(whole, kubeconfigs(ways)) as (leader, standby):
                weights = await in_canary(whole)
                await written_down(whole)
                before = counted(whole)
                ways[0].cut_off()
                whole.prometheus.errors = {"v2": 1.0}
                await until(standby.leads, "the standby did not lead", LED_S)
                assert not await leader.leads()
                status = await users_are_off(whole, weights, JUDGED_S)
                errors = next(each for each in status.objectives if each.name == "errors")
                assert errors.total is not None
                assert errors.total > before
                ways[0].heal()
                await asyncio.wait({leader.work}, timeout=leadership.RENEW_S + 3.0)
                assert leader.work.done()

    playing(story)


@pytest.mark.slow
def test_a_slow_api_server_keeps_no_version_with_its_users(playing: Playing) -> None:
    async def story(whole: Whole, ways: Ways) -> None:
        async with leader_and_standby(whole, kubeconfigs(ways)) as (leader, standby):
            weights = await in_canary(whole)
            for way in ways:
                way.delay_s = 1.0
            await whole.reads(LEASE_S)
            whole.prometheus.errors = {"v2": 1.0}
            await users_are_off(whole, weights, JUDGED_S + 5.0)
            assert await leader.leads()
            assert not await standby.leads()

    playing(story)


def test_an_api_server_with_too_much_to_do_finds_all_as_it_was(playing: Playing) -> None:
    """However long it asks to be left alone, as one with too much to do does."""

    async def story(whole: Whole, ways: Ways) -> None:
        with suppress(DeposedError):
            async with leader_and_standby(whole, kubeconfigs(ways)) as (leader, _):
                weights = await in_canary(whole)
                for way in ways:
                    way.busy = Busy(everything, retry_after_s=30)
                    way.drop_watches()
                await is_fenced(leader)
                whole.prometheus.errors = {"v2": 1.0}
                await whole.reads(LEASE_S)
                assert await whole.weights() == weights
                for way in ways:
                    way.heal()
                await users_are_off(whole, weights, BACK_S)

    playing(story)


def lists_and_watches(method: str, url: str) -> bool:
    """What tells of changes: an object that is read by its name is not."""
    return method == "GET" and ("limit=" in url or "watch=" in url)


def test_users_are_protected_while_lists_and_watches_are_refused(playing: Playing) -> None:
    async def story(whole: Whole, ways: Ways) -> None:
        async with leader_and_standby(whole, kubeconfigs(ways)) as (leader, _):
            weights = await in_canary(whole)
            for way in ways:
                way.busy = Busy(lists_and_watches)
                way.drop_watches()
            await whole.reads(3)
            whole.prometheus.errors = {"v2": 1.0}
            await users_are_off(whole, weights, JUDGED_S)
            assert await leader.leads()

    playing(story)


def of_the_lease(method: str, url: str) -> bool:
    """What a flow schema for leader election would hold back."""
    return f"/{LEASE.plural}" in url


def test_while_only_the_lease_is_refused_nobody_writes(playing: Playing) -> None:
    async def story(whole: Whole, ways: Ways) -> None:
        with suppress(DeposedError):
            async with leader_and_standby(whole, kubeconfigs(ways)) as (leader, standby):
                weights = await in_canary(whole)
                for way in ways:
                    way.busy = Busy(of_the_lease)
                await is_fenced(leader)
                whole.prometheus.errors = {"v2": 1.0}
                done = [len(list(writes(way))) for way in ways]
                await whole.reads(LEASE_S)
                assert [len(list(writes(way))) for way in ways] == done
                assert not await standby.leads()
                for way in ways:
                    way.heal()
                await users_are_off(whole, weights, BACK_S)

    playing(story)


OUTAGE_S = 300


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("true_lease")
@pytest.mark.parametrize("how", ["away", "silent", "busy"])
def test_after_five_minutes_all_is_as_it_was(playing: Playing, how: str) -> None:
    """With the Lease, the delays and the watches as they are, and a version that then fails."""

    def fail(way: FaultProxy) -> None:
        match how:
            case "away":
                way.leave()
            case "silent":
                way.cut_off()
            case "busy":
                way.busy = Busy(everything, retry_after_s=30)
                way.drop_watches()

    async def story(whole: Whole, ways: Ways) -> None:
        with suppress(DeposedError):
            async with leader_and_standby(whole, kubeconfigs(ways)) as (leader, standby):
                weights = await in_canary(whole, step_s=2 * OUTAGE_S)
                for way in ways:
                    fail(way)
                await whole.reads(OUTAGE_S, OUTAGE_S + 60.0)
                # A restart would cure nothing, and forget what was counted.
                assert {(await each.page("healthz"))[0] for each in (leader, standby)} == {200}
                whole.prometheus.errors = {"v2": 1.0}
                await whole.reads(3)
                assert await whole.weights() == weights
                for way in ways:
                    way.heal()
                await users_are_off(whole, weights, leadership.RENEW_S + BACK_S)

    playing(story)
