"""One scenario, played from its first moment until nothing moves any more."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from model_rollouts.cluster.kinds import EVENT
from tests.faults import virtual_time
from tests.faults.api_server import Change
from tests.faults.faults import FOR_EVER, Fault, ScrapesDisturbed
from tests.faults.hands import annotates
from tests.faults.notes import NAME, OPERATOR
from tests.faults.people import Act, Moment
from tests.faults.refusals import Place
from tests.faults.users import SCRAPE_S, Quality
from tests.faults.virtual_time import now
from tests.faults.world import Variant, World

LEAST_S = 150.0
"""How long a history goes on after the last thing that happens to it: a list is made meanwhile."""

QUIET_S = 100.0
"""How long nothing must have been written before it ends."""

QUIET_SCRAPES = 4
"""Scrapes of a pod within that: the last step needs evidence of its own."""

MOST_S = 900.0
"""How long is waited for that."""


@dataclass(frozen=True)
class Planned:
    """A fault, when it comes, and how long it stays."""

    fault: Fault
    moment: Moment
    lasts: float = FOR_EVER


@dataclass(frozen=True)
class Noise:
    """Another controller that writes an annotation every so many seconds, for ever."""

    place: Place
    every: float


@dataclass(frozen=True)
class Scenario:
    """What will happen, apart from what the operator does about it.

    `declared` is what people ask for; `meddling` what they and tools do besides, each sequence by
    itself. `common` are fields of every spec.
    """

    name: str
    declared: tuple[Act, ...]
    qualities: Mapping[str, Quality] = field(default_factory=dict)
    meddling: tuple[tuple[Act, ...], ...] = ()
    faults: tuple[Planned, ...] = ()
    noise: tuple[Noise, ...] = ()
    common: Mapping[str, object] = field(default_factory=dict)
    rate: float = 80.0
    shadows: bool = False
    sampled: bool = False
    """Whether Prometheus is there at the level of samples."""
    scrape_s: float = SCRAPE_S
    """How often it scrapes; the operator is set to 5 s."""
    is_determined: bool = True
    """Whether what is asked for decides where it ends, whatever goes wrong on the way."""

    operators: int = 1
    """With several, one leads by a Lease."""

    neighbours: tuple[tuple[Act, ...], ...] = ()
    """What is asked for of other ModelDeployments, each sequence by itself."""

    @property
    def replicas(self) -> int:
        """Of Prometheus, 0 where it is there at the level of counts alone."""
        split = (
            isinstance(each.fault, ScrapesDisturbed) and each.fault.split for each in self.faults
        )
        return (2 if any(split) else 1) if self.sampled else 0

    def undisturbed(self) -> "Scenario":
        """The same things asked for, and nothing else."""
        return Scenario(
            self.name,
            self.declared,
            self.qualities,
            common=self.common,
            rate=self.rate,
            shadows=self.shadows,
            sampled=self.sampled,
        )


@dataclass
class History:
    """What has happened. `calm_at` is when the last thing happened to it from outside."""

    seed: str
    scenario: Scenario
    world: World
    calm_at: float
    ended_at: float
    errors: list[str]
    """What the operator logged as an error of its own."""


def play(seed: str, scenario: Scenario, variant: Variant | None = None) -> History:
    """The history of a scenario. The same seed gives the same history."""
    with _errors_heard() as errors:
        return virtual_time.run(lambda: _played(seed, scenario, variant or Variant(), errors))


async def _played(seed: str, scenario: Scenario, variant: Variant, errors: list[str]) -> History:
    broken: list[BaseException] = []
    loop = asyncio.get_running_loop()

    def note(_: object, context: dict[str, Any]) -> None:
        # What a process that was killed still waited for is gone with it.
        if "asyncgen" in context or "was destroyed" in context["message"]:
            return
        broken.append(context.get("exception") or Exception(context["message"]))

    loop.set_exception_handler(note)
    common = dict(scenario.common)
    world = World(
        seed,
        scenario.rate,
        common,
        variant,
        replicas=scenario.replicas,
        scrape_s=scenario.scrape_s,
        operators=scenario.operators,
    )
    for version, quality in scenario.qualities.items():
        world.users_of(NAME).becomes(version, quality)
    background = [
        asyncio.create_task(world.operate(number)) for number in range(scenario.operators)
    ]
    background += [asyncio.create_task(_annotate(world, each)) for each in scenario.noise]
    lasting = [each for each in scenario.faults if each.lasts == FOR_EVER]
    background += [asyncio.create_task(_disturb(world, each)) for each in lasting]
    passing = [each for each in scenario.faults if each.lasts < FOR_EVER]
    async with asyncio.TaskGroup() as tasks:
        for sequence in (scenario.declared, *scenario.meddling, *scenario.neighbours):
            tasks.create_task(_act(world, sequence))
        for planned in passing:
            tasks.create_task(_disturb(world, planned))
    calm_at = now()
    await _settle(world, max(QUIET_S, QUIET_SCRAPES * scenario.scrape_s))
    for users in world.users.values():
        users.settle()
    for task in background:
        task.cancel()
    ended = await asyncio.gather(*background, return_exceptions=True)
    broken += [
        each
        for each in ended
        if isinstance(each, BaseException) and not isinstance(each, asyncio.CancelledError)
    ]
    if broken:
        raise broken[0]
    return History(seed, scenario, world, calm_at, now(), errors)


async def _act(world: World, sequence: tuple[Act, ...]) -> None:
    for act in sequence:
        await _come(world, act.moment)
        act.do(world)


async def _disturb(world: World, planned: Planned) -> None:
    await _come(world, planned.moment)
    lasting = world.begin(planned.fault)
    if planned.lasts < FOR_EVER:
        await asyncio.sleep(planned.lasts)
        world.end(lasting)


async def _annotate(world: World, noise: Noise) -> None:
    while True:
        await asyncio.sleep(noise.every)
        annotates(Moment(), noise.place).do(world)


async def _come(world: World, moment: Moment) -> None:
    if moment.version:
        await world.until(lambda: world.stage(moment.version) == moment.stage, moment.most)
    if moment.after:
        await asyncio.sleep(moment.after)


async def _settle(world: World, quiet_s: float) -> None:
    begun = now()
    await asyncio.sleep(LEAST_S)
    while now() - begun < MOST_S:
        quiet = now() - last_write(world)
        if quiet >= quiet_s:
            return
        await asyncio.sleep(quiet_s - quiet)


def last_write(world: World) -> float:
    """When the operator last wrote something besides events."""
    return next((change.at for change in reversed(world.server.log) if _is_work(change)), 0.0)


def _is_work(change: Change) -> bool:
    return change.by in OPERATOR and change.place.kind is not EVENT


@contextmanager
def _errors_heard() -> Iterator[list[str]]:
    """What is logged as an error goes into a list, and everything else nowhere."""
    heard: list[str] = []
    logger, handler = logging.getLogger("model_rollouts"), _Errors(heard)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    try:
        yield heard
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
        logger.setLevel(level)


class _Errors(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, with the exception that it is about."""
        error = record.exc_info[1] if record.exc_info else None
        self._heard.append(f"{record.getMessage()}: {error!r}" if error else record.getMessage())
