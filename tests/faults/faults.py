"""What goes wrong, and for how long: each fault changes the surroundings while it is there."""

import math
import random
from dataclasses import dataclass
from typing import Any

from model_rollouts.cluster.kinds import EVENT, HTTP_ROUTE
from tests.faults import controllers, prometheus
from tests.faults.api_server import ApiServer, Change, Mutator
from tests.faults.field_owners import Object
from tests.faults.refusals import Place
from tests.faults.transport import Asked, Trouble
from tests.faults.virtual_time import Clock
from tests.faults.watch_source import Wire


@dataclass
class Surroundings:
    """Everything around the operator that a fault can change."""

    server: ApiServer
    cluster: controllers.Condition
    prometheus: prometheus.Condition
    clock: Clock
    dice: random.Random


@dataclass(frozen=True)
class Fault:
    """Nothing, so far."""

    whom = ""
    """Which operator it hits, `leader` or `standby` by who leads when it begins; none is all."""

    cuts = False
    """Whether that operator gets no answer of the API server, and hears nothing of it."""

    @property
    def words(self) -> str:
        """What it is, for the story."""
        return repr(self)

    def begin(self, around: Surroundings) -> None:
        """It is there from now on."""

    def end(self, around: Surroundings) -> None:
        """It is over."""

    def meets(self, asked: Asked, around: Surroundings) -> Trouble | None:
        """What it does to a request."""
        return None

    def disturbs(self, change: Change, around: Surroundings) -> tuple[Wire, float] | None:
        """What it does to an event of a watch."""
        return None


@dataclass(frozen=True)
class Refused(Fault):
    """An action gets another answer than it should; `status` None is none within its time."""

    action: str
    status: int | None
    message: str
    chance: float = 1.0
    managed: bool = True
    """Whether lists by our label are refused too: those that everything rests on."""

    def meets(self, asked: Asked, around: Surroundings) -> Trouble | None:
        """The answer."""
        if asked.action != self.action or around.dice.random() >= self.chance:
            return None
        if not self.managed and "labelSelector" in asked.query:
            return None
        return Trouble(self.status, self.message)


@dataclass(frozen=True)
class AnswersLost(Fault):
    """Writes are done, and some of their answers never come."""

    chance: float

    def meets(self, asked: Asked, around: Surroundings) -> Trouble | None:
        """The broken connection."""
        if not asked.verb.writes or asked.place.kind is EVENT:
            return None
        lost = around.dice.random() < self.chance
        return Trouble(None, "the connection was reset by peer", done=True) if lost else None


@dataclass(frozen=True)
class WatchDisturbed(Fault):
    """Events of the watch are late, merged, or never come."""

    wire: Wire
    seconds: float
    chance: float

    def disturbs(self, change: Change, around: Surroundings) -> tuple[Wire, float] | None:
        """What becomes of an event."""
        return (self.wire, self.seconds) if around.dice.random() < self.chance else None


@dataclass(frozen=True)
class Killed(Fault):
    """The operator is killed after every so many writes, some `times`.

    It is `away` for so many seconds. Its lists and watches then begin `behind` revisions before
    the present, for some seconds more.
    """

    every: int
    times: int
    away: float
    behind: int = 0
    behind_s: float = 0.0


@dataclass(frozen=True)
class SecondOperator(Fault):
    """Two operators run side by side."""


@dataclass(frozen=True)
class PrometheusAway(Fault):
    """It answers nothing."""

    def begin(self, around: Surroundings) -> None:
        """It goes."""
        around.prometheus.is_away = True

    def end(self, around: Surroundings) -> None:
        """It is back."""
        around.prometheus.is_away = False


@dataclass(frozen=True)
class PastSlow(Fault):
    """Questions about the past take long, and may fail in the end."""

    seconds: float
    fails: bool

    def begin(self, around: Surroundings) -> None:
        """It is slow."""
        around.prometheus.past_takes_s, around.prometheus.past_fails = self.seconds, self.fails

    def end(self, around: Surroundings) -> None:
        """It is as fast as ever."""
        around.prometheus.past_takes_s, around.prometheus.past_fails = 0.1, False


@dataclass(frozen=True)
class GatewaySlow(Fault):
    """The gateway takes long to accept a route."""

    seconds: float

    def begin(self, around: Surroundings) -> None:
        """It is slow."""
        around.cluster.accepts_s = self.seconds

    def end(self, around: Surroundings) -> None:
        """It is as fast as ever."""
        around.cluster.accepts_s = controllers.Condition.accepts_s


@dataclass(frozen=True)
class MirrorsRefused(Fault):
    """The gateway takes no route with a mirror."""

    def begin(self, around: Surroundings) -> None:
        """It refuses them."""
        around.cluster.refuses_mirrors = True

    def end(self, around: Surroundings) -> None:
        """It takes them again."""
        around.cluster.refuses_mirrors = False


@dataclass(frozen=True)
class PodsSlow(Fault):
    """Pods of a version take long to be ready; infinite when they never are."""

    version: str
    seconds: float

    def begin(self, around: Surroundings) -> None:
        """They are slow."""
        around.cluster.ready_s[self.version] = self.seconds


@dataclass(frozen=True)
class Webhook(Fault):
    """A mutating webhook on one kind: it adds a field, or another value at each write."""

    kind: str
    restless: bool

    def begin(self, around: Surroundings) -> None:
        """It is installed."""
        around.server.mutators.append(self._mutator())

    def _mutator(self) -> Mutator:
        written = 0

        def mutate(place: Place, obj: Object) -> Object:
            nonlocal written
            if place.kind.name != self.kind:
                return obj
            written += 1
            value = 30 + written if self.restless else 30
            return (
                _with_timeout(obj, value) if place.kind is HTTP_ROUTE else _with_label(obj, value)
            )

        return mutate


def _with_timeout(route: Object, seconds: int) -> Object:
    rules: list[Any] = [
        {**each, "timeouts": {"request": f"{seconds}s"}} for each in route["spec"]["rules"]
    ]
    return {**route, "spec": {**route["spec"], "rules": rules}}


def _with_label(deployment: Object, value: int) -> Object:
    template = deployment["spec"]["template"]
    labels = {**template["metadata"]["labels"], "policy": str(value)}
    template = {**template, "metadata": {**template["metadata"], "labels": labels}}
    return {**deployment, "spec": {**deployment["spec"], "template": template}}


@dataclass(frozen=True)
class ClockBehind(Fault):
    """The wall clock of the operator's machine is behind, and is set right at the end."""

    seconds: float

    def begin(self, around: Surroundings) -> None:
        """It is behind."""
        around.clock.ahead -= self.seconds

    def end(self, around: Surroundings) -> None:
        """It jumps forward."""
        around.clock.ahead += self.seconds


@dataclass(frozen=True)
class ClockAhead(Fault):
    """The wall clock of the operator's machine is ahead, and steps back at the end."""

    seconds: float

    def begin(self, around: Surroundings) -> None:
        """It is ahead."""
        around.clock.ahead += self.seconds

    def end(self, around: Surroundings) -> None:
        """It steps back."""
        around.clock.ahead -= self.seconds


_UNDISTURBED = prometheus.Condition()


@dataclass(frozen=True)
class ScrapesDisturbed(Fault):
    """Samples are split over two replicas, late, double, of others, or not all there."""

    split: bool = False
    visible_after_s: float = 0.0
    twice: bool = False
    partial: float = 0.0
    other_cluster: bool = False
    unscraped_pods: int = 0

    def begin(self, around: Surroundings) -> None:
        """They are."""
        for name, how in self._disturbed.items():
            setattr(around.prometheus, name, how)

    def end(self, around: Surroundings) -> None:
        """They are whole again, as far as nothing else disturbs them."""
        for name in self._disturbed:
            setattr(around.prometheus, name, getattr(_UNDISTURBED, name))

    @property
    def _disturbed(self) -> dict[str, object]:
        """What is otherwise with Prometheus."""
        said = {
            "is_split": self.split,
            "visible_after_s": self.visible_after_s,
            "scrapes_twice": self.twice,
            "partial": self.partial,
            "other_cluster": self.other_cluster,
            "unscraped_pods": self.unscraped_pods,
        }
        return {name: how for name, how in said.items() if how}


@dataclass(frozen=True)
class NodeDrained(Fault):
    """The pods of a version are gone from their node, and ready again on another one."""

    version: str
    seconds: float

    def begin(self, around: Surroundings) -> None:
        """They are evicted."""
        around.cluster.drain(self.version, self.seconds)


FOR_EVER = math.inf
