"""A small world for stories: a cluster at the level of objects, users, and one rollout in it.

It does what the API server, the controllers, the gateway and Prometheus would do, in the shortest
form that a plan can tell from the real ones; the real ones have their turn in tests of the engine
and on the cluster. Every plan is carried out action by action, so that it can be cut anywhere.
"""

import copy
import json
import pickle
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from model_rollouts.api.conditions import Condition
from model_rollouts.api.deployment import ModelDeployment, read
from model_rollouts.decision import INDEPENDENT, Dispersion
from model_rollouts.metrics.counts import ArmCounts, Counted, IntervalCounts, Tally, Unavailable
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.objectives import CountedObjective
from model_rollouts.metrics.sources import MODEL_SERVER, Listener
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.resources.controller_revision import counted_ms
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout.actions import (
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
    Checked,
    Children,
    Failure,
    Gateway,
    History,
    Observed,
)
from model_rollouts.rollout.plan import Plan, Settings, make_plan
from model_rollouts.rollout.trial.trial import take_counts
from model_rollouts.routes import reader
from tests.conditions_check import broken_rules

NOON = 1_800_000_000
INTERVAL = 5
SPARING = 60
"""Seconds between two readings of what serves after its watch."""

CUT = 0.2
"""How often the operator is killed after an action, in a world with `cuts`."""
SETTINGS = Settings(ProxySettings("registry.example.com/envoy@sha256:" + "e" * 64))

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

    def __add__(self, other: "Answered") -> "Answered":
        slow = Counter(self.slow) + Counter(other.slow)
        return Answered(
            self.requests + other.requests, self.bad + other.bad, slow, self.wrong + other.wrong
        )

    def tally(self, objective: CountedObjective, counted_ms: tuple[int, ...]) -> Tally:
        """What the proxy and the model server count for an objective."""
        levels = []
        for terms in objective.bad:
            edges = [term.edge for term in terms if term.edge is not None]
            if edges:
                levels.append(self._slower(edges[0] + 1, counted_ms))
            else:
                levels.append(self.wrong if objective.source is MODEL_SERVER else self.bad)
        return Tally(self.requests, tuple(levels))

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


def parent_status(route: dict[str, Any], *, refused: bool) -> dict[str, Any]:
    """What a gateway says of a route with one parent; it may refuse its mirror."""
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
    return {"parentRef": route["spec"]["parentRefs"][0], "conditions": conditions}


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
    start_seconds: Mapping[str, float] = field(default_factory=dict)
    """How long pods of a version take to become ready: 8 s when it is not named."""
    seed: int = 1
    refusal: str | None = None
    gateway: Gateway = field(default_factory=Gateway)
    dispersion: Dispersion = INDEPENDENT
    copied: float = 1.0
    """What the gateway makes of the share of requests that the route has copied."""
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
    prometheus_up: bool = True
    gateway_accepts: bool = True

    def __post_init__(self) -> None:
        self.time = 0.0
        self.random = random.Random(self.seed)
        self.dice = random.Random(-self.seed)
        self.version = 0
        self.memory = Memory()
        self.failures: tuple[Failure, ...] = ()
        self.asked_since: float | None = None
        self.checked: Checked | None = None
        self.checked_at = 0.0
        self.history: History | None = None
        self.cuts: random.Random | None = None
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.stored: dict[str, dict[str, Any]] = {}
        """Every revision as it was stored, whatever became of it since."""
        self.changed_at: dict[str, float] = {}
        self.log: list[str] = []
        self.writes: list[str] = []
        self.measures: Any = None
        self.bad_answers: dict[str, int] = {}
        self.answers: dict[str, int] = {}
        self.copies: dict[str, int] = {}
        self.past: list[Served] = []
        self.wake_at: float | None = None
        self.broken: set[str] = set()
        self.unscraped: set[str] = set()
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
        self.checked = self.history = None
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
        total = sum(weights.values())
        mirror, percent = (reader.mirror(self.route) if self.route else None) or ("", 0)
        harm = max((bad for least, bad in self.suffers.items() if percent >= least), default=0.0)
        for revision, weight in weights.items():
            version = self.version_of(revision)[1:]
            # Weighted round robin: what is left of a request is the next interval's.
            due = self.owed.get(revision, 0.0) + self.rate * INTERVAL * weight / total
            requests = int(due + 1e-9)
            self.owed[revision] = due - requests
            share = max(self.errors.get(version, 0.0), harm)
            given = self._answered(version, requests, share)
            arms[revision, Listener.LIVE] = given
            self.answers[version] = self.answers.get(version, 0) + requests
            self.bad_answers[version] = self.bad_answers.get(version, 0) + given.bad
        shadowed = mirror.removesuffix("-shadow")
        pods, warming = self._ready_pods(), frozenset(filter(self._is_warming, self.changed_at))
        if pods.get(shadowed):
            arms[shadowed, Listener.SHADOW] = self._copies(shadowed, percent, warming)
        unscraped = frozenset(
            revision for revision, _ in arms if self.version_of(revision)[1:] in self.unscraped
        )
        for arm, given in arms.items():
            # The next sample shows what the pods have counted meanwhile.
            given += self.hidden.pop(arm, Answered())
            if arm[0] in unscraped:
                self.hidden[arm], given = given, Answered()
            arms[arm] = given
        self.past.append(Served(end - INTERVAL * 1000, end, arms, pods, warming, unscraped))

    def _answered(self, version: str, requests: int, bad: float) -> Answered:
        return Answered(
            requests,
            sum(self.random.random() < bad for _ in range(requests)),
            {
                seconds: sum(self.dice.random() < share for _ in range(requests))
                for seconds, share in self.slow.get(version, {}).items()
            },
            sum(self.dice.random() < self.wrong.get(version, 0.0) for _ in range(requests)),
        )

    def _copies(self, revision: str, percent: int, warming: frozenset[str]) -> Answered:
        version = self.version_of(revision)[1:]
        due = self.owed.get(f"{revision}-shadow", 0.0)
        due += self.rate * INTERVAL * percent / 100 * self.copied
        copies = int(due + 1e-9)
        self.owed[f"{revision}-shadow"] = due - copies
        self.copies[version] = self.copies.get(version, 0) + copies
        if revision in warming:
            return Answered()
        return self._answered(version, copies, self.errors.get(version, 0.0))

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
        served = [each for each in self.past if each.start_ms >= begins_ms]
        if request.rollout.sparing:
            if self.time % SPARING:
                return
            served = _as_one(served[-SPARING // INTERVAL :])
        fresh = [self._counts(request, each) for each in served]
        counted = Counted(tuple(fresh), Watermark(self.past[-1].end_ms), behind=False)
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
            tallies = {
                each.name: given.tally(each, counted_ms(stored))
                for each in request.rollout.objectives
            }
            warming = arm.listener is Listener.SHADOW and arm.revision in served.warming
            pods = 0 if blind else served.pods.get(arm.revision, 0)
            arms[arm.name] = ArmCounts(tallies, pods, 0, warming)
        return IntervalCounts(served.start_ms, served.end_ms, arms, tuple(findings))

    def _controllers(self) -> None:
        for (kind, name), obj in self.objects.items():
            if kind == "Deployment":
                self._start_pods(name, obj)
            elif kind == "HTTPRoute" and self.gateway_accepts:
                refused = self.refuses_copies and reader.mirror(obj) is not None
                obj["status"] = {"parents": [parent_status(obj, refused=refused)]}

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
        obj["status"] = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": asked,
            "availableReplicas": ready,
            "updatedReplicas": asked,
        }

    # What the operator does

    def seen(self) -> Observed:
        """What the engine would gather; what was refused at admission is asked again."""
        if self.checked is not None and self.time - self.checked_at >= 30:
            self.checked = None
        unscraped = self.history and self.history.candidate and not self.history.scraped_ms
        if unscraped and self.time > self.asked_at:
            self.history = None
        kinds: dict[str, dict[str, Any]] = {"Deployment": {}, "Service": {}}
        revisions = []
        for (kind, name), obj in self.objects.items():
            if kind == "ControllerRevision":
                revisions.append(obj)
            elif kind in kinds:
                kinds[kind][name] = obj
        children = Children(revisions, kinds["Deployment"], kinds["Service"], self.route)
        observed = Observed(
            self.obj,
            children,
            self.checked,
            self.history,
            asked_since=self.asked_since,
            failures=self.failures,
        )
        # A copy, as from an API server; `copy.deepcopy` would take a quarter of a story's time.
        copied: Observed = pickle.loads(pickle.dumps(observed, pickle.HIGHEST_PROTOCOL))
        return copied

    def reconcile(self) -> None:
        """Passes until nothing is left to do now; with `cuts` the operator is killed on the way."""
        for _ in range(40):
            self._controllers()
            found = make_plan(self.seen(), self.memory, NOON + self.time, SETTINGS)
            failed = self._carry_out(found)
            if failed is None:
                continue
            self.memory = found.memory if failed else found.done or found.memory
            self.measures, self.wake_at = found.measures, found.wake_at
            self.failures = tuple(
                replace(each, times=1 + sum(e.times for e in self.failures if e.what == each.what))
                for each in failed
            )
            if found.needs and not (self.silent and self.asked_since):
                self._answer(found)
            elif failed or not found.actions:
                return
        raise AssertionError("never at rest:\n" + "\n".join(self.log[-30:]))

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
            self.checked = Checked(generation, self.gateway, self.refusal)
            self.checked_at = self.time
        if Need.HISTORY in found.needs:
            self.asked_at = self.time
            assert found.history is not None
            scraped_ms = self.scraped_ms or round((NOON + self.time) * 1000) - 1_300
            asked = found.history
            known = asked.candidate and self.version_of(asked.candidate)[1:] not in self.unscraped
            self.history = History(
                self.dispersion,
                scraped_ms if known else None,
                candidate=asked.candidate,
                rate=None if self.young else self.rate or None,
                others=tuple((past.key, self.dispersion) for past, _ in asked.others),
            )

    def do(self, action: Action) -> None:
        """Carry out one action."""
        match action:
            case Create(body) | Apply(body):
                assert isinstance(action, Apply) or self._find(body) is None
                self._write(body)
                self.writes.append(body["kind"])
                self.tell("operator", f"writes {body['kind']} {self._shown(body)}")
            case WriteRoute(body, version, move):
                assert sum(reader.weights(body).values()) in (1, 100, 10_000, 1_000_000)
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
        obj["metadata"] |= {"resourceVersion": str(self.version), "generation": generation}
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
