"""An outage of Prometheus under sixty models is one event."""

from datetime import UTC, datetime

import pytest

from model_rollouts.cluster.events import Occurrence, event
from model_rollouts.engine.failures import EVENT_AGAIN_S
from model_rollouts.engine.outage import Outage, OwnPod

POD = OwnPod("model-rollouts", "model-rollouts-7f9c-x2k4q", "u-1")
MODELS = 60


class World:
    """An outage and what is recorded of it."""

    def __init__(self, pod: OwnPod | None = POD) -> None:
        self.now = 1_000.0
        self.recorded: list[Occurrence] = []
        self.outage = Outage(self.recorded.append, pod, lambda: self.now)

    def each_holds(self, reason: str = "MetricsUnavailable") -> None:
        """The plan of each ModelDeployment tells that it waits."""
        for number in range(MODELS):
            metadata = {"namespace": f"n{number}", "name": "arrival", "uid": str(number)}
            model = {"apiVersion": "v1", "kind": "ModelDeployment", "metadata": metadata}
            at = datetime.fromtimestamp(self.now, UTC)
            self.outage.record(Occurrence(model, "Normal", reason, "Hold", "HTTP 503", at))


def test_it_is_told_once_on_the_pod_of_the_operator() -> None:
    world = World()

    for _ in range(10):
        world.outage.heard("prometheus: HTTP 503")
        world.each_holds()
        world.now += 5

    (told,) = world.recorded
    body = event(told, "operator")
    assert body["regarding"]["kind"] == "Pod"
    assert body["regarding"]["uid"] == POD.uid
    assert body["metadata"]["namespace"] == POD.namespace
    assert "prometheus: HTTP 503" in told.note


def test_a_longer_one_is_told_again_as_the_same_event() -> None:
    world = World()
    world.outage.heard("HTTP 503")
    world.now += EVENT_AGAIN_S
    world.outage.heard("HTTP 503")

    names = [event(each, "operator")["metadata"]["name"] for each in world.recorded]

    assert len(names) == 2
    assert len(set(names)) == 1


def test_other_events_and_those_of_one_guilty_rollout_are_of_their_objects() -> None:
    world = World()
    world.outage.heard("HTTP 503")
    world.each_holds("ScrapeMissing")
    world.outage.heard(None)
    world.each_holds()

    reasons = [each.reason for each in world.recorded if each.regarding != POD.regarding]

    assert reasons.count("ScrapeMissing") == reasons.count("MetricsUnavailable") == MODELS


@pytest.mark.parametrize("failure", [None, "HTTP 503"])
def test_without_a_pod_each_object_has_its_own(failure: str | None) -> None:
    world = World(None)

    world.outage.heard(failure)
    world.each_holds()

    assert len(world.recorded) == MODELS
