"""The pod of a revision: the user's template with the proxy beside the model server.

The proxy is a native sidecar (an init container that keeps running): it serves before the model
server starts and after it ended. Nothing of the user's template is changed; what is absent and
needed for serving without errors is added.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model_rollouts.resources import names, proxy
from model_rollouts.resources.reserved import require_usable

_GRACE_SECONDS = 30
"""What a model server has to end in when nothing is said, as everywhere in Kubernetes."""

_BOOTSTRAP_OPTION = "--config-yaml"

assert names.DRAIN_SECONDS > proxy.CONNECTION_AGE_SECONDS


def _default_resources() -> dict[str, Any]:
    # No limit of processor time: throttling would show as the model's slowest answers.
    return {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What an administrator says about the proxy of new revisions.

    `image` should carry a digest. `user` None leaves the number to the platform, as OpenShift
    wants it; the pod is then refused where nothing else sets one. `address` is what the proxy binds
    to: "::" where pods have IPv6 only. `concurrency` is the number of worker threads.
    """

    image: str
    user: int | None = 65532
    address: str = proxy.EVERY_ADDRESS
    concurrency: int = 2
    resources: Mapping[str, Any] = field(default_factory=_default_resources)


def pod_template(
    model: str,
    revision: str,
    port: int,
    template: Mapping[str, Any],
    edges_ms: Sequence[int],
    settings: ProxySettings,
) -> dict[str, Any]:
    """The PodTemplateSpec of `revision`.

    Raises ResourceError when the template takes what the proxy needs.
    """
    require_usable(model, template)
    result = copy.deepcopy(dict(template))
    metadata = result.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **names.labels(model, revision)}
    result["metadata"] = {**metadata, "labels": labels}
    pod = result["spec"]
    ports = proxy.ProxyPorts(address=settings.address)
    bootstrap = proxy.bootstrap(revision, port, edges_ms, ports)
    # Last, so that containers which prepare the pod do not hold up a running proxy.
    pod["initContainers"] = [*(pod.get("initContainers") or ()), _proxy(bootstrap, settings)]
    for container in pod["containers"]:
        if container.get("name") == names.MODEL_CONTAINER:
            _drain_before_end(pod, container)
            _ready_when_listening(container, port)
    return result


def bootstrap_text(template: Mapping[str, Any]) -> str:
    """The proxy's configuration in a PodTemplateSpec that was rendered, as JSON."""
    containers = template["spec"]["initContainers"]
    args = next(each["args"] for each in containers if each["name"] == names.PROXY_CONTAINER)
    text: str = args[args.index(_BOOTSTRAP_OPTION) + 1]
    return text


def _drain_before_end(pod: dict[str, Any], container: dict[str, Any]) -> None:
    lifecycle = container.get("lifecycle") or {}
    if lifecycle.get("preStop"):
        return
    container["lifecycle"] = {**lifecycle, "preStop": {"sleep": {"seconds": names.DRAIN_SECONDS}}}
    if pod.get("terminationGracePeriodSeconds") is None:
        # The sleep counts against the time to end: the model server keeps what it had.
        pod["terminationGracePeriodSeconds"] = _GRACE_SECONDS + names.DRAIN_SECONDS


def _ready_when_listening(container: dict[str, Any], port: int) -> None:
    """Without a probe a pod would be sent users before its model server listens."""
    if not container.get("readinessProbe"):
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 5}


def _proxy(bootstrap: Mapping[str, Any], settings: ProxySettings) -> dict[str, Any]:
    ready = {"httpGet": {"path": names.READY_PATH, "port": names.METRICS_PORT}}
    return {
        "name": names.PROXY_CONTAINER,
        "image": settings.image,
        "command": ["envoy"],
        "args": [
            "--disable-hot-restart",
            *("--concurrency", str(settings.concurrency)),
            *("--log-level", "warning"),
            _BOOTSTRAP_OPTION,
            # In lines, so that people can read it in the pod.
            json.dumps(bootstrap, indent=1),
        ],
        "restartPolicy": "Always",
        "ports": [
            {"name": names.LIVE_PORT_NAME, "containerPort": names.LIVE_PORT},
            {"name": names.SHADOW_PORT_NAME, "containerPort": names.SHADOW_PORT},
            {"name": names.METRICS_PORT_NAME, "containerPort": names.METRICS_PORT},
        ],
        "startupProbe": {**ready, "periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": {**ready, "periodSeconds": 5},
        "resources": copy.deepcopy(dict(settings.resources)),
        "securityContext": _security(settings.user),
    }


def _security(user: int | None) -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        **({} if user is None else {"runAsUser": user}),
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
