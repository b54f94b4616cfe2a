"""A ModelDeployment of a scene: applied with kubectl, and read from what the cluster shows."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from e2e.cluster.kubectl import Kubectl
from e2e.scenes.chronicle import Change, Chronicle, Object
from e2e.scenes.manifest import NAME, Wanted
from e2e.waiting import wait_until
from model_rollouts.resources import names
from model_rollouts.routes import reader


@dataclass(frozen=True)
class RouteWrite:
    """One write of the route by the operator: who has which share, and the record beside it."""

    at: float
    shares: Mapping[str, float]
    record: Mapping[str, Any]

    @property
    def candidate_share(self) -> float:
        """The share of users that the candidate of the record gets, 0 to 1."""
        return self.shares.get(str(self.record["candidate"]), 0.0)


@dataclass(frozen=True)
class Chronicles:
    """What is followed on the whole cluster."""

    objects: Chronicle
    routes: Chronicle
    pods: Chronicle


@dataclass(frozen=True)
class Rollout:
    """The ModelDeployment of one namespace."""

    kubectl: Kubectl
    chronicles: Chronicles
    namespace: str
    host: str

    def apply(self, wanted: Wanted) -> int:
        """Apply what is wanted, as people do; returns the generation of the resource."""
        manifest = json.dumps(wanted.manifest(self.namespace, self.host))
        applied = self.kubectl("apply", "-f", "-", "-o", "json", stdin=manifest)
        return int(json.loads(applied)["metadata"]["generation"])

    def wait_for_condition(self, wanted: str, seconds: float = 120) -> None:
        """`kubectl wait` for a condition such as `Ready` or `Ready=False`."""
        self.kubectl(
            *("wait", f"modeldeployment/{NAME}", "-n", self.namespace),
            *(f"--for=condition={wanted}", f"--timeout={seconds:.0f}s"),
        )

    def wait_for_phase(
        self, phase: str, generation: int, *, since: float = 0.0, seconds: float = 120
    ) -> Change:
        """The first status about `generation` or a later one that says `phase`."""

        def holds(obj: Object) -> bool:
            status = obj.get("status", {})
            return bool(
                status.get("phase") == phase and status.get("observedGeneration", 0) >= generation
            )

        wanted = f"phase {phase} at generation {generation}"
        return self.wait_for(holds, wanted, since=since, seconds=seconds)

    def wait_for_reason(
        self, condition: str, reason: str, *, since: float = 0.0, seconds: float = 120
    ) -> Change:
        """The first status in which `condition` is there for `reason`."""

        def holds(obj: Object) -> bool:
            return conditions(obj).get(condition, {}).get("reason") == reason

        wanted = f"condition {condition} with reason {reason}"
        return self.wait_for(holds, wanted, since=since, seconds=seconds)

    def wait_for(
        self,
        holds: Callable[[Object], bool],
        wanted: str,
        *,
        since: float = 0.0,
        seconds: float = 120,
    ) -> Change:
        """The first change of the resource that `holds`; `wanted` says it for a complaint."""
        return self.chronicles.objects.wait_for(
            self.namespace,
            holds,
            f"{self.namespace} did not reach {wanted}",
            since=since,
            seconds=seconds,
        )

    def now(self) -> Object:
        """The resource as it is."""
        found: Object = self.kubectl.get("modeldeployment", NAME, "-n", self.namespace)
        return found

    def latest(self) -> Object:
        """The resource as it was seen last; nothing is asked."""
        changes = self.chronicles.objects.of(self.namespace)
        return changes[-1].object if changes else {}

    def statuses(self, since: float = 0.0) -> list[tuple[float, Object]]:
        """Every status that was written, with the time at which it was seen."""
        written: list[tuple[float, Object]] = []
        for change in self.chronicles.objects.of(self.namespace, since):
            status = change.object.get("status", {})
            if status and (not written or written[-1][1] != status):
                written.append((change.at, status))
        return written

    def route_writes(self, since: float = 0.0) -> list[RouteWrite]:
        """The writes of the route by the operator, in order; the gateway's status is none."""
        writes: list[RouteWrite] = []
        before: object = None
        for change in self.chronicles.routes.of(self.namespace):
            metadata = change.object["metadata"]
            record = metadata.get("annotations", {}).get(names.RECORD_ANNOTATION)
            written = (metadata["generation"], record)
            if record is not None and written != before:
                before = written
                writes.append(RouteWrite(change.at, shares(change.object), json.loads(record)))
        return [write for write in writes if write.at >= since]

    def wait_for_share(
        self, share: float, *, since: float = 0.0, seconds: float = 120
    ) -> RouteWrite:
        """The first route write from `since` on that gives the candidate at least `share`."""

        def found() -> list[RouteWrite]:
            return [each for each in self.route_writes(since) if each.candidate_share >= share]

        complaint = f"{self.namespace}: no candidate got {share:.0%}"
        wait_until(lambda: bool(found()), complaint, seconds)
        return found()[0]

    def pods_started(self, version: str) -> dict[str, int]:
        """Starts of the model container of `version`, by pod: 1 each when nothing restarted."""
        starts: dict[str, int] = {}
        for change in self.pods(version):
            for status in change.object.get("status", {}).get("containerStatuses", []):
                if status["name"] == names.MODEL_CONTAINER:
                    name = change.object["metadata"]["name"]
                    starts[name] = max(starts.get(name, 0), 1 + status["restartCount"])
        return starts

    def wait_until_stopped(self, version: str) -> None:
        """Wait until no pod of `version` is left."""

        def left() -> set[str]:
            found: set[str] = set()
            for change in self.pods(version):
                name = {change.object["metadata"]["name"]}
                found = found - name if change.type == "DELETED" else found | name
            return found

        wait_until(lambda: not left(), f"{self.namespace}: pods of {version} did not end", 120)

    def pods(self, *versions: str, since: float = 0.0) -> Iterator[Change]:
        """The changes of pods of models, in their order; of these `versions` if any are given."""
        for change in self.chronicles.pods.of(self.namespace, since):
            version = version_of(change.object)
            if version is not None and (not versions or version in versions):
                yield change


def version_of(pod: Object) -> str | None:
    """The version that the model of a pod was told to be; None for a pod without a model."""
    containers = pod["spec"]["containers"]
    model: Object = next((each for each in containers if each["name"] == names.MODEL_CONTAINER), {})
    environment = {each["name"]: each.get("value") for each in model.get("env", [])}
    return environment.get("MODEL_VERSION")


def conditions(obj: Object) -> dict[str, Object]:
    """The conditions of a resource by type."""
    found = obj.get("status", {}).get("conditions", [])
    return {condition["type"]: condition for condition in found}


def shares(route: Object) -> dict[str, float]:
    """The share of users that each revision gets by an HTTPRoute, 0 to 1."""
    weights = reader.weights(route)
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}
