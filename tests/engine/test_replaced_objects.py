"""`kubectl replace` of the resource and of its route in every phase, on a real API server.

The objects of one namespace are each in a phase of their own and are replaced together, by what a
repository holds: no status, no record, no labels, no owner.
"""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from e2e.cluster.progress import StepError
from e2e.fixtures import ApiServer
from model_rollouts.api.status import Past
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.resources.names import MANAGED_BY, MANAGED_BY_LABEL
from model_rollouts.routes import record
from tests.engine.controllers import Object, background
from tests.engine.garbage_collector import GarbageCollector
from tests.engine.whole_operator import MARKS, ON, Whole, play
from tests.kubernetes_clients import until

pytestmark = MARKS

Kubectl = Callable[..., Awaitable[None]]
"""kubectl with arguments, and `objects` that it reads."""

Story = Callable[[Whole, Kubectl], Awaitable[None]]
Play = Callable[[Story], None]

FIRST, GOOD, BAD, UNSCRAPED, DOUBLED = "v1", "v2", "bad", "unscraped", "doubled"
"""Versions. While they are to be, the last two are held: without samples, and with each twice."""

TRIES = 3
LONG_SHADOW = {**ON, "percent": 1, "minDuration": "1h"}


class Case(NamedTuple):
    """A phase that lasts, and the second version that is in it."""

    phase: str
    version: str
    spec: Mapping[str, Any] = {}

    async def lasts(self, whole: Whole) -> None:
        """Return once the status tells so."""
        await whole.told(self.phase, FIRST if self.phase == "Admission" else self.version)


CASES = {
    "admission": Case("Admission", GOOD, {"gateway": "not-there"}),
    "starting": Case("Starting", UNSCRAPED),
    "shadow": Case("Shadow", GOOD, {"shadow": LONG_SHADOW}),
    "shadow-reverted": Case("Shadow", GOOD, {"shadow": LONG_SHADOW}),
    "canary": Case("Canary", DOUBLED),
    "canary-edited": Case("Canary", DOUBLED),
    "canary-reverted": Case("Canary", DOUBLED),
    "watch-edited": Case("Full", GOOD, {"watch": "1h"}),
    "watch-reverted": Case("Full", GOOD, {"watch": "1h"}),
    "full": Case("Full", GOOD),
    "rolled-back": Case("RolledBack", BAD),
}
GO_ON = ("admission", "starting", "shadow", "canary")
REVERTED = ("shadow-reverted", "canary-reverted", "watch-reverted")
EDITED = ("canary-edited", "watch-edited")
REPAIRED = ("shadow", "full", "rolled-back")


@pytest.fixture
def playing(api_server: ApiServer, namespace: str) -> Play:
    """Plays a story in a namespace of its own, with a kubectl there."""

    async def kubectl(*arguments: str, objects: Iterable[Object] = ()) -> None:
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects]})
        words = (*arguments, "-n", namespace, *(("-f", "-") if objects else ()))
        for left in reversed(range(TRIES)):
            try:
                await asyncio.to_thread(api_server.kubectl, *words, stdin=listed)
            except StepError as error:
                # kubectl looks up the version that it replaces, and a status may be written then.
                if not left or "the object has been modified" not in str(error):
                    raise
            else:
                return

    return lambda story: play(api_server, namespace, lambda whole: story(whole, kubectl))


class World:
    """The objects by name, with what each of them was when its phase was reached."""

    def __init__(self, first: Whole) -> None:
        self.all = {name: first.beside(name) for name in CASES}
        self.prometheus = first.prometheus
        self.roles: dict[str, tuple[Any, ...]] = {}
        self.history: dict[str, tuple[Past, ...]] = {}
        self.generation: dict[str, int] = {}
        self.weights: dict[str, dict[str, int]] = {}

    async def begin(self) -> None:
        """Each version 1 serves, and each second one is in its phase."""
        for whole in self.all.values():
            await whole.apply(FIRST)
        for whole in self.all.values():
            await whole.told("Full", FIRST)
        for name in CASES:
            await self.all[name].direct.apply(self.manifest(name))
        for name, case in CASES.items():
            whole = self.all[name]
            await case.lasts(whole)
            self.roles[name] = await roles(whole)
            self.history[name] = (await whole.status()).history
            self.generation[name] = (await whole.object())["metadata"]["generation"]
            self.weights[name] = await whole.weights()

    def manifest(self, name: str, version: str | None = None) -> Object:
        """What a repository holds of an object."""
        case = CASES[name]
        return self.all[name].written_as(version or case.version, **case.spec)

    async def unchanged(self, *, but_history: bool = False) -> None:
        """Return once all routes are the operator's; fails when somebody has another role."""
        for name, case in CASES.items():
            whole = self.all[name]
            await is_ours(whole)
            await case.lasts(whole)
            assert await roles(whole) == self.roles[name], name
            assert await whole.weights() == self.weights[name], name
            if not but_history:
                assert (await whole.status()).history == self.history[name], name
                assert (await whole.object())["metadata"]["generation"] == self.generation[name]

    def older(self, name: str, route: Object) -> Object:
        """The route as somebody saved it when version 1 served alone, or the bad one had users."""
        stable, candidate, previous, *_ = self.roles[name]
        places = [(stable, 50), (candidate, 50)]
        if CASES[name].version != BAD:
            places = [(previous or stable, 999_999), (previous or stable, 1)]
        return bare(route, places)

    async def reached(self) -> None:
        """Return once the gateway splits users as each route says."""

        async def is_so() -> bool:
            routed = [(name, await self.all[name].weights()) for name in EDITED + REPAIRED]
            return all(self.prometheus.split_of(name) == weights for name, weights in routed)

        await until(is_so, "the gateway does not know the routes")

    async def only(self, name: str, role: int) -> None:
        """All users get the revision that had this role."""
        revision = self.roles[name][role]

        async def alone() -> bool:
            return list(await self.all[name].weights()) == [revision]

        await until(alone, f"the users of {name} did not get {revision}")


async def roles(whole: Whole) -> tuple[Any, ...]:
    """Stable, candidate, previous, phase and verdict as the route records them."""
    found = record.read(await whole.route())
    assert found is not None
    return found.stable, found.candidate, found.previous, found.phase, found.verdict


async def is_ours(whole: Whole) -> None:
    """Return once the route has its owner, its label and its record."""

    async def is_so() -> bool:
        metadata, found = (route := await whole.route())["metadata"], record.read(route)
        labels = metadata.get("labels") or {}
        has_label = labels.get(MANAGED_BY_LABEL) == MANAGED_BY
        return bool(metadata.get("ownerReferences")) and has_label and found is not None

    await until(is_so, f"the route of {whole.name} was not taken back")


def bare(route: Object, places: Sequence[tuple[str, int]] = ()) -> Object:
    """A route as a repository may hold it, without what the operator and the cluster add.

    With other `places` it is that of another moment, which had no mirror.
    """
    spec = copy.deepcopy(route["spec"])
    (rule,) = spec["rules"]
    if places:
        rule.pop("filters", None)
        first, *_ = rule["backendRefs"]
        rule["backendRefs"] = [{**first, "name": name, "weight": weight} for name, weight in places]
    metadata = {key: route["metadata"][key] for key in ("name", "namespace")}
    kept = {key: route[key] for key in ("apiVersion", "kind")}
    return {**kept, "metadata": metadata, "spec": spec}


def test_what_is_replaced_goes_on_and_what_failed_gets_no_users(playing: Play) -> None:
    async def story(first: Whole, kubectl: Kubectl) -> None:
        prometheus, world = first.prometheus, World(first)
        prometheus.errors = {BAD: 1.0}
        prometheus.unscraped, prometheus.doubled = {UNSCRAPED}, {DOUBLED}
        async with first.operator(), background(GarbageCollector(first.direct).run()):
            await world.begin()
            users_of_bad = prometheus.requests_of(BAD)
            models = [world.manifest(name) for name in CASES]

            await kubectl("replace", objects=models)
            await first.reads(2)
            await world.unchanged()

            await kubectl(
                "replace", objects=[bare(await each.route()) for each in world.all.values()]
            )
            await world.unchanged()

            await kubectl(
                "delete", "--timeout=20s", "--cascade=orphan", "--all", MODEL_DEPLOYMENT.plural
            )
            await kubectl("create", objects=models)
            # The past was in the status.
            await world.unchanged(but_history=True)

            assert prometheus.unanswered == 0
            await kubectl(
                "replace",
                objects=[
                    world.older(name, await world.all[name].route()) for name in EDITED + REPAIRED
                ],
            )
            for name in EDITED:
                status = await world.all[name].told("RolledBack", CASES[name].version)
                assert "HTTPRoute" in status.history[0].message
                await world.only(name, 2 if name == "watch-edited" else 0)
            for name in REPAIRED:
                await is_ours(world.all[name])
                await CASES[name].lasts(world.all[name])
                assert await world.all[name].weights() == world.weights[name]
            # Whoever put them back has sent users for a moment to where no pod was.
            await world.reached()
            prometheus.unanswered = 0.0

            prometheus.unscraped, prometheus.doubled = set(), set()
            models = [
                *(world.manifest(name, FIRST) for name in REVERTED),
                *(world.all[name].written_as(CASES[name].version) for name in GO_ON),
            ]
            await kubectl("replace", objects=models)
            for name in REVERTED:
                await world.only(name, 2 if name == "watch-reverted" else 0)
            for name in GO_ON:
                await world.all[name].told("Full", CASES[name].version)

            await kubectl("replace", "--force", "--timeout=20s", objects=models)
            for name in REVERTED + GO_ON:
                version = FIRST if name in REVERTED else CASES[name].version
                status = await world.all[name].told("Full", version)
                # To the cluster it is another object, which has no past.
                assert [past.version for past in status.history] == [version]
                await is_ours(world.all[name])
            await world.only("rolled-back", 0)
            assert prometheus.requests_of(BAD) == users_of_bad

    playing(story)
