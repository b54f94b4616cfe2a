"""The pod of a revision: the user's template with the proxy beside the model server.

The proxy is a native sidecar (an init container that keeps running): it serves before the model
server starts and after it ended. Nothing of the user's template is changed; what is absent and
needed for serving without errors is added.
"""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from model_rollouts.resources import (
    capture_proxy,
    fallback_proxy,
    mesh,
    names,
    observer_address,
    proxy,
    slices,
)
from model_rollouts.resources.capture import Observer
from model_rollouts.resources.capture_proxy import Sender
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.fallback import Previous
from model_rollouts.resources.fallback_proxy import Chance
from model_rollouts.resources.reserved import require_usable
from model_rollouts.resources.slices import CountedSlice

_GRACE_SECONDS = 30
"""What a model server has to end in when nothing is said, as everywhere in Kubernetes."""

USER = 65532
"""Of the proxy, where the administrator says nothing; the image has no name for it."""
CONCURRENCY = 2
"""Worker threads of the proxy, where the administrator says nothing."""

_SOCKET_BYTES = "1Mi"

_BOOTSTRAP_OPTION = "--config-yaml"

_TOKEN_SECONDS = 3600
"""How long a token for the observer is good. The kubelet renews it after four fifths of that."""
_POD_NAME = "POD_NAME"
LONGEST_ARGUMENT = 131_072
"""Bytes of one argument that Linux takes (MAX_ARG_STRLEN), with the zero at its end."""

assert names.DRAIN_SECONDS > proxy.CONNECTION_AGE_SECONDS


def _default_resources() -> dict[str, Any]:
    # No limit of processor time: throttling would show as the model's slowest answers.
    return {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What an administrator says about the proxy of new revisions.

    `image` should carry a digest. `user` None leaves the number to the platform, as OpenShift
    wants it; the pod is then refused where nothing else sets one. `address` is what the proxy binds
    to: "::" where pods have IPv6 only. `concurrency` is the number of worker threads. `in_mesh`
    says that pods have a sidecar of a service mesh whose template does not say whether they do.
    `observer` is who takes the records of captured requests; without one none can be captured.
    """

    image: str
    user: int | None = USER
    address: str = proxy.EVERY_ADDRESS
    concurrency: int = CONCURRENCY
    in_mesh: bool = False
    resources: Mapping[str, Any] = field(default_factory=_default_resources)
    observer: Observer | None = None


def pod_template(
    model: str,
    revision: str,
    port: int,
    template: Mapping[str, Any],
    edges_ms: Sequence[int],
    settings: ProxySettings,
    sender: Sender | None = None,
    chance: Chance | None = None,
    counted: Sequence[CountedSlice] = (),
) -> dict[str, Any]:
    """The PodTemplateSpec of `revision`. `sender` says what the observer is told, None for nothing.

    `chance` is the second chance of a request that the model does not answer, None for none, and
    `counted` are the slices that its proxy counts.
    Raises ResourceError when the template takes what the proxy needs.
    """
    require_usable(model, template)
    result = copy.deepcopy(dict(template))
    metadata = result.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **names.labels(model, revision)}
    result["metadata"] = {**metadata, "labels": labels}
    pod = result["spec"]
    ports = proxy.ProxyPorts(address=settings.address)
    bootstrap = _bootstrap_text(
        revision,
        port,
        tuple(edges_ms),
        ports,
        in_mesh=is_in_mesh(model, template, settings),
        sender=sender,
        chance=chance,
        counted=tuple(counted),
    )
    _require_short(model, bootstrap)
    stands_by = chance is not None and isinstance(chance.fallback.to, Previous)
    sidecar = _proxy(bootstrap, settings, stands_by=stands_by)
    volumes = [_admin_volume()]
    if sender is not None:
        _speaks_for_its_pod(sidecar)
        told = {names.TOKEN_ANNOTATION: capture_proxy.token_secret()}
        result["metadata"]["annotations"] = {**(metadata.get("annotations") or {}), **told}
        volumes.append(_token_volume())
    # Last, so that containers which prepare the pod do not hold up a running proxy.
    pod["initContainers"] = [*(pod.get("initContainers") or ()), sidecar]
    pod["volumes"] = [*(pod.get("volumes") or ()), *volumes]
    for container in (*pod["containers"], *pod["initContainers"]):
        # A server that crashes seldom writes a message: the end of its log says why.
        container["terminationMessagePolicy"] = (
            container.get("terminationMessagePolicy") or "FallbackToLogsOnError"
        )
    for container in pod["containers"]:
        if container.get("name") == names.MODEL_CONTAINER:
            _drain_before_end(pod, container)
            _ready_when_listening(container, port)
    return result


def _require_short(model: str, bootstrap: str) -> None:
    if (size := len(bootstrap.encode())) >= LONGEST_ARGUMENT:
        raise ResourceError(
            names.describe(model),
            "spec.slices and spec.fallback.static.body",
            f"a proxy configuration of {size} bytes",
            f"write fewer slices or a shorter body: {LONGEST_ARGUMENT} bytes fit into an argument",
        )


def is_in_mesh(model: str, template: Mapping[str, Any], settings: ProxySettings) -> bool:
    """Whether users reach the proxy through a sidecar of a service mesh in the same pod."""
    said = mesh.has_sidecar(names.describe(model), template)
    return settings.in_mesh if said is None else said


@lru_cache(maxsize=64)
def _bootstrap_text(
    revision: str,
    port: int,
    edges_ms: tuple[int, ...],
    ports: proxy.ProxyPorts,
    *,
    in_mesh: bool,
    sender: Sender | None,
    chance: Chance | None,
    counted: tuple[CountedSlice, ...],
) -> str:
    """What a version that waits for its checks is rendered with in every pass.

    In lines, so that people can read it in the pod.
    """
    made = proxy.bootstrap(
        revision, port, edges_ms, ports, in_mesh=in_mesh, sender=sender, counted=counted
    )
    if chance is not None:
        made = fallback_proxy.with_fallback(made, chance, revision)
    lines: dict[str, str] = {}
    text = json.dumps(_folded(made, lines), indent=1)
    return re.sub(r'"@\d+@"', lambda place: lines[place.group()], text)


def _folded(node: Any, lines: dict[str, str]) -> Any:
    """`node` with a place for each counter of a slice, whose text is among `lines`.

    An argument of a program has at most 128 KiB. Indented, eight slices alone would be more.
    """
    if isinstance(node, list):
        return [_folded(each, lines) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("name") != slices.LOGGER:
        return {key: _folded(each, lines) for key, each in node.items()}
    place = f"@{len(lines)}@"
    # The kubelet takes `$(NAME)` in an argument for a variable, and users choose values of headers.
    lines[f'"{place}"'] = json.dumps(node, separators=(",", ":")).replace("$", r"\u0024")
    return place


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


def _proxy(bootstrap: str, settings: ProxySettings, *, stands_by: bool) -> dict[str, Any]:
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
            bootstrap,
        ],
        "restartPolicy": "Always",
        "ports": [
            {"name": names.LIVE_PORT_NAME, "containerPort": names.LIVE_PORT},
            {"name": names.SHADOW_PORT_NAME, "containerPort": names.SHADOW_PORT},
            {"name": names.METRICS_PORT_NAME, "containerPort": names.METRICS_PORT},
            *(
                [{"name": names.STANDBY_PORT_NAME, "containerPort": names.STANDBY_PORT}]
                if stands_by
                else []
            ),
        ],
        "startupProbe": {**ready, "periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": {**ready, "periodSeconds": 5},
        "resources": copy.deepcopy(dict(settings.resources)),
        "volumeMounts": [{"name": names.ADMIN_VOLUME, "mountPath": names.ADMIN_FOLDER}],
        "securityContext": _security(settings.user),
    }


def _speaks_for_its_pod(container: dict[str, Any]) -> None:
    """Give the proxy the pod's name, and the token that proves it."""
    name = {"apiVersion": "v1", "fieldPath": "metadata.name"}
    container["env"] = [{"name": _POD_NAME, "valueFrom": {"fieldRef": name}}]
    container["args"] += ["--service-node", f"$({_POD_NAME})"]
    mount = {"name": names.TOKEN_VOLUME, "mountPath": names.TOKEN_FOLDER, "readOnly": True}
    container["volumeMounts"].append(mount)


def _token_volume() -> dict[str, Any]:
    return capture_proxy.token_volume(
        names.TOKEN_ANNOTATION, observer_address.AUDIENCE, _TOKEN_SECONDS
    )


def _admin_volume() -> dict[str, Any]:
    # In memory: a volume on the node's disk would keep autoscalers from removing the node.
    return {
        "name": names.ADMIN_VOLUME,
        "emptyDir": {"medium": "Memory", "sizeLimit": _SOCKET_BYTES},
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
