"""What is kept of a history while it goes on, and what its objects are called."""

import asyncio
from dataclasses import dataclass, field

from model_rollouts.cluster.client import MANAGER, SCALER
from model_rollouts.cluster.kinds import GATEWAY, HTTP_ROUTE, MODEL_DEPLOYMENT
from tests.faults.faults import Fault, Killed
from tests.faults.refusals import Place
from tests.faults.transport import Transport

NAMESPACE, NAME = "flights", "arrival"
MODEL = Place(MODEL_DEPLOYMENT, NAMESPACE, NAME)
ROUTE = Place(HTTP_ROUTE, NAMESPACE, NAME)
OPERATOR = frozenset((MANAGER, SCALER))


def is_of(place: Place, model: str) -> bool:
    """Whether an object is that ModelDeployment, one of its children, or everybody's."""
    return is_shared(place) or place.name == model or place.name.startswith(f"{model}-")


def is_shared(place: Place) -> bool:
    """Whether every ModelDeployment asks about an object: the Gateway, and all routes."""
    return place.kind in (GATEWAY, HTTP_ROUTE) and place.name in ("", "models")


@dataclass
class Life:
    """One life of the operator, in seconds of the history; `error` is what it ended of."""

    begun: float
    number: int = 1
    ended: float | None = None
    error: str | None = None
    transport: Transport | None = None
    knows_from: float = 0.0
    """When its lists and watches begin to show the present."""
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    killed_by: Killed | None = None
    operator: int = 0
    """Which of several operators lives."""
    may_write: list[tuple[float, bool]] = field(default_factory=list)
    """From when on it may write or not, where that depends on a Lease."""
    is_warm: list[tuple[float, bool]] = field(default_factory=list)
    """From when on it had listed everything."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Lasting:
    """A fault, and when it was there."""

    fault: Fault
    begun: float
    ended: float | None = None
    operator: int | None = None
    """Which operator it hits, None for all."""


@dataclass(frozen=True)
class Input:
    """Something that somebody else than the operator did to the model or its objects.

    `declares` is a change of what the ModelDeployment asks for; `forgives` one after which a
    version that was rolled back may have users again.
    """

    at: float
    who: str
    what: str
    declares: bool = False
    forgives: bool = False
