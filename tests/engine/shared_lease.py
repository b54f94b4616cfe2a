"""A Lease in memory that several processes share, and the wire of each, in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.leases import RELEASED_S, Claim, Lease, LeaseName
from model_rollouts.engine.leadership import Leadership
from model_rollouts.engine.operator_metrics import OperatorMetrics
from tests.faults.virtual_time import now

NAME = LeaseName("model-rollouts", "model-rollouts")
NEVER_S = 3600.0


@dataclass
class SharedLease:
    """What the API server keeps."""

    lease: Lease | None = None
    versions: int = 0

    def put(self, claim: Claim | None) -> None:
        """Whatever was there is this now; None deletes it."""
        self.versions += 1
        version = str(self.versions)
        uid = version if self.lease is None else self.lease.uid
        self.lease = None if claim is None else Lease(version, uid, claim)


@dataclass
class Wire:
    """The way of one process to it: a request takes `seconds`, half of them until it is done."""

    shared: SharedLease
    name: LeaseName = NAME
    seconds: float = 0.02
    is_cut: bool = False
    cut: Callable[[], bool] = lambda: False
    """Whether it is cut by somebody else."""
    loses_answers: bool = False
    """Of what is written."""
    done: list[str] = field(default_factory=list)

    async def read(self) -> Lease | None:
        """The Lease."""
        found: Lease | None = await self._sent("read", lambda: self.shared.lease)
        return found

    async def create(self, claim: Claim) -> None:
        """Make it."""
        await self._sent("create", lambda: self._put(claim, None))

    async def take(self, claim: Claim, before: Lease) -> None:
        """Make it say `claim`."""
        await self._sent("take", lambda: self._put(claim, before))

    def _put(self, claim: Claim, before: Lease | None) -> None:
        if self.shared.lease != before:
            raise ApiError("PATCH", "lease", 409, "modified")
        self.shared.put(claim)

    async def renew(self, holder: str, at: float) -> None:
        """Renew it."""
        claim = {"renewed_at": at}
        await self._sent("renew", lambda: self._changed(holder, claim))

    async def release(self, holder: str, at: float) -> None:
        """Give it back."""
        claim = {"holder": None, "lasts_s": RELEASED_S, "renewed_at": at}
        await self._sent("release", lambda: self._changed(holder, claim))

    def _changed(self, holder: str, changes: dict[str, Any]) -> None:
        lease = self.shared.lease
        if lease is None:
            raise ApiError("PATCH", "lease", 404, "not found")
        if lease.claim.holder != holder:
            raise ApiError("PATCH", "lease", 422, "test failed")
        self.shared.put(replace(lease.claim, **changes))

    async def _sent(self, word: str, do: Callable[[], Any]) -> Any:
        """What comes of it; once sent it is done, whether or not somebody still waits for it."""
        if self.is_cut or self.cut():
            await asyncio.sleep(NEVER_S)
        loses = self.loses_answers and word != "read"
        there = back = self.seconds / 2

        async def done() -> Any:
            await asyncio.sleep(there)
            try:
                return do()
            finally:
                self.done.append(word)

        sent = asyncio.ensure_future(done())
        # Whoever gave it up is not told.
        sent.add_done_callback(lambda each: each.cancelled() or each.exception())
        found = await asyncio.shield(sent)
        if loses or self.is_cut or self.cut():
            await asyncio.sleep(NEVER_S)
        await asyncio.sleep(back)
        return found


class Process:
    """One that stands by or leads, with clocks of its own."""

    def __init__(
        self, shared: SharedLease, identity: str, *, ahead: float = 0.0, booted: float = 0.0
    ) -> None:
        self.wire = Wire(shared)
        self.ahead = ahead
        self.may_lead = True
        self.resumed = 0
        self.instruments = OperatorMetrics(identity)
        self.leadership = Leadership(
            self.wire,
            identity,
            self.instruments,
            clock=lambda: now() - booted,
            wall=lambda: now() + self.ahead,
        )
        self.leadership.resumed = self._resume
        self.work: asyncio.Task[None] | None = None

    def start(self) -> "Process":
        """It runs from now on."""
        self.work = asyncio.create_task(self.leadership.run(lambda: self.may_lead))
        return self

    def kill(self) -> None:
        """It is no more: what it sent is on its way."""
        assert self.work is not None
        self.work.cancel()

    @property
    def leads(self) -> bool:
        """Whether it may write now."""
        return self.leadership.left() > 0 and self.work is not None and not self.work.done()

    def metric(self, name: str) -> float | None:
        """The value of one of its metrics."""
        return self.instruments.registry.get_sample_value(f"model_rollouts_{name}")

    def _resume(self) -> None:
        self.resumed += 1


async def seconds_until(holds: Callable[[], bool], most: float = 120.0) -> float:
    """How long it took until something holds; fails after `most`."""
    begun = now()
    while not holds():
        assert now() - begun < most, "it never was so"
        await asyncio.sleep(0.05)
    return now() - begun
