"""What a plan asks to be done, in the order in which it must be done.

The order is the commit order: an advance writes its evidence into the status before the route, a
rollback writes the route before anything else. An action that fails stops what depends on it: a
status the routes after it, a route everything after it. All others are tried.
"""

from dataclasses import dataclass
from enum import StrEnum

from model_rollouts.resources.shapes import Body


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object that must not exist yet; that it exists is a reason to plan again."""

    body: Body


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of everything that we own of an object, taking it from other writers.

    With `resource_version` the write is refused when the object has changed since.
    """

    body: Body
    resource_version: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Accompany:
    """Server-side apply of an object of a kind that only the administrator knows.

    `plural` is the name of the kind in paths. Nothing is kept of what the API server has.
    """

    body: Body
    plural: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Set the replicas of a revision's Deployment, and nothing else of it."""

    revision: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object, given by its kind and name; that it is gone already is no failure."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class WriteRoute:
    """Apply the HTTPRoute with its record; `resource_version` None creates it.

    `protects`: it takes users or mirrored requests from a version, and waits for nothing.
    """

    body: Body
    resource_version: str | None
    move: "Move"
    protects: bool = False


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Replace the status by this one (camelCase JSON)."""

    status: Body


class Severity(StrEnum):
    """The type of an Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Emit:
    """Record an Event, and one line in the log, about a transition. Losing it loses nothing."""

    severity: Severity
    reason: str
    action: str
    note: str


class Move(StrEnum):
    """Why the route is written."""

    FIRST = "First"
    """The first version gets all users."""
    MIRROR = "Mirror"
    """The candidate gets copies of requests, or more of them."""
    BEGIN = "Begin"
    """The candidate gets its first users."""
    ADVANCE = "Advance"
    """The candidate gets more users."""
    PROMOTE = "Promote"
    """The candidate becomes stable."""
    ROLL_BACK = "RollBack"
    """The candidate, or what was promoted last, gives its users back."""
    DROP = "Drop"
    """The candidate is no longer wanted."""
    REVERT = "Revert"
    """A version that served all users before serves them again."""
    SETTLE = "Settle"
    """The watch is over: roles change, weights do not."""
    EXCHANGE = "Exchange"
    """Users follow the pods: those of one version start as those of the other end."""
    EASE = "Ease"
    """The candidate gets fewer copies or users: stable suffered from the copies, a person asks for
    fewer, the pods that it may have do not carry more, or none of them can be reached."""
    RESUME = "Resume"
    """The candidate gets the users again that it lost without a verdict."""
    REPAIR = "Repair"
    """Somebody else changed the route, or the spec of the route changed."""


Action = Create | Apply | Accompany | Scale | Delete | WriteRoute | WriteStatus | Emit


class Need(StrEnum):
    """What has to be asked before a plan can go on."""

    CHECK = "Check"
    """`Observed.checked`, for the generation at hand."""
    HISTORY = "History"
    """`Observed.history`, of the wanted revision and of those that served before it."""
    FALLBACK = "Fallback"
    """`Observed.fallback`, as long as versions have a fallback. Nothing waits for it."""
    SIZES = "Sizes"
    """`Observed.sizes`, while some requests are not mirrored. Nothing waits for them."""
    CASES = "Cases"
    """`Observed.cases`, of a version whose answers differ. Nothing waits for them."""
    BUCKETS = "Buckets"
    """`Observed.buckets`, of a model server whose own histogram is judged. Nothing waits for them.
    """
    LATENCIES = "Latencies"
    """`Observed.latencies`, of what is judged beside stable. Nothing waits for them."""
    INPUTS = "Inputs"
    """`Observed.inputs`, while the spec names a reference. Nothing waits for them."""
    PARENTS = "Parents"
    """`Observed.absent`, of Gateways that say nothing of the route."""
