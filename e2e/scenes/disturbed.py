"""Stories in which what surrounds a candidate fails it: quota, drained node, gateway, no room."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from e2e.scenes import drain
from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Change, Object
from e2e.scenes.closed import closed_to_users
from e2e.scenes.manifest import Wanted
from e2e.scenes.rollout import Rollout, RouteWrite, conditions
from e2e.scenes.scarcity import lift, limit, one_accelerator
from e2e.scenes.stage import Stage
from e2e.scenes.stories import first_version
from e2e.waiting import wait_until
from model_rollouts.resources import names

RATE = 20
LONG = "10m"
"""A step that a story does not wait for."""


@dataclass(frozen=True)
class Scarce:
    """A quota left no room for the second pod of a candidate, until it was taken away."""

    told: Object
    """The status that said why the step does not come."""
    weights: list[float]
    """Of the candidate, as written: first under the quota, and then without it."""
    answers: Answers


def scarce(stage: Stage) -> Scarce:
    """Version 2 has a pod and users, and its next step would take one pod more."""
    rollout, kubectl = stage.rollout, stage.cluster.kubectl
    first = Wanted("1", target="90%", steps=("20%", "50%"), replicas=2)
    serving = first_version(stage, first, RATE)
    since = serving.traffic.so_far().last.sent
    # Two of version 1, one of version 2, and the pod of the users.
    limit(kubectl, stage.namespace, "pods", 4)
    rollout.apply(replace(first, version="2"))
    rollout.wait_for_share(0.2, since=since)
    told = _wait_for_words(rollout, "pods cannot be created: exceeded quota")
    lift(kubectl, stage.namespace)
    rollout.wait_for_share(0.5, since=since)
    return Scarce(
        told.object["status"],
        [write.candidate_share for write in rollout.route_writes(since)],
        serving.traffic.stop().since(serving.settled),
    )


def _wait_for_words(rollout: Rollout, words: str) -> Change:
    return rollout.wait_for(
        lambda obj: words in obj.get("status", {}).get("message", ""), f"a message with '{words}'"
    )


@dataclass(frozen=True)
class Drained:
    """The node of a canary was drained."""

    evicted: bool
    """Whether the only pod of the candidate was let go."""
    stable_evicted: bool
    """Whether the only pod of stable was as well, at the same time."""
    at: float
    """When the candidate's pod was asked to end, in Unix seconds."""
    route: list[RouteWrite]
    """The writes of the route from then until the candidate had its share again."""
    judged: list[int]
    """Requests that each status from then on said were judged."""
    phases: set[str]
    answers: Answers


def drained(stage: Stage) -> Drained:
    """The candidate's node is cordoned, and its pods are evicted one after the other."""
    rollout, kubectl = stage.rollout, stage.cluster.kubectl
    first = Wanted("1", target="90%", steps=("40%",), step_duration=LONG)
    serving = first_version(stage, first, RATE)
    since = serving.traffic.so_far().last.sent
    generation = rollout.apply(replace(first, version="2"))
    begun = rollout.wait_for_share(0.4, since=since)
    # Of so many some have been scraped and judged, and the next status tells of them.
    serving.traffic.wait_for_more(5 * RATE, "2")
    (candidate,) = drain.pods(kubectl, stage.namespace, str(begun.record["candidate"]))
    (stable,) = drain.pods(kubectl, stage.namespace, str(begun.record["stable"]))
    at = serving.traffic.so_far().last.sent
    with drain.cordoned(kubectl, candidate.node):
        evicted = drain.evict(kubectl, stage.namespace, candidate.name)
        stable_evicted = drain.evict(kubectl, stage.namespace, stable.name)
        rollout.wait_for_reason("Reconciling", "CandidateUnavailable", since=at)
    rollout.wait_for_share(0.4, since=at)
    serving.traffic.wait_for_more(RATE, "2")
    statuses = [status for _, status in rollout.statuses(at)]
    return Drained(
        evicted,
        stable_evicted,
        at,
        rollout.route_writes(at),
        [_judged(status, generation) for status in statuses],
        {status["phase"] for status in statuses},
        serving.traffic.stop().since(serving.settled),
    )


def _judged(status: Object, generation: int) -> int:
    if status.get("observedGeneration", 0) < generation:
        return 0
    totals = (each["total"] for each in status.get("objectives", ()) if each["name"] == "errors")
    return int(next(totals, 0))


@dataclass(frozen=True)
class Unreached:
    """The gateway could not reach the pods of a candidate that had users."""

    begun: RouteWrite
    ended: RouteWrite
    """The write that took the users away."""
    status: Object
    """A status after it."""
    answers: Answers


def unreached(stage: Stage) -> Unreached:
    """The candidate's pod is closed to the gateway before it gets users."""
    rollout = stage.rollout
    first = Wanted("1", target="90%", steps=("50%",), step_duration=LONG)
    serving = first_version(stage, first, RATE)
    since = serving.traffic.so_far().last.sent
    rollout.apply(replace(first, version="2"))
    revision, address = _address_of(rollout, "2")
    with closed_to_users(stage.cluster, stage.namespace, revision, address):
        begun = rollout.wait_for_share(0.5, since=since)
        told = rollout.wait_for_reason("Reconciling", "CandidateUnreachable", since=begun.at)
        # Whoever still was sent to it would have told so by then.
        serving.traffic.wait_for_more(5 * RATE, "1")
    ended = next(each for each in rollout.route_writes(begun.at) if not each.candidate_share)
    return Unreached(
        begun,
        ended,
        told.object["status"],
        serving.traffic.stop().since(serving.settled),
    )


def _address_of(rollout: Rollout, version: str) -> tuple[str, str]:
    """The revision of the only pod of `version`, and the pod's address once it has one."""

    def found() -> list[Object]:
        changes = (change.object for change in rollout.pods(version))
        return [pod for pod in changes if "podIP" in pod.get("status", {})]

    wait_until(lambda: bool(found()), f"no pod of version {version} got an address", 120)
    pod = found()[-1]
    return pod["metadata"]["labels"][names.REVISION_LABEL], pod["status"]["podIP"]


@dataclass(frozen=True)
class InPlace:
    """Version 2 took the place of version 1 without a pod beyond those that serve."""

    told_at: float
    """When the status first said what it means for users, in Unix seconds."""
    told: str
    ended_at: float
    """When the first pod of version 1 was asked to end."""
    unavailable: set[str]
    """The reasons for which Available was False meanwhile."""
    most_pods: int
    """The most pods that were there at a time, without those that were ending."""
    promoted: Object
    promoted_at: float
    answers: Answers


def only_pod(stage: Stage) -> InPlace:
    """Version 1 has the only accelerator."""
    with one_accelerator(stage.cluster.kubectl):
        return _in_place(stage, replace(_IN_PLACE, accelerators=1))


def two_pods(stage: Stage) -> InPlace:
    """Version 1 serves on two pods."""
    return _in_place(stage, replace(_IN_PLACE, replicas=2))


_IN_PLACE = Wanted("1", target="90%", steps=("50%",), extra_replicas=0)


def _in_place(stage: Stage, first: Wanted) -> InPlace:
    """Version 2 may have no pod beside those of version 1."""
    rollout = stage.rollout
    serving = first_version(stage, first, RATE)
    since = serving.traffic.so_far().last.sent
    generation = rollout.apply(replace(first, version="2"))
    told = rollout.wait_for(
        lambda obj: "CapacityReduced" in conditions(obj), "what it means for users", since=since
    )
    promoted = rollout.wait_for_phase("Full", generation, since=since, seconds=150)
    # The gateway learns of the new pods a little later; users would tell if it did not.
    serving.traffic.wait_for_more(3 * RATE, "2")
    available = [
        conditions({"status": status})["Available"] for _, status in rollout.statuses(since)
    ]
    ends = (change.at for change in rollout.pods("1", since=since) if change.is_end)
    return InPlace(
        told.at,
        conditions(told.object)["CapacityReduced"]["message"],
        next(ends),
        {each["reason"] for each in available if each["status"] == "False"},
        _most_at_a_time(rollout.pods()),
        promoted.object,
        promoted.at,
        serving.traffic.stop().since(serving.settled),
    )


def _most_at_a_time(changes: Iterable[Change]) -> int:
    there: set[str] = set()
    most = 0
    for change in changes:
        name = {change.object["metadata"]["name"]}
        there = there - name if change.is_end else there | name
        most = max(most, len(there))
    return most
