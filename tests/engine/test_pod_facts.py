"""What is read from a pod, as a kubelet and a scheduler write it."""

from typing import Any

import pytest

from model_rollouts.engine.pod_facts import LONGEST_WORDS, explained, lacks_words, pod_of
from model_rollouts.resources.names import PROXY_CONTAINER, REVISION_LABEL
from model_rollouts.rollout import Ended, Pod, Trouble

REVISION = "arrival-0123456789"
CREATED = "2026-03-31T12:00:00Z"
CREATED_S = 1_774_958_400.0
PROXY = {
    "name": PROXY_CONTAINER,
    "ready": True,
    "restartCount": 7,
    "state": {"running": {"startedAt": CREATED}},
    "lastState": {"terminated": {"exitCode": 139, "finishedAt": "2026-03-31T13:00:00Z"}},
}


def api_pod(*containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    """A pod on a node; of the status what is given."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "arrival-x",
            "namespace": "shop",
            "uid": "u1",
            "labels": {REVISION_LABEL: REVISION},
            "creationTimestamp": CREATED,
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Pending",
            "initContainerStatuses": [PROXY],
            "containerStatuses": list(containers),
            **status,
        },
    }


def model(state: dict[str, Any], restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": "model", "ready": False, "restartCount": restarts, "state": state, **more}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int, at: str = "2026-03-31T12:01:00Z", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at, **more}}


RUNNING = {"running": {"startedAt": CREATED}}


def facts(obj: dict[str, Any], before: Pod | None = None) -> Pod:
    found = pod_of(obj, before)
    assert found is not None
    return found


def test_a_ready_pod_has_no_trouble() -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-31T12:00:30Z"}

    found = facts(api_pod(model(RUNNING), conditions=[ready], phase="Running"))

    assert found == Pod(
        "arrival-x", "u1", REVISION, CREATED_S, "node-1", ready_since=CREATED_S + 30
    )


def test_a_pod_without_our_label_is_none_of_ours() -> None:
    obj = api_pod()
    obj["metadata"]["labels"] = {}

    assert pod_of(obj) is None


PULLED = (
    'Back-off pulling image "m:2": ErrImagePull: rpc error: code = NotFound desc = failed to pull '
    'and unpack image "docker.io/library/m:2": failed to resolve reference '
    '"docker.io/library/m:2": docker.io/library/m:2: not found'
)


@pytest.mark.parametrize(
    ("reason", "message", "trouble", "words"),
    [
        ("ImagePullBackOff", PULLED, Trouble.IMAGE, "docker.io/library/m:2: not found"),
        (
            "ErrImagePull",
            "failed to authorize: 401 Unauthorized",
            Trouble.IMAGE,
            "failed to authorize: 401 Unauthorized",
        ),
        (
            "CreateContainerConfigError",
            'secret "weights" not found',
            Trouble.CONFIG,
            'secret "weights" not found',
        ),
        ("CrashLoopBackOff", "back-off 40s restarting failed container", Trouble.CRASH_LOOP, ""),
        ("ContainerCreating", "", None, ""),
    ],
)
def test_what_a_container_waits_for(
    reason: str, message: str, trouble: Trouble | None, words: str
) -> None:
    found = facts(api_pod(model(waiting(reason, message))))

    assert (found.trouble, found.words) == (trouble, words)


def test_the_answer_of_the_registry_holds_while_the_kubelet_waits() -> None:
    asked = facts(api_pod(model(waiting("ErrImagePull", "m:2: not found"))))

    waits = facts(
        api_pod(model(waiting("ImagePullBackOff", 'Back-off pulling image "m:2"'))), asked
    )

    assert waits == asked


def test_the_words_of_the_scheduler_without_preemption() -> None:
    unscheduled = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. no new claims to "
        "deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found.",
    }

    found = facts(api_pod(conditions=[unscheduled], initContainerStatuses=[]))

    assert found.trouble is Trouble.UNSCHEDULABLE
    assert found.words == "0/3 nodes are available: 3 Insufficient nvidia.com/gpu"


def test_how_a_model_ended_and_never_the_proxy() -> None:
    crashed = model(
        waiting("CrashLoopBackOff"),
        3,
        lastState=ended(1, message="loading\nValueError: no weights\n"),
    )

    found = facts(api_pod(crashed))

    assert found.restarts == 3
    assert found.ended == Ended(1, "Error", "loading ValueError: no weights", CREATED_S + 60)


def test_a_crash_loop_is_one_in_each_of_its_moments() -> None:
    moments = [
        api_pod(model(waiting("CrashLoopBackOff"), 2, lastState=ended(1))),
        api_pod(model(RUNNING, 2, lastState=ended(1))),
        api_pod(model(ended(1), 2)),
    ]

    assert {facts(obj).trouble for obj in moments} == {Trouble.CRASH_LOOP}
    assert len({facts(obj) for obj in moments}) == 1


@pytest.mark.parametrize("code", [1, 137, 255])
def test_a_model_that_ended_once_is_in_no_loop(code: int) -> None:
    """A machine that began again ends it as well; the second time is the model's own."""
    moments = [api_pod(model(ended(code))), api_pod(model(RUNNING, 1, lastState=ended(code)))]

    assert Trouble.CRASH_LOOP not in {facts(obj).trouble for obj in moments}


def test_a_container_that_prepared_the_pod_did_not_crash() -> None:
    done = {"name": "fetch", "restartCount": 0, "state": ended(0)}

    assert facts(api_pod(model(RUNNING), initContainerStatuses=[done])).ended is None


def test_the_end_of_a_long_message_is_kept_as_one_line() -> None:
    last = ended(1, message="x" * 5_000 + "\n\x1b[31mMemoryError")

    words = facts(api_pod(model(last))).ended

    assert words is not None
    assert len(words.message) == LONGEST_WORDS
    assert words.message.endswith("[31mMemoryError")
    assert words.message.isprintable()


def test_a_pod_that_the_machine_ended() -> None:
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}

    assert facts(api_pod(conditions=[disrupted])).disruption == "EvictionByEvictionAPI"
    assert facts(api_pod(phase="Failed", reason="NodeShutdown")).disruption == "NodeShutdown"


def test_a_probe_says_why_a_running_pod_is_not_ready() -> None:
    unready = facts(api_pod(model(RUNNING)))
    answer = "Readiness probe failed: HTTP probe failed with statuscode: 503"

    told = explained(unready, "Unhealthy", answer)

    assert lacks_words(unready)
    assert (told.trouble, told.words) == (Trouble.NOT_READY, answer)
    # It is not forgotten when the kubelet writes the same status again.
    assert facts(api_pod(model(RUNNING)), told) == told


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "weights" : secret "weights" not found',
        ),
        # One that a single node can attach, and the version that serves has it.
        (
            "FailedAttachVolume",
            'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) arrival-1-a-b',
        ),
    ],
)
def test_a_volume_that_is_not_there_is_told_by_an_event_alone(reason: str, said: str) -> None:
    creating = facts(api_pod(model(waiting("ContainerCreating"))))

    told = explained(creating, reason, said)

    assert (told.trouble, told.words) == (Trouble.CONFIG, said)
    assert facts(api_pod(model(waiting("ContainerCreating"))), told) == told
    assert facts(api_pod(model(RUNNING)), told).trouble is Trouble.NOT_READY


def test_other_events_say_nothing_new() -> None:
    unready = facts(api_pod(model(RUNNING)))

    assert explained(unready, "BackOff", "Back-off restarting failed container") == unready
