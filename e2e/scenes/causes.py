"""Versions that do not start, each for another cause, side by side under one operator."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from e2e.cluster.kubectl import Kubectl
from e2e.scenes.manifest import ACCELERATOR, PORT, Wanted
from e2e.scenes.scarcity import limit
from e2e.scenes.stage import Stage
from e2e.waiting import wait_until

Object = dict[str, Any]
Change = Callable[[Object, Object], None]
"""Changes the pod's spec and its model container."""


def _image(_: Object, model: Object) -> None:
    model["image"] = "127.0.0.1:1/no-such-registry/model:2"
    model["imagePullPolicy"] = "Always"


def _unschedulable(spec: Object, _: Object) -> None:
    spec["nodeSelector"] = {"example.com/no-such-node": "true"}


def _crash_loop(_: Object, model: Object) -> None:
    program = "import sys; sys.exit('ValueError: these are no weights')"
    model["command"] = ["python3", "-c", program]
    model["terminationMessagePolicy"] = "FallbackToLogsOnError"


def _probe(_: Object, model: Object) -> None:
    # Every path but the one of the probe is refused with 500 by such a model.
    model["env"].append({"name": "ERRORS", "value": "1"})
    model["readinessProbe"] = {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 1}


def _secret(_: Object, model: Object) -> None:
    reference = {"secretKeyRef": {"name": "no-such-secret", "key": "token"}}
    model["env"].append({"name": "TOKEN", "valueFrom": reference})


def _volume(spec: Object, model: Object) -> None:
    spec["volumes"] = [{"name": "weights", "secret": {"secretName": "no-such-volume"}}]
    model["volumeMounts"] = [{"name": "weights", "mountPath": "/weights"}]


def _out_of_memory(_: Object, model: Object) -> None:
    # Bytes that are not zero: those that are take no memory.
    program = "held = [b'x' * 2**20 + bytes([each % 256]) for each in range(1000)]"
    model["command"] = ["python3", "-c", program]
    model["resources"] = {"limits": {"memory": "64Mi"}}


def _quota(_: Object, model: Object) -> None:
    # Of such a thing, and of nothing that another pod of the namespace asks for.
    model["resources"] = {"limits": {ACCELERATOR: "1"}}


def _pod_security(_: Object, model: Object) -> None:
    model["securityContext"] = {"privileged": True}


CAUSES: Mapping[str, Change] = {
    "image": _image,
    "unschedulable": _unschedulable,
    "crash-loop": _crash_loop,
    "out-of-memory": _out_of_memory,
    "probe": _probe,
    "secret": _secret,
    "volume": _volume,
    "quota": _quota,
    "pod-security": _pod_security,
}


def apply_all(stage: Stage) -> None:
    """A first version for each cause, called after it, under a quota that one of them exceeds."""
    limit(stage.cluster.kubectl, stage.namespace, f"requests.{ACCELERATOR}", 0)
    for name, change in CAUSES.items():
        body = Wanted("1").manifest(stage.namespace, f"{name}.{stage.host}")
        body["metadata"]["name"] = name
        spec = body["spec"]["template"]["spec"]
        change(spec, spec["containers"][0])
        stage.rollout.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def messages(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """The sentence of each status, by name."""
    found = kubectl.get("modeldeployments", "-n", namespace)["items"]
    return {each["metadata"]["name"]: each.get("status", {}).get("message", "") for each in found}


def wait_for_causes(
    stage: Stage, wanted: Mapping[str, str], seconds: float = 120
) -> dict[str, str]:
    """The sentences, once each holds its `wanted` words."""
    kubectl, namespace = stage.rollout.kubectl, stage.namespace

    def missing() -> dict[str, str]:
        told = messages(kubectl, namespace)
        return {
            name: told.get(name, "") for name in wanted if wanted[name] not in told.get(name, "")
        }

    try:
        wait_until(
            lambda: not missing(), "not every status says why its pods do not start", seconds
        )
    except AssertionError as error:
        raise AssertionError(f"{error}: {missing()}") from None
    return messages(kubectl, namespace)
