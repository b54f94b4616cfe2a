"""Which of several operators leads: the one that holds a Lease, as with controllers of Kubernetes.

The others are warm: they list and watch, and plan, write and ask nothing. Times are measured by the
clock of this process alone, from when it saw that the Lease had changed; those that stand in a
Lease are by the clocks of other machines, and only told where they are far off.

At no time may two write. A Lease lasts 15 s from when somebody sees it renewed. The holder counts
from when it sent the renewal, which is earlier, begins no write after 10 s without another one, and
each write ends a second before the 15 s are over, here and at the API server (`left`).

Who cannot renew goes on reading and planning without writes. If nobody took the Lease meanwhile, it
goes on writing; if somebody did, what it knows is out of date, and the process has to end.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.leases import Claim, Lease, LeaseName
from model_rollouts.engine.clock import TOLERATED_S, since_boot
from model_rollouts.engine.operator_metrics import OperatorMetrics

LEASE_S = 15
RENEW_S = 10.0
RETRY_S = 2.0
"""As in Kubernetes: how long a Lease lasts, how long its holder may write without renewing it, and
how often it is renewed, or looked at by others."""

SPARE_S = 1.0
"""So long before others may write, the last write of a holder has ended."""

LONGEST_S = 60
"""However long a Lease says that it lasts: somebody may have edited it."""

MOST_RENEWALS = 4
"""Under way at once: a slow API server keeps none of them from being sent."""

_log = logging.getLogger(__name__)


class DeposedError(Exception):
    """Another process leads, and this one did: what it knows is out of date."""


class KeepsLease(Protocol):
    """`cluster.Leases`; all methods raise ApiError."""

    @property
    def name(self) -> LeaseName:
        """Which Lease."""

    async def read(self) -> Lease | None:
        """The Lease, None when there is none."""

    async def create(self, claim: Claim) -> None:
        """Make it, if there is none."""

    async def take(self, claim: Claim, before: Lease) -> None:
        """Make it say `claim`, if it is as it was `before`."""

    async def renew(self, holder: str, at: float) -> None:
        """Say that `holder` still leads; status 422 if it does not."""

    async def release(self, holder: str, at: float) -> None:
        """Give it back."""


class Leads(Protocol):
    """Whether this process leads; `Leadership`, or that of a process that is `Alone`."""

    resumed: Callable[[], None]
    """Called when it may write again after it could not renew."""
    leads: asyncio.Event
    """Set when it leads for the first time."""
    deposed: asyncio.Event
    """Set when another one may have led since: nothing of this process is true any more."""

    def left(self) -> float:
        """For how many seconds a write may go on that begins now; 0 when none may begin."""

    @property
    def trouble(self) -> str | None:
        """Why it cannot stand by; None once it can."""

    @property
    def said(self) -> str:
        """Who leads, for people."""

    async def run(self, may_lead: Callable[[], bool]) -> None:
        """Stand by, lead as soon as that is free and it `may_lead`, and end when deposed."""

    async def release(self) -> None:
        """Write no more, and let others lead at once."""


class Alone:
    """The only process there is needs no Lease."""

    def __init__(self) -> None:
        self.resumed: Callable[[], None] = lambda: None
        self.leads, self.deposed = asyncio.Event(), asyncio.Event()
        self.leads.set()

    trouble = None
    said = "leading, alone"

    def left(self) -> float:
        """For ever."""
        return math.inf

    async def run(self, may_lead: Callable[[], bool]) -> None:
        """Nothing is to be done."""

    async def release(self) -> None:
        """Nobody waits for it."""


class Leadership:
    """That of one process, which is called `identity` and was never called so before."""

    def __init__(
        self,
        leases: KeepsLease,
        identity: str,
        instruments: OperatorMetrics,
        *,
        clock: Callable[[], float] = since_boot,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._instruments = instruments
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self.resumed: Callable[[], None] = lambda: None
        self.leads, self.deposed = asyncio.Event(), asyncio.Event()
        self._is_holder = False
        self._is_over = False
        self._renewed = 0.0
        """When the last renewal was sent that was answered."""
        self._lease: Lease | None = None
        self._seen_at: float | None = None
        """When the Lease was seen to be another than before; None until it was looked at."""
        self._looked_at = 0.0, 0.0
        """When it was read last, by the clock and by the wall clock."""
        self._trouble = "the Lease was not read yet"
        self._is_off = False

    def left(self) -> float:
        """For how many seconds a write may go on that begins now; 0 when none may begin."""
        age = self._clock() - self._renewed
        if not self._is_holder or self._is_over or self.deposed.is_set() or age >= RENEW_S:
            return 0.0
        return LEASE_S - SPARE_S - age

    @property
    def trouble(self) -> str | None:
        """Why it cannot stand by; None once the Lease was read."""
        name = self._leases.name
        return f"Lease {name}: {self._trouble}" if self._seen_at is None else None

    @property
    def said(self) -> str:
        """Who leads, for people."""
        if self._is_holder:
            return "leading" if self.left() else "leading, but the Lease could not be renewed"
        holder = None if self._lease is None else self._lease.claim.holder
        return "standby, no replica leads" if holder is None else f"standby, {holder} leads"

    async def run(self, may_lead: Callable[[], bool]) -> None:
        """Stand by, lead as soon as that is free and it `may_lead`, and end when deposed."""
        renewals: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while not (self.deposed.is_set() or self._is_over):
                if not self._is_holder:
                    await self._stand(may_lead)
                elif len(renewals) < MOST_RENEWALS:
                    renewal = tasks.create_task(self._renew())
                    renewals.add(renewal)
                    renewal.add_done_callback(renewals.discard)
                await self._sleep(self._pause(may_lead))

    async def release(self) -> None:
        """Write no more, and let others lead at once."""
        self._is_over = True
        if not self._is_holder or self.deposed.is_set():
            return
        try:
            await self._leases.release(self._identity, self._wall())
        except ApiError as error:
            _log.warning("the Lease was not given back, others wait until it is over: %s", error)
        else:
            _log.info("the Lease %s is given back", self._leases.name)

    async def _stand(self, may_lead: Callable[[], bool]) -> None:
        """Look at the Lease, and take it when it is free."""
        try:
            async with asyncio.timeout(RENEW_S):
                self._see(await self._leases.read())
                if self._lease is None:
                    # Of nobody: one may lead whose Lease was deleted a moment ago.
                    await self._leases.create(Claim(None, LEASE_S, self._wall()))
                    self._see(await self._leases.read())
                elif self._holder == self._identity:
                    # It was taken, and the answer was lost.
                    self._is_holder = True
                    await self._renew()
                elif may_lead() and self._clock() >= self._free_at():
                    await self._take()
        except (ApiError, TimeoutError) as error:
            self._failed(error)

    async def _take(self) -> None:
        sent, before = self._clock(), self._lease
        if before is None:
            await self._leases.create(Claim(self._identity, LEASE_S, self._wall()))
        else:
            transitions = before.claim.transitions + 1
            claim = Claim(self._identity, LEASE_S, self._wall(), transitions)
            await self._leases.take(claim, before)
        self._is_holder = True
        self._is_renewed(sent)

    async def _renew(self) -> None:
        sent = self._clock()
        try:
            async with asyncio.timeout(RENEW_S):
                try:
                    await self._leases.renew(self._identity, self._wall())
                except ApiError as error:
                    if error.status not in (404, 422):
                        raise
                    await self._look_again()
                else:
                    self._is_renewed(sent)
        except (ApiError, TimeoutError) as error:
            self._failed(error)

    async def _look_again(self) -> None:
        """Somebody changed the Lease under its holder, or there is none any more."""
        self._see(await self._leases.read())
        if self._is_over or self._holder == self._identity:
            return
        if self._holder is None and self.left():
            # Nobody can have led meanwhile: others wait as long as for one that died.
            await self._take()
            return
        _log.warning("%s leads now, and this process ends", self._holder or "another process")
        self.deposed.set()

    def _is_renewed(self, sent: float) -> None:
        if self.deposed.is_set():
            return
        was_late = self.leads.is_set() and not self.left()
        self._renewed = max(self._renewed, sent)
        if not self.leads.is_set():
            _log.info("leads from now on, as %s", self._identity)
            self.leads.set()
        elif was_late and self.left():
            _log.info("the Lease is renewed again, and no other process led meanwhile")
            self.resumed()

    def _failed(self, error: ApiError | TimeoutError) -> None:
        self._trouble = str(error) or "no answer"
        _log.warning("Lease %s: %s", self._leases.name, self._trouble)

    def _see(self, lease: Lease | None) -> None:
        """Note what was read, and when it was first seen to be so."""
        now, before = self._clock(), self._holder
        is_first = self._seen_at is None
        if is_first or _content(lease) != _content(self._lease):
            self._seen_at = now
            self._lease = lease
            if self._holder != before and not is_first:
                self._instruments.leader_changes.inc()
            if self._holder not in (None, self._identity) and not is_first:
                self._compare_clocks(now)
        self._lease = lease
        self._looked_at = now, self._wall()

    def _compare_clocks(self, now: float) -> None:
        """Tell when a renewal that was seen now was, by its own time, made at quite another one."""
        claim = _claim(self._lease)
        if claim is None or claim.renewed_at is None:
            return
        ahead = claim.renewed_at - self._wall()
        since_look = now - self._looked_at[0]
        is_off = ahead > TOLERATED_S or ahead < -since_look - TOLERATED_S
        self._instruments.clock_difference.set(ahead if is_off else 0.0)
        if is_off and not self._is_off:
            _log.warning(
                "the clock of %s is %.0f s %s that of this machine: set both right. Neither who "
                "leads nor what is counted depends on it",
                claim.holder,
                abs(ahead),
                "ahead of" if ahead > 0 else "behind",
            )
        self._is_off = is_off

    @property
    def _holder(self) -> str | None:
        claim = _claim(self._lease)
        return None if claim is None else claim.holder

    def _free_at(self) -> float:
        """From when on nobody else can lead, by what was seen."""
        assert self._seen_at is not None  # it was looked at
        claim = _claim(self._lease)
        if claim is not None and claim.is_released:
            return self._seen_at
        # One that is empty was emptied by somebody who may not know who leads.
        lasts = claim.lasts_s if claim is not None and claim.lasts_s is not None else LEASE_S
        return self._seen_at + (lasts if LEASE_S <= lasts <= LONGEST_S else LEASE_S)

    def _pause(self, may_lead: Callable[[], bool]) -> float:
        if self._is_holder or self._seen_at is None or not may_lead():
            return RETRY_S
        left = self._free_at() - self._clock()
        return left if 0.0 < left < RETRY_S else RETRY_S


def _claim(lease: Lease | None) -> Claim | None:
    return None if lease is None else lease.claim


def _content(lease: Lease | None) -> tuple[str, Claim] | None:
    """What is another one with each renewal, and not with each annotation."""
    return None if lease is None else (lease.uid, lease.claim)
