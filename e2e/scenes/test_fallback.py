"""A version that fails for 5 % of requests is rolled back, and no user sees an error.

Its fallback is a Service of the same namespace. While that does not answer, the version gets no
users; once it does, users get its answers in place of the failed ones, and the model is judged all
the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Object
from e2e.scenes.conftest import OpenStage
from e2e.scenes.manifest import PORT, Wanted
from e2e.scenes.stage import Stage

pytestmark = pytest.mark.slow

RULES = "rules"
"""The Service that stands in, and the name of its pod."""
RATE = 50


@dataclass(frozen=True)
class WithFallback(Wanted):
    """A model whose users get the answers of `rules` when it fails."""

    def manifest(self, namespace: str, host: str) -> dict[str, Any]:
        """The resource in `namespace`, reached under `host`."""
        written = super().manifest(namespace, host)
        written["spec"]["fallback"] = {
            "type": "Service",
            "service": {"name": RULES, "port": 80},
            "after": "2s",
        }
        return written


GOOD = WithFallback("1")
BAD = WithFallback("2", {"ERRORS": "0.05"})


@dataclass(frozen=True)
class Story:
    """The resource while its fallback was not there, and at the end; what users got in between."""

    held: Object
    active: Object
    ended: Object
    answers: Answers


@pytest.fixture(scope="module")
def story(open_stage: OpenStage) -> Iterator[Story]:
    """Version 1 is good; version 2 fails for 5 % of requests."""
    with open_stage("fallback") as stage:
        yield _played(stage)


def _played(stage: Stage) -> Story:
    rollout = stage.rollout
    stage.operator.start()
    # The first version waits for no fallback: without it users have nothing at all.
    rollout.apply(GOOD)
    rollout.wait_for_condition("Ready")
    users = stage.traffic(RATE)
    begun = users.start()
    bad = rollout.apply(BAD)
    held = rollout.wait_for_reason("Reconciling", "FallbackNotAnswering", seconds=180)
    assert len(users.so_far().of(BAD.version)) == 0
    _stand_in(stage)
    rollout.wait_for_phase("Canary", bad, since=held.at, seconds=180)
    active = rollout.wait_for_reason("FallbackActive", "ModelFails", since=held.at, seconds=180)
    ended = rollout.wait_for_phase("RolledBack", bad, since=held.at, seconds=240)
    return Story(held.object, active.object, ended.object, users.stop().since(begun))


def _stand_in(stage: Stage) -> None:
    """Let a model server without errors, of version `rules`, answer as the Service `rules`."""
    kubectl, namespace = stage.cluster.kubectl, stage.namespace
    template = Wanted(RULES).manifest(namespace, stage.host)["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": RULES, "namespace": namespace, "labels": {"app": RULES}},
        **template,
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": RULES, "namespace": namespace},
        "spec": {"selector": {"app": RULES}, "ports": [{"port": 80, "targetPort": PORT}]},
    }
    kubectl.apply(yaml.safe_dump_all((pod, service)))
    kubectl("wait", f"pod/{RULES}", "-n", namespace, "--for=condition=Ready", "--timeout=120s")


def condition(of: Object, type: str) -> Mapping[str, Any]:
    """The condition of that type, empty where there is none."""
    found = (each for each in of["status"]["conditions"] if each["type"] == type)
    return dict(next(found, {}))


def test_a_version_whose_fallback_is_not_there_gets_no_users(story: Story) -> None:
    message = condition(story.held, "Reconciling")["message"]

    assert "Service rules, port 80" in message
    assert story.held["status"].get("candidate", {}).get("weight", "0%") == "0%"


def test_it_is_told_that_users_get_answers_of_the_fallback(story: Story) -> None:
    message = condition(story.active, "FallbackActive")["message"]

    assert "version 2 did not answer" in message
    assert story.active["status"]["fallback"]["answers"] > 0


def test_the_version_is_rolled_back_by_what_it_did(story: Story) -> None:
    status = story.ended["status"]
    (errors,) = (each for each in status["objectives"] if each["name"] == "errors")

    assert status["stable"]["version"] == "1"
    assert errors["bad"] > 0


def test_no_user_saw_an_error(story: Story) -> None:
    print(story.answers.counts())

    assert len(story.answers.bad) == len(story.answers.lost) == 0
    # The failed ones were answered, and by nobody but the fallback.
    assert len(story.answers.of(RULES)) > 0
