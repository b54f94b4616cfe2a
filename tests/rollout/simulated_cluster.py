"""A small world for stories: a cluster at the level of objects, users, and one rollout in it.

It does what the API server, the controllers, the gateway and Prometheus would do, in the shortest
form that a plan can tell from the real ones; the real ones have their turn in tests of the engine
and on the cluster. Every plan is carried out action by action, so that it can be cut anywhere.
"""

import copy
import json
import math
import pickle
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, Self

from model_rollouts.api.conditions import Condition
from model_rollouts.api.deployment import ModelDeployment, read
from model_rollouts.api.runtimes import SERVER_TIMING
from model_rollouts.decision import INDEPENDENT, Dispersion
from model_rollouts.metrics.body_sizes import Sizes
from model_rollouts.metrics.counts import ArmCounts, Counted, IntervalCounts, Tally, Unavailable
from model_rollouts.metrics.fallbacks import Given
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.objectives import CLIENT_ERRORS, SLICE, CountedObjective
from model_rollouts.metrics.sources import MODEL_SERVER, OBSERVER, PROXY, Listener
from model_rollouts.metrics.spreads import Within
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.resources import restart
from model_rollouts.resources.canonical import canonical_template
from model_rollouts.resources.capture import Observer
from model_rollouts.resources.controller_revision import counted_ms, stored_input
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout.actions import (
    Accompany,
    Action,
    Apply,
    Create,
    Delete,
    Emit,
    Need,
    Scale,
    WriteRoute,
    WriteStatus,
)
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import (
    BucketsQuery,
    CasesQuery,
    Checked,
    Children,
    Failure,
    FallbackQuery,
    FallbackSeen,
    Gateway,
    History,
    InputMoved,
    InputsSeen,
    Latencies,
    LatencyQuery,
    MirroredSizes,
    Observed,
    OtherBudget,
    ScrapedBuckets,
    Spread,
    WorstCases,
)
from model_rollouts.rollout.plan import Plan, Settings, make_plan
from model_rollouts.rollout.pods import Ended, Pod, Trouble
from model_rollouts.rollout.policies.needs import HistoryQuery, SizesQuery
from model_rollouts.rollout.rest import Rest
from model_rollouts.rollout.trial.trial import take_counts
from model_rollouts.routes import controllers, reader
from tests.conditions_check import broken_rules
from tests.gateways import ENVOY_GATEWAY

NOON = 1_800_000_000
INTERVAL = 5
INPUTS_AGAIN_S = 3_600
SPARING = 60
"""Seconds between two readings of what serves after its watch."""

CUT = 0.2
"""How often the operator is killed after an action, in a world with `cuts`."""
SETTINGS = Settings(
    ProxySettings(
        "registry.example.com/envoy@sha256:" + "e" * 64,
        observer=Observer("observer-{shard}.rollouts.svc:9800", "(a certificate)"),
    )
)

SPEC: dict[str, Any] = {
    "model": {"version": "1"},
    "provenance": {"mode": "Warn", "require": []},
    "replicas": 2,
    "port": 8080,
    "template": {"spec": {"containers": [{"name": "model", "image": "registry.example.com/m:1"}]}},
    "route": {
        "parentRefs": [{"name": "models", "namespace": "gateways"}],
        "hostnames": ["arrival.example.com"],
    },
    "objectives": [
        {"name": "errors", "type": "Availability", "availability": {"target": "99%"}},
    ],
    "strategy": {
        "shadow": {"percent": 0},
        "canary": {"steps": ["10%", "50%"], "minStepDuration": "30s"},
    },
}


WARM_SECONDS = 60
"""Copies to pods that started less than so long ago do not count."""


@dataclass(frozen=True)
class Answered:
    """What one revision answered in an interval, at one listener."""

    requests: int = 0
    bad: int = 0
    slow: Mapping[float, int] = field(default_factory=dict)
    wrong: int = 0
    refused: int = 0
    paired: int = 0
    """Whose answers were compared with stable's, and how many of them differed."""
    differing: int = 0
    lost: int = 0
    """Of which the observer got no record."""
    staged: Mapping[float, int] = field(default_factory=dict)
    """How many took so many seconds in a stage that the model server has a histogram of."""
    buckets: tuple[float, ...] = ()
    """The edges of that histogram."""
    sliced: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """How many of the requests were in a slice, and how many of those were bad."""

    def __add__(self, other: "Answered") -> "Answered":
        slow = Counter(self.slow) + Counter(other.slow)
        return Answered(
            self.requests + other.requests,
            self.bad + other.bad,
            slow,
            self.wrong + other.wrong,
            self.refused + other.refused,
            self.paired + other.paired,
            self.differing + other.differing,
            self.lost + other.lost,
            Counter(self.staged) + Counter(other.staged),
            self.buckets or other.buckets,
            {
                name: (mine[0] + theirs[0], mine[1] + theirs[1])
                for name in {*self.sliced, *other.sliced}
                for mine, theirs in [
                    (self.sliced.get(name, (0, 0)), other.sliced.get(name, (0, 0)))
                ]
            },
        )

    def tally(self, objective: CountedObjective, counted_ms: tuple[int, ...]) -> Tally:
        """What the proxy, the model server and the observer count for an objective."""
        metric = objective.total[0].counter.metric
        if objective.source is OBSERVER and not metric.startswith(SERVER_TIMING):
            if "pairs" in objective.total[0].counter.metric:
                return Tally(self.paired, (self.differing,))
            return Tally(self.requests, (self.lost,))
        if slices := dict(objective.total[0].counter.labels).get(SLICE):
            total, bad = self.sliced.get(slices, (0, 0))
            return Tally(total, (bad,))
        levels = []
        for terms in objective.bad:
            edges = [term.edge for term in terms if term.edge is not None]
            if edges and objective.source is not PROXY:
                levels.append(self._staged(edges[0]))
            elif edges:
                levels.append(self._slower(edges[0] + 1, counted_ms))
            elif any(term.counter is CLIENT_ERRORS for term in terms):
                levels.append(self.refused)
            else:
                levels.append(self.wrong if objective.source is MODEL_SERVER else self.bad)
        return Tally(self.requests, tuple(levels))

    def _staged(self, edge: float) -> int:
        if edge not in self.buckets:
            # A bucket that is not there has counted nothing.
            return self.requests
        return sum(number for seconds, number in self.staged.items() if seconds > edge)

    def _slower(self, threshold_ms: float, counted_ms: tuple[int, ...]) -> int:
        if threshold_ms not in counted_ms:
            # A bucket that is not there has counted nothing.
            return self.requests
        return sum(number for seconds, number in self.slow.items() if seconds * 1000 > threshold_ms)


@dataclass(frozen=True)
class Served:
    """One interval: the answers by revision and listener, and the ready pods.

    Nobody saw what the revisions `unscraped` answered.
    """

    start_ms: int
    end_ms: int
    arms: Mapping[tuple[str, Listener], Answered]
    pods: Mapping[str, int]
    warming: frozenset[str]
    unscraped: frozenset[str]
    observed: bool = True


def _as_one(served: list[Served]) -> list[Served]:
    """Intervals as the slow pace counts them: one, however many scrapes it has."""
    if not served:
        return []
    first, last = served[0], served[-1]
    arms: dict[tuple[str, Listener], Answered] = {}
    for each in served:
        for arm, given in each.arms.items():
            arms[arm] = arms.get(arm, Answered()) + given
    return [replace(last, start_ms=first.start_ms, arms=arms)]


def parent_status(
    route: dict[str, Any], controller: str, *, refused: bool, place: int = 0, reason: str = ""
) -> dict[str, Any]:
    """What a gateway says of a route; it may refuse its mirror, or all of it for a `reason`."""
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": kind,
            "observedGeneration": route["metadata"]["generation"],
        }
        for kind in ("Accepted", "ResolvedRefs")
    ]
    if refused:
        conditions[0] |= {"status": "False", "reason": "UnsupportedValue", "message": "mirror"}
    if reason:
        conditions[0] |= {"status": "False", "reason": reason, "message": "not here"}
    parent = route["spec"]["parentRefs"][place]
    return {"parentRef": parent, "controllerName": controller, "conditions": conditions}


def parent_of(told: Mapping[str, Any]) -> str:
    """The gateway that reports, as `namespace/name`."""
    parent = told["parentRef"]
    return f"{parent.get('namespace', 'shop')}/{parent['name']}"


OF_NUMBERS = ("Underpowered", "NoBucketBoundary", "ServiceDegraded", "ScrapeIntervalDiffers")
"""Conditions that follow from numbers as they grow: they are told within two minutes."""


def waited_for(status: Mapping[str, Any]) -> dict[str, Any]:
    """What people and tools wait for in a status."""
    told = ("message", "evidence", "objectives", "conditions", "plan", "shadow", "action")
    found = {key: value for key, value in status.items() if key not in told}
    return found | {
        "conditions": sorted(
            (each["type"], each["status"], each["reason"])
            for each in status.get("conditions", ())
            if each["type"] not in OF_NUMBERS
        ),
    }


@dataclass(frozen=True)
class Ailment:
    """Why pods do not serve, as the cluster tells it."""

    trouble: Trouble
    words: str = ""
    ended: Ended | None = None


_EVERY_PASS: ContextVar[bool] = ContextVar("every pass", default=False)


@contextmanager
def every_pass() -> Iterator[None]:
    """Worlds that begin in here make the passes too that the engine spares.

    Each of those is held against the `Rest` of the one before: it would have changed nothing.
    """
    token = _EVERY_PASS.set(True)
    try:
        yield
    finally:
        _EVERY_PASS.reset(token)


@dataclass
class World:
    """One ModelDeployment and everything around it. Times are seconds since `NOON`."""

    rate: float = 50.0
    """Requests per second of all users."""
    young: bool = False
    """Whether its history knows of no requests."""
    errors: dict[str, float] = field(default_factory=dict)
    """Share of bad answers by version; none when it is not named."""
    slow: dict[str, dict[float, float]] = field(default_factory=dict)
    """Shares of answers that take so many seconds, by version; all others take 50 ms."""
    wrong: dict[str, float] = field(default_factory=dict)
    """Share of answers that the model itself counts as wrong, by version."""
    refused: dict[str, float] = field(default_factory=dict)
    """Share of requests that are answered 4xx, by version."""
    differing: dict[str, float] = field(default_factory=dict)
    """Share of answers that differ from stable's, by version."""
    unsteady: dict[str, float] = field(default_factory=dict)
    """Share of mirrored requests to which a version that is stable answers otherwise than before,
    where it is asked once more and the candidate does not."""
    compared: float = 0.0
    """Share of mirrored requests whose answers the observer compares."""
    lost: float = 0.0
    """Share of mirrored requests of which the observer gets no record."""
    observer_up: bool = True
    staged: dict[str, dict[float, float]] = field(default_factory=dict)
    """Shares of requests that take so many seconds in a stage of the model server, by version."""
    buckets: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """The edges of the model server's own histogram of it, by version; none when not named."""
    buckets_refused: str | None = None
    """What Prometheus says in place of the buckets of a histogram; None while it answers."""
    took: dict[str, Within] = field(default_factory=dict)
    """How long requests and each of their stages took, by version; nothing is known by default."""
    exports: frozenset[str] | None = None
    """The names of the histograms that model servers export; None for whichever is asked for."""
    slices: dict[str, float] = field(default_factory=dict)
    """Share of the requests that are in a slice, by its name."""
    drawn: dict[str, dict[str, float]] = field(default_factory=dict)
    """The same of the requests that come to a version, where they are others."""
    sliced_errors: dict[str, dict[str, float]] = field(default_factory=dict)
    """Share of bad answers in a slice, by version; those of the others are `errors`."""
    usual: float | None = None
    """The time in seconds above stable's p99, as Prometheus knows it."""
    start_seconds: Mapping[str, float] = field(default_factory=dict)
    """How long pods of a version take to become ready: 8 s when it is not named."""
    seed: int = 1
    refusal: str | None = None
    gateway: Gateway = field(default_factory=Gateway)
    controller: str = ENVOY_GATEWAY
    """The gateway's."""
    dispersion: Dispersion = INDEPENDENT
    copied: float = 1.0
    """What the gateway makes of the share of requests that the route has copied."""
    splits: Mapping[str, int] | None = None
    """The weights by version that the gateway keeps to in place of the route's; None for those."""
    refuses_copies: bool = False
    """Whether the gateway takes no route with a mirror."""
    suffers: Mapping[int, float] = field(default_factory=dict)
    """Share of bad answers of stable from so many percent of its requests copied on."""
    refuses: Callable[[Action], bool] | None = None
    """Which actions the API server does not do; None for none."""
    webhook: Callable[[dict[str, Any]], None] | None = None
    """What changes each object that is written; None for nothing."""
    silent: bool = False
    """Whether no check is answered."""
    knows_pods: bool = True
    """Whether the operator may read pods."""
    other_budgets: tuple[OtherBudget, ...] | None = ()
    """PodDisruptionBudgets of others in the namespace, None while they are not known."""
    scraped_every: int | None = INTERVAL
    """The measured seconds between two scrapes, None while they are not known."""
    prometheus_up: bool = True
    gateway_accepts: bool = True
    settings: Settings = SETTINGS
    """What the administrator configured."""
    rests: bool = field(default_factory=lambda: not _EVERY_PASS.get())
    """Whether no pass follows counts that change nothing, as in the engine; else each does."""

    def __post_init__(self) -> None:
        self.time = 0.0
        self.random = random.Random(self.seed)
        self.dice = random.Random(-self.seed)
        self.version = 0
        self.memory = Memory()
        self.failures: tuple[Failure, ...] = ()
        self.unanswered: tuple[Failure, ...] = ()
        self.asked_since: float | None = None
        self.checked: Checked | None = None
        self.checked_at = 0.0
        self.stores: Callable[[dict[str, Any]], dict[str, Any]] = canonical_template
        """A template as the API server would store it."""
        self.history: History | None = None
        self.histories_asked: list[HistoryQuery] = []
        self.sizes: MirroredSizes | None = None
        self.cases: WorstCases | None = None
        self.scraped_buckets: ScrapedBuckets | None = None
        self.fallback: FallbackSeen | None = None
        self.fallback_asked: list[FallbackQuery] = []
        self.stood_in: dict[str, tuple[float, ...]] = {}
        """What `Given` has: answers of the fallback, all to users, and failed ones, by version."""
        self.reaches: dict[str, bool] = {}
        """Whether the Service that stands in takes connections, by version; absent: unknown."""
        self.buckets_asked: list[BucketsQuery] = []
        self.latencies: Latencies | None = None
        self.latencies_asked: list[LatencyQuery] = []
        self.cases_asked: list[CasesQuery] = []
        self.inputs: InputsSeen | None = None
        self.inputs_moved: tuple[InputMoved, ...] = ()
        """What the observer tells of the reference that it is asked about."""
        self.inputs_asked = 0
        self.worst: dict[str, tuple[str, ...]] | None = {}
        """What the observer says differs most, by objective; None while it does not answer."""
        self.sizes_asked: list[SizesQuery] = []
        self.sized: tuple[Sizes, Sizes] = ((), ())
        """Requests of users by size, and those that come to the mirror."""
        self.cuts: random.Random | None = None
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.stored: dict[str, dict[str, Any]] = {}
        """Every revision as it was stored, whatever became of it since."""
        self.changed_at: dict[str, float] = {}
        self.rejects = ""
        """Why all parents but the first reject the route."""
        self.absent: set[str] = set()
        """Gateways, as `namespace/name`, that do not exist and report nothing."""
        self.quiet: set[str] = set()
        """Gateways that exist and report nothing."""
        self.known_absent: frozenset[str] = frozenset()
        self.second_refuses: Callable[[dict[str, Any]], bool] = lambda _: False
        """Whether they reject what is in it."""
        self.tokens: dict[str, tuple[str | None, float]] = {}
        """The token of each Deployment's pods, and since when they are given it."""
        self.log: list[str] = []
        self.writes: list[str] = []
        self.measures: Any = None
        self.bad_answers: dict[str, int] = {}
        self.answers: dict[str, int] = {}
        self.copies: dict[str, int] = {}
        self.past: list[Served] = []
        self.given_out: dict[str, dict[str, Any]] = {}
        """The copies of objects that the operator has, by kind and name."""
        self.wake_at: float | None = None
        self.rested: tuple[Observed, Memory] | None = None
        """What the last pass saw and knew, when it had nothing to do."""
        self.rest: tuple[Observed, Rest] | None = None
        """What the last pass saw, and for which counts it holds."""
        self.broken: set[str] = set()
        self.ailing: dict[str, Ailment] = {}
        """What the cluster says of the pods of a version that are not ready."""
        self.told_pods: dict[tuple[str, int], Pod] = {}
        self.unscraped: set[str] = set()
        self.cut_off: set[str] = set()
        """Versions whose pods the gateway does not reach."""
        self.unserved: dict[str, int] = {}
        """Requests of users that got no answer at all, by the version that they were meant for."""
        self.pods_known: Callable[[], tuple[Pod, ...]] = self._pods
        """What is known of the pods, unless nothing is."""
        self.scraped_ms: int | None = None
        self.asked_at = 0.0
        self.owed: dict[str, float] = {}
        self.hidden: dict[tuple[str, Listener], Answered] = {}
        self.obj: dict[str, Any] = {
            "apiVersion": "modelrollouts.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "arrival", "namespace": "flights", "uid": "u-1", "generation": 0},
            "spec": copy.deepcopy(SPEC),
        }

    # What people do

    def edit(self, **changes: Any) -> None:
        """Apply another spec: `version="2"`, or any path with `__` for dots."""
        for path, value in changes.items():
            if path == "version":
                self.obj["spec"]["model"]["version"] = value
                image = f"registry.example.com/m:{value}"
                self.obj["spec"]["template"]["spec"]["containers"][0]["image"] = image
                continue
            *parents, last = path.split("__")
            inside = self.obj["spec"]
            for parent in parents:
                inside = inside.setdefault(parent, {})
            inside[last] = value
        self.obj["metadata"]["generation"] += 1
        self.checked = self.history = None
        self.tell("user", f"applies {', '.join(f'{k}={v}' for k, v in changes.items())}")

    def changed(self, obj: dict[str, Any]) -> None:
        """Somebody has changed the spec of an object: it has another version."""
        self.version += 1
        obj["metadata"] |= {
            "resourceVersion": str(self.version),
            "generation": obj["metadata"]["generation"] + 1,
        }

    def restart(self) -> None:
        """The operator ends without a word and begins again."""
        self.memory, self.measures = Memory(), None
        self.checked = self.history = self.sizes = self.cases = None
        self.scraped_buckets = self.latencies = self.fallback = self.inputs = None
        self.tell("operator", "starts")

    # What is there

    @property
    def deployment(self) -> ModelDeployment:
        """The resource as it is."""
        return read(self.obj)

    @property
    def status(self) -> dict[str, Any]:
        """The status as JSON."""
        found: dict[str, Any] = self.obj.get("status", {})
        return found

    @property
    def route(self) -> dict[str, Any] | None:
        """The HTTPRoute."""
        return self.objects.get(("HTTPRoute", "arrival"))

    @property
    def weights(self) -> dict[str, int]:
        """Weights by version; 1 of one that serves alone, whatever its places have."""
        found = {} if self.route is None else reader.weights(self.route)
        return {self.version_of(k): v if len(found) > 1 else 1 for k, v in found.items()}

    @property
    def mirror(self) -> int:
        """Percent of the requests that the route has copied."""
        return 0 if self.route is None else (reader.mirror(self.route) or ("", 0))[1]

    @property
    def itself(self) -> int:
        """Percent of the requests that another pod of stable gets too."""
        rules = [] if self.route is None else self.route["spec"]["rules"]
        mirrors = [
            each["requestMirror"].get("percent", 100)
            for each in (rules[0].get("filters") or () if rules else ())
            if "requestMirror" in each
        ]
        return min(mirrors) if len(mirrors) > 1 else 0

    def pods(self) -> dict[str, int]:
        """Pods asked for, by version."""
        return {
            self.version_of(name): obj["spec"]["replicas"]
            for (kind, name), obj in self.objects.items()
            if kind == "Deployment"
        }

    def version_of(self, revision: str) -> str:
        """The version that a revision serves."""
        stored = self.stored.get(revision)
        return f"v{stored['data']['input']['version']}" if stored else revision

    def revision_of(self, version: str) -> str:
        """The revision that serves a version."""
        return next(
            name
            for (kind, name), obj in self.objects.items()
            if kind == "ControllerRevision" and obj["data"]["input"]["version"] == version
        )

    # What happens by itself

    def run(self, seconds: float) -> Self:
        """Let time pass in scrape intervals, with as many passes as the rollout asks for."""
        for _ in range(int(seconds // INTERVAL)):
            self.time += INTERVAL
            self.serve()
            self.measure()
            self.reconcile()
        return self

    def until(self, phase: str, most: float = 7_200) -> Self:
        """Run until the status tells a phase; an AssertionError when it never does."""
        begun = self.time
        while (
            self.status.get("phase") != phase
            or self.status.get("observedGeneration") != self.obj["metadata"]["generation"]
        ):
            assert self.time - begun < most, f"never {phase}:\n" + "\n".join(self.log[-15:])
            self.run(INTERVAL)
        return self

    def serve(self) -> None:
        """One interval of users' requests, split and copied as the route says, and counted."""
        end = round((NOON + self.time) * 1000)
        arms: dict[tuple[str, Listener], Answered] = {}
        weights = {} if self.route is None else reader.weights(self.route)
        if self.splits is not None and len(weights) > 1:
            weights = {each: self.splits[self.version_of(each)[1:]] for each in weights}
        total = sum(weights.values())
        mirror, percent = (reader.mirror(self.route) if self.route else None) or ("", 0)
        harm = max((bad for least, bad in self.suffers.items() if percent >= least), default=0.0)
        for revision, weight in weights.items():
            version = self.version_of(revision)[1:]
            # Weighted round robin: what is left of a request is the next interval's.
            due = self.owed.get(revision, 0.0) + self.rate * INTERVAL * weight / total
            requests = int(due + 1e-9)
            self.owed[revision] = due - requests
            if version in self.cut_off or not self._ready_pods().get(revision):
                self.unserved[version] = self.unserved.get(version, 0) + requests
                arms[revision, Listener.LIVE] = Answered()
                continue
            share = max(self.errors.get(version, 0.0), harm)
            given = self._answered(version, requests, share)
            arms[revision, Listener.LIVE] = given
            self.answers[version] = self.answers.get(version, 0) + requests
            self.bad_answers[version] = self.bad_answers.get(version, 0) + given.bad
        shadowed = mirror.removesuffix("-shadow")
        pods, warming = self._ready_pods(), frozenset(filter(self._is_warming, self.changed_at))
        if pods.get(shadowed):
            given = self._copies(shadowed, percent, warming)
            arms[shadowed, Listener.SHADOW] = given
            if self.itself:
                (stable,) = weights
                arms[stable, Listener.LIVE] += self._answered_again(stable, given.paired)
        unscraped = frozenset(
            revision for revision, _ in arms if self.version_of(revision)[1:] in self.unscraped
        )
        for arm, given in arms.items():
            # The next sample shows what the pods have counted meanwhile.
            given += self.hidden.pop(arm, Answered())
            if arm[0] in unscraped:
                self.hidden[arm], given = given, Answered()
            arms[arm] = given
        begin, seen = end - INTERVAL * 1000, self.observer_up
        self.past.append(Served(begin, end, arms, pods, warming, unscraped, seen))

    def _answered(self, version: str, requests: int, bad: float) -> Answered:
        sliced = self._sliced(version, requests, bad)
        others = requests - sum(total for total, _ in sliced.values())
        return Answered(
            requests,
            sum(self.random.random() < bad for _ in range(others))
            + sum(failed for _, failed in sliced.values()),
            {
                seconds: sum(self.dice.random() < share for _ in range(requests))
                for seconds, share in self.slow.get(version, {}).items()
            },
            sum(self.dice.random() < self.wrong.get(version, 0.0) for _ in range(requests)),
            self._refused(version, requests),
            staged={
                seconds: sum(self.dice.random() < share for _ in range(requests))
                for seconds, share in self.staged.get(version, {}).items()
            },
            buckets=self.buckets.get(version, ()),
            sliced=sliced,
        )

    def _sliced(self, version: str, requests: int, bad: float) -> dict[str, tuple[int, int]]:
        """The requests in each slice, and the bad ones; no request is in two."""
        found = {}
        for name, share in (self.slices | self.drawn.get(version, {})).items():
            fails = self.sliced_errors.get(version, {}).get(name, bad)
            total = sum(self.random.random() < share for _ in range(requests))
            found[name] = (total, sum(self.random.random() < fails for _ in range(total)))
        return found

    def _refused(self, version: str, requests: int) -> int:
        share = self.refused.get(version, 0.0)
        # Worlds without any draw nothing: their stories stay as they are.
        return sum(self.dice.random() < share for _ in range(requests)) if share else 0

    def _copies(self, revision: str, percent: int, warming: frozenset[str]) -> Answered:
        version = self.version_of(revision)[1:]
        due = self.owed.get(f"{revision}-shadow", 0.0)
        due += self.rate * INTERVAL * percent / 100 * self.copied
        copies = int(due + 1e-9)
        self.owed[f"{revision}-shadow"] = due - copies
        self.copies[version] = self.copies.get(version, 0) + copies
        if revision in warming:
            return Answered()
        given = self._answered(version, copies, self.errors.get(version, 0.0))
        if not self.observer_up:
            return given
        paired = round(copies * self.compared)
        if self.memory.trial is not None and any(
            each.is_against_itself for each in self.memory.trial.judge.rules.objectives
        ):
            paired = round(paired * self.itself / percent)
        share = self.differing.get(version, 0.0)
        differing = sum(self.dice.random() < share for _ in range(paired)) if share else 0
        lost = round(copies * self.lost)
        return replace(given, paired=paired, differing=differing, lost=lost)

    def _answered_again(self, revision: str, paired: int) -> Answered:
        """What stable answers otherwise than users got of it."""
        share = self.unsteady.get(self.version_of(revision)[1:], 0.0)
        differing = sum(self.dice.random() < share for _ in range(paired))
        return Answered(paired=paired, differing=differing)

    def _is_warming(self, revision: str) -> bool:
        return self.time - self.changed_at[revision] <= WARM_SECONDS

    def _ready_pods(self) -> dict[str, int]:
        return {
            name: obj.get("status", {}).get("availableReplicas", 0)
            for (kind, name), obj in self.objects.items()
            if kind == "Deployment"
        }

    def measure(self) -> None:
        """What Prometheus tells of the interval before, when the rollout asks."""
        request = self.measures
        if request is None:
            return
        if not self.prometheus_up:
            finding = Finding(Reason.METRICS_UNAVAILABLE, "", (), "Prometheus does not answer")
            self.memory = take_counts(self.memory, Unavailable(finding), self._weight())
            return
        begins_ms = request.since.at_ms if request.since else request.rollout.started_ms
        served = [*takewhile(lambda each: each.start_ms >= begins_ms, reversed(self.past))][::-1]
        if request.rollout.sparing:
            if self.time % SPARING:
                return
            served = _as_one(served[-SPARING // INTERVAL :])
        fresh = [self._counts(request, each) for each in served]
        counted = Counted(
            tuple(fresh),
            Watermark(self.past[-1].end_ms),
            behind=False,
            scraped_every_ms=self.scraped_every and 1000 * self.scraped_every,
        )
        self.memory = take_counts(self.memory, counted, self._weight())

    def _weight(self) -> float:
        """The share of users of what is judged."""
        weights = {} if self.route is None else reader.weights(self.route)
        trial = self.memory.trial
        total = sum(weights.values())
        return weights.get(trial.revision, 0) / total if trial and total else 0.0

    def _counts(self, request: Any, served: Served) -> IntervalCounts:
        arms: dict[str, ArmCounts] = {}
        findings = []
        for arm in request.rollout.arms:
            given = served.arms.get((arm.revision, arm.listener), Answered())
            stored = self.stored[arm.revision]
            blind = arm.revision in served.unscraped
            if blind:
                message = f"Prometheus scraped no pod of revision {arm.revision}"
                findings.append(Finding(Reason.METRICS_UNAVAILABLE, arm.name, (), message))
            known = {each["name"] for each in stored_input(stored).get("slices", ())}
            if not given.sliced.keys() <= known:
                given = replace(given, sliced={n: s for n, s in given.sliced.items() if n in known})
            counted = counted_ms(stored)
            tallies = {each.name: given.tally(each, counted) for each in request.rollout.objectives}
            warming = arm.listener is Listener.SHADOW and arm.revision in served.warming
            pods = 0 if blind else served.pods.get(arm.revision, 0)
            arms[arm.name] = ArmCounts(tallies, pods, 0, warming, int(served.observed))
        return IntervalCounts(served.start_ms, served.end_ms, arms, tuple(findings))

    def _controllers(self) -> None:
        for (kind, name), obj in self.objects.items():
            if kind == "Deployment":
                self._start_pods(name, obj)
            elif kind == "HTTPRoute" and self.gateway_accepts:
                refused = self.refuses_copies and reader.mirror(obj) is not None
                told = [parent_status(obj, self.controller, refused=refused)]
                for place, _ in enumerate(obj["spec"]["parentRefs"][1:], 1):
                    why = self.rejects or ("UnsupportedValue" if self.second_refuses(obj) else "")
                    told.append(
                        parent_status(obj, self.controller, refused=False, place=place, reason=why)
                    )
                quiet = self.absent | self.quiet
                obj["status"] = {"parents": [each for each in told if parent_of(each) not in quiet]}

    def _start_pods(self, name: str, obj: dict[str, Any]) -> None:
        version = self.version_of(name)[1:]
        asked = obj["spec"]["replicas"]
        status = obj.setdefault("status", {"availableReplicas": 0, "updatedReplicas": 0})
        waited = self.time - self.changed_at.get(name, 0.0)
        ready = min(asked, status["availableReplicas"])
        if waited >= self.start_seconds.get(version, 8.0):
            ready = asked
        if version in self.broken:
            ready = 0
        updated = self._replace_pods(name, obj, asked)
        obj["status"] = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": asked + (updated < asked),
            "availableReplicas": ready,
            "updatedReplicas": updated,
        }

    def _replace_pods(self, name: str, obj: dict[str, Any], asked: int) -> int:
        """The pods that have the template of the Deployment: one more each 10 s after a token."""
        given = restart.token(obj)
        known, since = self.tokens.setdefault(name, (given, -math.inf))
        if known != given:
            self.tokens[name] = given, since = given, self.time
        elif obj["spec"].get("paused"):
            # What is done stays as it is.
            since = self.time - 10.0 * obj["status"]["updatedReplicas"]
            self.tokens[name] = given, since
        return int(min(asked, (self.time - since) // 10.0))

    def _pods(self) -> tuple[Pod, ...]:
        """The pods as the operator knows them: the oldest become ready first."""
        found = {
            (name, number): self._pod(name, number, obj)
            for (kind, name), obj in sorted(self.objects.items())
            if kind == "Deployment"
            for number in range(obj["spec"]["replicas"])
        }
        self.told_pods = found
        return tuple(found.values())

    def _pod(self, revision: str, number: int, deployment: dict[str, Any]) -> Pod:
        before, now = self.told_pods.get((revision, number)), NOON + self.time
        name = f"{revision}-{number}"
        pod = Pod(name, f"uid-of-{name}", revision, before.began if before else now, "node")
        if number < deployment.get("status", {}).get("availableReplicas", 0):
            since = before.ready_since if before else None
            return replace(pod, ready_since=now if since is None else since)
        ails = self.ailing.get(self.version_of(revision)[1:])
        if ails is None:
            return pod
        return replace(pod, trouble=ails.trouble, words=ails.words, ended=ails.ended)

    # What the operator does

    def seen(self) -> Observed:
        """What the engine would gather; what was refused at admission is asked again."""
        if self.checked is not None and self.time - self.checked_at >= 30:
            self.checked = None
        unscraped = self.history and self.history.candidate and not self.history.scraped_ms
        if unscraped and self.time > self.asked_at:
            self.history = None
        kinds: dict[str, dict[str, Any]] = defaultdict(dict)
        for (kind, name), obj in self.objects.items():
            kinds[kind][name] = self._copy(obj)
        children = Children(
            list(kinds["ControllerRevision"].values()),
            kinds["Deployment"],
            kinds["Service"],
            kinds["PodDisruptionBudget"].get("arrival-pods"),
            kinds["HTTPRoute"].get("arrival"),
        )
        return Observed(
            self._copy(self.obj),
            children,
            self.checked,
            self.history,
            asked_since=self.asked_since,
            absent=self.known_absent,
            sizes=self.sizes,
            buckets=self.scraped_buckets,
            fallback=self.fallback,
            latencies=self.latencies,
            cases=self.cases,
            inputs=self.inputs,
            failures=(*self.failures, *self.unanswered),
            pods=self.pods_known() if self.knows_pods else None,
            other_budgets=self.other_budgets,
        )

    def _copy(self, obj: dict[str, Any]) -> dict[str, Any]:
        """An object as an API server gives it out; the same copy again while nothing changes it."""
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        known = self.given_out.get(name)
        if known != obj:
            # `copy.deepcopy` would take a quarter of a story's time.
            known = pickle.loads(pickle.dumps(obj, pickle.HIGHEST_PROTOCOL))
            self.given_out[name] = known
        return known

    def reconcile(self) -> None:
        """Passes until nothing is left to do now; with `cuts` the operator is killed on the way.

        There is none while nothing has changed, nothing was counted, and the last did not ask.
        """
        for _ in range(40):
            self._controllers()
            seen = self.seen()
            if self._is_at_rest(seen):
                return
            self.rested = None
            rests = self._has_rest(seen)
            if rests and self.rests:
                return
            found = make_plan(seen, self.memory, NOON + self.time, self.settings)
            if rests:
                self._assert_only_numbers(found)
            self.rest = None if found.rest is None else (seen, found.rest)
            failed = self._carry_out(found)
            if failed is None:
                continue
            self.memory = found.memory if failed else found.done or found.memory
            self.measures, self.wake_at = found.measures, found.wake_at
            if found.is_last and not failed:
                self._assert_nothing_follows()
            self.failures = tuple(
                replace(each, times=1 + sum(e.times for e in self.failures if e.what == each.what))
                for each in failed
            )
            absent, self.known_absent = self.known_absent, frozenset(found.silent) & self.absent
            # Whoever is away makes no passes.
            needs = found.needs - (frozenset({Need.CASES}) if self.worst is None else frozenset())
            if needs and not (self.silent and self.asked_since):
                self._answer(found)
            elif absent != self.known_absent:
                continue
            elif failed:
                return
            elif not found.actions:
                self.rested = seen, self.memory
                return
        raise AssertionError("never at rest:\n" + "\n".join(self.log[-30:]))

    def look(self) -> None:
        """A pass at any time: something was told that changes nothing of what is seen."""
        self.rested = self.rest = None
        self.reconcile()

    def _is_at_rest(self, seen: Observed) -> bool:
        """Whether another pass would be as the last one, which had nothing to do."""
        if self.rested is None or (self.wake_at or math.inf) <= NOON + self.time:
            return False
        last, memory = self.rested
        return memory is self.memory and last == seen

    def _has_rest(self, seen: Observed) -> bool:
        """Whether the last pass holds for what was counted since."""
        if self.rest is None:
            return False
        before, rest = self.rest
        return before == seen and rest.holds(self.memory, NOON + self.time)

    def _assert_nothing_follows(self) -> None:
        """Another plan now, as the engine does not make it, would have nothing to do."""
        again = make_plan(self.seen(), self.memory, NOON + self.time, self.settings)
        # What is asked beside the passes is asked already; its answer makes a pass if it has to.
        needs = _awaited(again) - {Need.BUCKETS}
        assert not (again.actions or needs), f"{again.actions or needs} follows from other numbers"

    def _assert_only_numbers(self, found: Plan) -> None:
        """A pass that need not be made would change nothing but what is told of numbers."""
        assert not _awaited(found)
        for action in found.actions:
            if isinstance(action, WriteStatus):
                assert waited_for(action.status) == waited_for(self.status)
            else:
                assert isinstance(action, Emit), f"nobody had looked for {action}"

    def _carry_out(self, found: Plan) -> list[Failure] | None:
        """What was refused of a plan; None when the operator was killed on the way."""
        failed: list[Failure] = []
        for action in found.actions:
            # Evidence comes before the route, and the route before what is told of it.
            if any(each.what in ("WriteRoute", "WriteStatus") for each in failed) and isinstance(
                action, WriteRoute | Emit
            ):
                continue
            if self.refuses is not None and self.refuses(action):
                failed.append(Failure(type(action).__name__, "HTTP 500: the webhook is down"))
                continue
            self.do(action)
            if self.cuts is not None and self.cuts.random() < CUT:
                self.restart()
                return None
        if any(each.what == "WriteRoute" for each in failed):
            for action in found.otherwise:
                self.do(action)
        return failed

    def _answer(self, found: Plan) -> None:
        if self.silent:
            self.asked_since = self.asked_since or NOON + self.time
            return
        self.asked_since = None
        if Need.CHECK in found.needs:
            generation = self.obj["metadata"]["generation"]
            gateway = replace(self.gateway, controllers=frozenset({self.controller}))
            self.checked = Checked(generation, gateway, self.refusal, self._same(found))
            self.checked_at = self.time
        if Need.HISTORY in found.needs:
            self.asked_at = self.time
            assert found.history is not None
            scraped_ms = self.scraped_ms or round((NOON + self.time) * 1000) - 1_300
            asked = found.history
            self.histories_asked.append(asked)
            known = asked.candidate and self.version_of(asked.candidate)[1:] not in self.unscraped
            self.history = History(
                self.dispersion,
                scraped_ms if known else None,
                candidate=asked.candidate,
                rate=None if self.young else self.rate or None,
                others=tuple((past.key, self.dispersion) for past, _ in asked.others),
                usual=self.usual if asked.edges else None,
            )

        if found.sizes is not None:
            self.sizes_asked.append(found.sizes)
            self.sizes = MirroredSizes(found.sizes.since_ms, found.sizes.looked, *self.sized)
        if found.buckets is not None:
            self.buckets_asked.append(found.buckets)
            edges = {
                (own.key, name): self.buckets[version]
                for own, _ in found.buckets.histograms
                for name in found.buckets.revisions
                if (version := self.version_of(name)[1:]) in self.buckets
                and (self.exports is None or own.metric in self.exports)
            }
            again_at = NOON + self.time + 2
            why = self.buckets_refused
            self.scraped_buckets = ScrapedBuckets(
                found.buckets,
                edges if why is None else {},
                again_at,
                unanswered={own.text: why for own, _ in found.buckets.histograms} if why else {},
            )
        if found.fallback is not None:
            self.fallback_asked.append(found.fallback)
            names = {self.version_of(name)[1:]: name for name in found.fallback.revisions}
            self.fallback = FallbackSeen(
                found.fallback,
                NOON + self.time + found.fallback.every,
                {name: Given(*self.stood_in[v]) for v, name in names.items() if v in self.stood_in},
                {name: self.reaches[v] for v, name in names.items() if v in self.reaches},
            )
        if found.latencies is not None:
            self.latencies_asked.append(found.latencies)
            staged = (None, *(name for name, _ in found.latencies.histograms))
            self.latencies = Latencies(
                found.latencies,
                tuple(
                    Spread(what, name, self.took[version])
                    for what in staged
                    for name in found.latencies.revisions
                    if (version := self.version_of(name)[1:]) in self.took
                ),
            )
        if found.inputs is not None:
            self.inputs_asked += 1
            days = ("2026-11-20", "2026-11-26")
            again_at = NOON + self.time + INPUTS_AGAIN_S
            self.inputs = InputsSeen(found.inputs, again_at, self.inputs_moved, 1_680, *days)
        if found.cases is not None:
            self.cases_asked.append(found.cases)
            if self.worst is not None:
                self.cases = WorstCases(found.cases, dict(self.worst))

    def _same(self, found: Plan) -> str | None:
        """The revision that would be stored as what is asked for."""
        if found.tries is None or self.refusal is not None:
            return None
        tried = self.stores(found.tries.body["spec"]["template"])
        alike = found.alike.items()
        return next(
            (k for k, each in alike if self.stores(each["spec"]["template"]) == tried), None
        )

    def do(self, action: Action) -> None:
        """Carry out one action."""
        match action:
            case Create(body) | Apply(body) | Accompany(body):
                assert not isinstance(action, Create) or self._find(body) is None
                self._write(body)
                self.writes.append(body["kind"])
                self.tell("operator", f"writes {body['kind']} {self._shown(body)}")
            case WriteRoute(body, version, move):
                weights = reader.weights(body).values()
                most = controllers.of([self.controller], {}).most_weight
                assert max(weights) <= most
                assert sum(weights) in (1, 100, 10_000, 1_000_000) or most < 10_000
                assert all(reader.weights(body).values())
                present = self._find(body)
                assert (present or {}).get("metadata", {}).get("resourceVersion") == version
                self._write(body)
                self.writes.append("HTTPRoute")
                shown = ", ".join(f"{k} {v}" for k, v in self.weights.items())
                if (copied := reader.mirror(body)) is not None:
                    name, percent = copied
                    version = self.version_of(name.removesuffix("-shadow"))
                    shown += f"; {version} copies of {percent} %"
                    shown += f", stable of {self.itself} %" if self.itself else ""
                self.tell("operator", f"{move}: users get {shown}")
            case Scale(revision, replicas):
                obj = self.objects["Deployment", revision]
                if replicas > obj["spec"]["replicas"]:
                    self.changed_at[revision] = self.time
                obj["spec"]["replicas"] = replicas
                obj["metadata"]["generation"] += 1
                self.writes.append("Scale")
                self.tell("operator", f"scales {self.version_of(revision)} to {replicas}")
            case Delete(kind, name):
                self.objects.pop((kind, name), None)
                self.writes.append("Delete")
                self.tell("operator", f"deletes {kind} {name}")
            case WriteStatus(status):
                self.writes.append("Status")
                self._written(status)
            case Emit(severity, reason, _, note):
                self.tell("event", f"{severity} {reason}: {self._without_digests(note)}")

    def _written(self, status: dict[str, Any]) -> None:
        conditions = tuple(Condition.model_validate(each) for each in status["conditions"])
        generation = self.obj["metadata"]["generation"]
        assert not broken_rules(
            conditions, generation=generation, observed_generation=status["observedGeneration"]
        )
        json.dumps(status)
        before, self.obj["status"] = self.status.get("plan"), status
        true = [each.type for each in conditions if each.status == "True"]
        said = self._without_digests(status["message"])
        plan = status.get("plan")
        new = f" (plan: {plan})" if plan is not None and plan != before else ""
        self.tell("status", f"{status['phase']}/{status['action']} [{', '.join(true)}] {said}{new}")

    def _write(self, body: dict[str, Any]) -> None:
        key = (body["kind"], body["metadata"]["name"])
        present = self.objects.get(key)
        self.version += 1
        obj = copy.deepcopy(body)
        if self.webhook is not None:
            self.webhook(obj)
        spec = obj.get("spec")
        changed = present is None or present.get("spec") != spec
        generation = 1 if present is None else present["metadata"]["generation"] + int(changed)
        # Objects that an earlier release recorded have none.
        uid = (present or {"metadata": {}})["metadata"].get("uid", f"u-{self.version}")
        obj["metadata"] |= {
            "resourceVersion": str(self.version),
            "generation": generation,
            "uid": uid,
        }
        if present is not None and "status" in present:
            obj["status"] = present["status"]
        if key[0] == "Deployment":
            self.changed_at[key[1]] = self.time
            obj["spec"].setdefault("replicas", 1)
        self.objects[key] = obj
        if key[0] == "ControllerRevision":
            self.stored[key[1]] = obj

    def _find(self, body: dict[str, Any]) -> dict[str, Any] | None:
        return self.objects.get((body["kind"], body["metadata"]["name"]))

    def _shown(self, body: dict[str, Any]) -> str:
        return self._without_digests(body["metadata"]["name"])

    def _without_digests(self, text: str) -> str:
        for kind, name in self.objects:
            if kind == "ControllerRevision":
                text = text.replace(name, self.version_of(name))
        return text

    def tell(self, who: str, what: str) -> None:
        """One line of the story."""
        minutes, seconds = divmod(int(self.time), 60)
        self.log.append(f"{minutes:3}:{seconds:02} {who:8} {what}")


__all__ = ["NOON", "SPEC", "World", "replace"]


def _awaited(found: Plan) -> frozenset[Need]:
    """What a plan asks for, but for how long requests took: that is asked by the next pass too."""
    return found.needs - {Need.LATENCIES}
