"""What a history was like for users and for the API server, as oracles ask about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from model_rollouts.cluster.client import MANAGER
from model_rollouts.cluster.kinds import EVENT
from model_rollouts.metrics.sources import Listener
from model_rollouts.routes import reader, record
from model_rollouts.routes.record import RouteRecord
from tests.faults import spans
from tests.faults.api_server import Change
from tests.faults.catalogue import WRITE_ROUTE
from tests.faults.faults import ClockBehind, Fault, PrometheusAway, Refused, WatchDisturbed
from tests.faults.field_owners import Object
from tests.faults.history import History
from tests.faults.notes import MODEL, NAME, OPERATOR, ROUTE
from tests.faults.operator_process import LIST_PERIOD_S
from tests.faults.spans import Span, Spans

TERRIBLE = 0.9
"""The share of failed requests from which a version is one that fails everybody."""


@dataclass(frozen=True)
class RouteWritten:
    """The route as somebody left it; `roles` None where there is no record of them."""

    at: float
    by_operator: bool
    weights: dict[str, int]
    roles: RouteRecord | None

    def share(self, revision: str) -> float:
        """The share of users of a revision (0 to 1)."""
        total = sum(self.weights.values())
        return self.weights.get(revision, 0) / total if total else 0.0


@dataclass(frozen=True)
class Told:
    """Something that the operator told people, in an event or a condition that stood `until`."""

    at: float
    text: str
    until: float


class Facts:
    """Views of one history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.world = history.world
        self.scenario = history.scenario
        self.ended = history.ended_at

    @cached_property
    def routes(self) -> list[RouteWritten]:
        """Every state of the route, whoever wrote it; no weights where it was deleted."""
        return list(self._routes())

    def _routes(self) -> Iterator[RouteWritten]:
        before: object = None
        for change in self.changes(lambda change: change.place == ROUTE):
            after = change.after
            weights = {} if after is None else reader.weights(after)
            text = None if after is None else reader.record_of(after)
            if (weights, text) == before:
                continue
            before = weights, text
            roles = None if after is None else record.read(after)
            yield RouteWritten(change.at, change.by == MANAGER, weights, roles)

    def changes(self, of: Callable[[Change], bool]) -> list[Change]:
        """The writes that are so."""
        return [change for change in self.world.server.log if of(change)]

    @cached_property
    def revisions(self) -> dict[str, str]:
        """The version of each revision that ever had a pod."""
        return self.world.users_of(NAME).versions

    @cached_property
    def statuses(self) -> list[tuple[float, Object]]:
        """Every status of the model that was written."""
        mine = self.changes(
            lambda change: change.place == MODEL and change.by in OPERATOR and bool(change.after)
        )
        return [(each.at, (each.after or {}).get("status") or {}) for each in mine]

    @cached_property
    def told(self) -> list[Told]:
        """Everything that was told of the model, in conditions and events."""
        return self._told(lambda name: name == NAME)

    @cached_property
    def told_of_any(self) -> list[Told]:
        """Everything that was told of any model."""
        return self._told(lambda name: True)

    def _told(self, of: Callable[[str], bool]) -> list[Told]:
        statuses: dict[str, list[tuple[float, Object]]] = {}
        for each in self.changes(lambda change: change.place.kind is MODEL.kind):
            if of(each.place.name) and each.by in OPERATOR and each.after:
                status = each.after.get("status") or {}
                statuses.setdefault(each.place.name, []).append((each.at, status))
        conditions = [
            Told(at, f"{each['reason']} {each['message']}", until)
            for written in statuses.values()
            for (at, status), (until, _) in zip(
                written, [*written[1:], (self.ended, {})], strict=True
            )
            for each in status.get("conditions", ())
        ]
        events = [
            Told(each.at, f"{each.after['reason']} {each.after['note']}", each.at)
            for each in self.changes(lambda change: change.place.kind is EVENT)
            if each.after is not None and of(each.after["regarding"]["name"])
        ]
        return conditions + events

    # When something was so

    def gives_users(self, revision: str) -> Spans:
        """When both the route and the gateway gave users to a revision."""
        stored = [(each.at, each.share(revision) > 0) for each in self.routes]
        sent = [(each.at, each.weights.get(revision, 0) > 0) for each in self.world.splits()]
        return spans.both(spans.where(stored, self.ended), spans.where(sent, self.ended))

    def terrible(self, version: str) -> Spans:
        """When a version failed everybody."""
        log = self.world.users_of(NAME).qualities_since
        states = [(at, of.errors >= TERRIBLE) for at, named, of in log if named == version]
        return spans.where(states, self.ended)

    def without_pods(self, revision: str) -> Spans:
        """When a revision had no ready pod."""
        log = self.world.users_of(NAME).pods_since
        return spans.where(
            [(at, not pods) for at, named, pods in log if named == revision], self.ended
        )

    def in_canary(self, revision: str) -> Spans:
        """When the operator had a revision in its canary, with users."""
        return self._by_roles(
            lambda route, roles: (
                roles.phase == "Canary"
                and roles.candidate == revision
                and route.share(revision) > 0
            )
        )

    def watched(self, revision: str) -> Spans:
        """When the operator watched a revision with all users, the one before it beside it."""
        return self._by_roles(
            lambda _, roles: (
                roles.phase == "Full" and roles.stable == revision and roles.previous is not None
            )
        )

    def _by_roles(self, holds: Callable[[RouteWritten, RouteRecord], bool]) -> Spans:
        """When the route that the operator wrote last, with its roles, `holds`."""
        states = [
            (each.at, holds(each, each.roles))
            for each in self.routes
            if each.by_operator and each.roles is not None
        ]
        return spans.where(states, self.ended)

    def lasting(self, of: Callable[[Fault], bool]) -> Spans:
        """When a fault was there that is so."""
        return spans.joined(
            Span(each.begun, self.ended if each.ended is None else each.ended)
            for each in self.world.faults
            if of(each.fault)
        )

    @cached_property
    def dead(self) -> Spans:
        """When no operator ran or led, or one had just begun and did not see the present yet."""
        if self.scenario.operators > 1:
            led = spans.joined(each._replace(begun=each.begun + STARTS_S) for each in self.led)
            return spans.without((Span(0.0, self.ended),), led)
        alive = spans.joined(
            Span(
                max(each.begun, each.knows_from) + STARTS_S,
                self.ended if each.ended is None else each.ended,
            )
            for each in self.world.lives
        )
        return spans.without((Span(0.0, self.ended),), alive)

    @cached_property
    def led(self) -> Spans:
        """When one of several operators could write."""
        return spans.joined(
            span
            for life in self.world.lives
            for span in spans.where(
                life.may_write, self.ended if life.ended is None else life.ended
            )
        )

    @cached_property
    def paused(self) -> Spans:
        """When the spec asked for a pause."""
        log = self.changes(lambda change: change.place == MODEL)
        states = [
            (each.at, bool(((each.after or {}).get("spec") or {}).get("paused"))) for each in log
        ]
        return spans.where(states, self.ended)

    @cached_property
    def blind(self) -> Spans:
        """When nothing could be judged: Prometheus was away, or the operator's clock behind."""
        return self.lasting(lambda fault: isinstance(fault, PrometheusAway | ClockBehind))

    @cached_property
    def unheard(self) -> Spans:
        """When events of the watch were late or lost: until a list has told what they had to."""
        disturbed = self.lasting(lambda fault: isinstance(fault, WatchDisturbed))
        return tuple(Span(each.begun, each.ended + LIST_PERIOD_S) for each in disturbed)

    def refused(self, action: str) -> Spans:
        """When the API server took no such action."""
        return self.lasting(lambda fault: isinstance(fault, Refused) and fault.action == action)

    @cached_property
    def route_refused(self) -> Spans:
        """When the API server took no write of the route."""
        return self.refused(WRITE_ROUTE)

    def counted(self, revision: str, listener: Listener, at: float) -> int:
        """Requests that a revision had answered when it was last scraped before a time."""
        sample = self.world.users_of(NAME).sample((revision, listener), at)
        return 0 if sample is None else sample.counted.requests


STARTS_S = 2.0
"""What an operator takes to list everything before it can do anything."""
