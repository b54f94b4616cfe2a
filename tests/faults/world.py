"""One cluster with one operator, users, people and faults, from its first moment to its last."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    GATEWAY,
    POD,
)
from model_rollouts.engine.executor import Executor
from model_rollouts.engine.leadership import Alone, Leadership
from model_rollouts.engine.planning import Planner
from model_rollouts.engine.ticker import Beat
from model_rollouts.metrics.grid import Grid
from model_rollouts.resources.controller_revision import counted_ms
from model_rollouts.resources.errors import ResourceError
from model_rollouts.routes import record
from model_rollouts.routes.record import RouteRecord
from tests.engine.shared_lease import SharedLease
from tests.engine.shared_lease import Wire as LeaseWire
from tests.faults import controllers, prometheus
from tests.faults.api_server import ApiServer, Change
from tests.faults.controllers import Controllers, version_of
from tests.faults.faults import Fault, Killed, SecondOperator, Surroundings
from tests.faults.field_owners import Object
from tests.faults.kubelet import pod_names
from tests.faults.notes import MODEL, NAME, NAMESPACE, ROUTE, Input, Lasting, Life
from tests.faults.operator_process import (
    GRID,
    INSTRUMENTS,
    PHASES_MS,
    Machine,
    OperatorProcess,
    plan_for_real,
)
from tests.faults.prometheus import CountingReader, Past
from tests.faults.refusals import Place
from tests.faults.scraped import Scraped
from tests.faults.transport import Asked, Requested, Transport, Trouble
from tests.faults.users import SCRAPE_S, Split, Users
from tests.faults.virtual_time import Clock, now
from tests.faults.watch_source import Stale, WatchSource, Wire

LEADS_S = 0.25
"""How often is looked who may write."""

LOOK_S, LONG_S = 5.0, 5.0
"""How often is looked for a pass that takes long, and how long that is."""

RESTART_S = 5.0
"""How long a process that ended is away."""


@dataclass(frozen=True)
class LongPass:
    """A pass that had been running for some seconds `at` a time.

    `unanswered` is when the requests began that had met trouble and had no answer then.
    """

    at: float
    seconds: float
    unanswered: tuple[float, ...]


@dataclass(frozen=True)
class Variant:
    """An operator with another plan or executor than the real one: a test of the tests."""

    planner: Callable[[], Planner] = plan_for_real
    """Makes the planner of one life of the operator."""
    executor: type[Executor] = Executor
    leadership: type[Leadership] = Leadership


class World:
    """Everything of one history. `seed` decides all dice, each for its own purpose."""

    def __init__(
        self,
        seed: str,
        rate: float,
        common: Object,
        variant: Variant,
        *,
        replicas: int,
        scrape_s: float = SCRAPE_S,
        operators: int = 1,
    ) -> None:
        self._seed = seed
        self._rate = rate
        self._scrape_s = scrape_s
        self.common = common
        """Fields that every spec of this history has, by their path with dots."""
        self._variant = variant
        self.server = ApiServer()
        self.around = Surroundings(
            self.server,
            controllers.Condition(),
            prometheus.Condition(),
            Clock(),
            self.dice("faults"),
        )
        self.clocks = [self.around.clock, *(Clock() for _ in range(1, operators))]
        """That of the machine of each operator."""
        self.lease = SharedLease()
        self._is_leased = operators > 1
        self.users: dict[str, Users] = {}
        self.requests: list[Requested] = []
        self.faults: list[Lasting] = []
        self.inputs: list[Input] = []
        self.lives: list[Life] = []
        self.long_passes: list[LongPass] = []
        self.spared: list[tuple[float, str]] = []
        """What passes would have done that were not made, and when."""
        self._writes = 0
        self._scraped: Scraped | None = None
        if replicas:
            users = self.users_of(NAME)
            users.replicas = replicas
            self._scraped = Scraped(
                NAMESPACE,
                users,
                self.around.prometheus,
                self._counted_ms,
                self.dice("queries"),
                lambda revision: pod_names(self.server, NAMESPACE, revision),
            )
        self._extra: asyncio.Task[None] | None = None
        self._stale: Killed | None = None
        Controllers(
            self.server, self.dice("cluster"), self.around.cluster, lambda name: self.users_of(name)
        )
        self.server.create(
            Place(GATEWAY, "gateways", "models"),
            {"apiVersion": GATEWAY.api_version, "kind": "Gateway", "metadata": {}, "spec": {}},
            "kubectl",
        )

    def dice(self, purpose: str) -> random.Random:
        """Dice that nobody else throws."""
        return random.Random(f"{self._seed}/{purpose}")

    def users_of(self, name: str) -> Users:
        """The users of a ModelDeployment."""
        key = f"{NAMESPACE}/{name}"
        if key not in self.users:
            self.users[key] = Users(self._rate, self.dice(f"users of {name}"), self._scrape_s)
        return self.users[key]

    # What is there

    @property
    def route(self) -> Object | None:
        """The HTTPRoute."""
        return self.server.find(*ROUTE)

    @property
    def roles(self) -> RouteRecord | None:
        """What the route says about roles."""
        route = self.route
        return None if route is None else record.read(route)

    def revision_of(self, version: str) -> str | None:
        """The revision that serves a version, None while there is none."""
        found = (
            each["metadata"]["name"]
            for each in self.server.all(DEPLOYMENT, NAMESPACE)
            if version_of(each) == version and each["metadata"]["name"].startswith(f"{NAME}-")
        )
        return next(found, None)

    def version_of(self, revision: str) -> str:
        """The version that a revision serves, or served."""
        return self.users_of(NAME).versions.get(revision, revision)

    def named(self, text: str) -> str:
        """A text with versions in the place of revisions."""
        for revision, version in self.users_of(NAME).versions.items():
            text = text.replace(revision, f"({version})")
        return text

    def pods(self) -> dict[str, int]:
        """How many pods are asked for, by version."""
        return {
            version_of(each): each["spec"]["replicas"]
            for each in self.server.all(DEPLOYMENT, NAMESPACE)
            if each["spec"]["replicas"] and each["metadata"]["name"].startswith(f"{NAME}-")
        }

    def splits(self) -> list[Split]:
        """How users were sent."""
        return self.users_of(NAME).splits_since

    def stage(self, version: str) -> str:
        """Where a version is by the route: a phase, `Watch` for Full under watch, or nothing.

        `Wanted` is before anything was made of it.
        """
        revision, roles = self.revision_of(version), self.roles
        if revision is None:
            model = self.server.find(*MODEL)
            is_wanted = model is not None and model["spec"]["model"]["version"] == version
            return "Wanted" if is_wanted else ""
        if roles is None:
            return "Starting"
        if roles.stable == revision:
            return "Full" if roles.verdict == "Settled" else "Watch"
        return roles.phase if roles.candidate == revision else "Starting"

    async def until(self, holds: Callable[[], bool], most: float) -> bool:
        """Wait until something holds, for some seconds at most; whether it does."""
        heard = asyncio.Event()
        listener = lambda change: heard.set()  # noqa: E731 - it is removed again
        self.server.listeners.append(listener)
        try:
            async with asyncio.timeout(most):
                while not holds():
                    heard.clear()
                    await heard.wait()
        except TimeoutError:
            return holds()
        finally:
            self.server.listeners.remove(listener)
        return True

    # Faults

    def begin(self, fault: Fault) -> Lasting:
        """A fault is there from now on."""
        lasting = Lasting(fault, now(), operator=self._hit(fault))
        self.faults.append(lasting)
        fault.begin(self._around(lasting))
        if isinstance(fault, SecondOperator):
            self._extra = asyncio.create_task(self.operate())
        return lasting

    def end(self, lasting: Lasting) -> None:
        """It is over."""
        lasting.ended = now()
        lasting.fault.end(self._around(lasting))
        if isinstance(lasting.fault, SecondOperator) and self._extra is not None:
            self._extra.cancel()

    def _hit(self, fault: Fault) -> int | None:
        """Which operator a fault hits."""
        if not fault.whom:
            return None
        leader = next((life.operator for life in self.lives if self._leads(life)), 0)
        return leader if fault.whom == "leader" else len(self.clocks) - 1 - leader

    def _leads(self, life: Life) -> bool:
        return life.ended is None and bool(life.may_write) and life.may_write[-1][1]

    def _around(self, lasting: Lasting) -> Surroundings:
        if lasting.operator is None:
            return self.around
        return replace(self.around, clock=self.clocks[lasting.operator])

    def hit_by(self, whom: str) -> Life | None:
        """The life of the leader, or of the standby, as `Fault.whom`; None while it is away."""
        living = [each for each in self.lives if each.ended is None]
        return next((each for each in living if self._leads(each) is (whom == "leader")), None)

    def _present(self, operator: int) -> list[Fault]:
        return [
            each.fault
            for each in self.faults
            if each.ended is None and each.operator in (None, operator)
        ]

    def _meet(self, operator: int, asked: Asked) -> Trouble | None:
        found = (fault.meets(asked, self.around) for fault in self._present(operator))
        return next((each for each in found if each is not None), None)

    def _disturbed(self, operator: int, change: Change) -> tuple[Wire, float] | None:
        found = (fault.disturbs(change, self.around) for fault in self._present(operator))
        return next((each for each in found if each is not None), None)

    def _is_cut(self, operator: int) -> bool:
        return any(fault.cuts for fault in self._present(operator))

    # The operator

    async def operate(self, operator: int = 0) -> None:
        """One life of an operator after the other, until cancelled."""
        while True:
            life = Life(now(), number=len(self.lives) + 1, operator=operator)
            self.lives.append(life)
            away, stale = await self._live(life)
            life.ended = now()
            await asyncio.sleep(away)
            self._stale = stale

    async def _live(self, life: Life) -> tuple[float, Killed | None]:
        """Run until it ends or is killed: for how long it is away then, and what killed it."""
        process = OperatorProcess(self._machine(life))
        work = asyncio.create_task(process.run())
        killed = asyncio.create_task(life.killed.wait())
        assert life.transport is not None
        looks = [self._look(process, life)]
        if self._is_leased:
            looks.append(self._look_who_leads(process, life))
        looked_at = asyncio.gather(*looks)
        try:
            await asyncio.wait({work, killed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            life.transport.cut()
            ended = work.done()
            for task in (work, killed, looked_at):
                task.cancel()
            await asyncio.gather(work, killed, looked_at, return_exceptions=True)
        if life.killed_by is not None:
            return life.killed_by.away, life.killed_by
        assert ended
        if (error := work.exception()) is not None:
            life.error = repr(error)
        return RESTART_S, None

    async def _look(self, process: OperatorProcess, life: Life) -> None:
        transport = life.transport
        assert transport is not None
        while True:
            await asyncio.sleep(LOOK_S)
            if (seconds := process.queue.longest_running) > LONG_S:
                unanswered = tuple(transport.unanswered)
                self.long_passes.append(LongPass(now(), seconds, unanswered))

    async def _look_who_leads(self, process: OperatorProcess, life: Life) -> None:
        while True:
            life.may_write.append((now(), process.leadership.left() > 0))
            life.is_warm.append((now(), process.is_warm))
            await asyncio.sleep(LEADS_S)

    def _machine(self, life: Life) -> Machine:
        number = life.number
        disturbed = partial(self._disturbed, life.operator)
        killed, self._stale = self._stale, None
        stale = None
        if killed is not None and killed.behind:
            stale = Stale(self.server.version - killed.behind, now() + killed.behind_s)
            life.knows_from = stale.until
        life.transport = Transport(
            self.server,
            self.dice(f"wire {number}"),
            meet=partial(self._meet, life.operator),
            kept=partial(self._kept, life),
            listed_at=lambda: None if stale is None or now() > stale.until else stale.version,
        )
        return Machine(
            transport=life.transport,
            source=WatchSource(self.server, self.dice(f"watch {number}"), stale, disturbed),
            pod_source=WatchSource(
                self.server, self.dice(f"watch of pods {number}"), None, disturbed, (POD,)
            ),
            wall=self.clocks[life.operator],
            dice=self.dice(f"operator {number}"),
            beats=[self._beat(grid) for grid in PHASES_MS],
            historian=Past(self.around.prometheus, self.users),
            planner=self._variant.planner(),
            executor=self._variant.executor,
            leadership=self._leadership(life) if self._is_leased else Alone(),
            spared=self.spared,
            stopping=life.stopping,
        )

    def _leadership(self, life: Life) -> Leadership:
        wire = LeaseWire(self.lease, cut=partial(self._is_cut, life.operator))
        identity = f"operator-{life.operator}_{life.number}"
        wall = self.clocks[life.operator]
        return self._variant.leadership(wire, identity, INSTRUMENTS, clock=now, wall=wall)

    def _beat(self, grid: Grid) -> Beat:
        phases, sparing = range(0, grid.step_ms, PHASES_MS[grid]), grid is not GRID
        if self._scraped is not None:
            return Beat(grid, self._scraped.readers(grid, phases, sparing=sparing), sparing)
        reader = CountingReader(grid, self.around.prometheus, self.users, self._counted_ms)
        return Beat(grid, dict.fromkeys(phases, reader), sparing)

    def _counted_ms(self, revision: str) -> tuple[int, ...]:
        stored = self.server.find(CONTROLLER_REVISION, NAMESPACE, revision)
        try:
            return () if stored is None else counted_ms(stored)
        except ResourceError:
            # Somebody has emptied it; the pods do not know.
            return ()

    def _kept(self, life: Life, requested: Requested) -> None:
        """Keep a request; a write may be the last that this life does."""
        self.requests.append(replace(requested, life=life.number))
        if not requested.asked.verb.writes or requested.status != 200:
            return
        self._writes += 1
        for lasting in self.faults:
            fault = lasting.fault
            if isinstance(fault, Killed) and lasting.ended is None:
                times = sum(each.killed.is_set() for each in self.lives)
                if times < fault.times and self._writes % fault.every == 0:
                    life.killed_by = fault
                    life.killed.set()
                    assert life.transport is not None
                    life.transport.cut()

    # People

    def note(self, given: Input) -> None:
        """Keep what somebody did."""
        self.inputs.append(given)
