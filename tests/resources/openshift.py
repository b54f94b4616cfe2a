"""What OpenShift's SecurityContextConstraints `restricted-v2` ask of a pod, and do to it.

Written from their documentation: no OpenShift runs here. A pod is admitted by them when it sets
nothing that they do not allow; what it leaves open they fill in, before pod security looks at it.
"""

import copy
from collections.abc import Iterator
from typing import Any

FIRST_USER, USERS = 1_000_660_000, 10_000
"""The users of a namespace; OpenShift gives each namespace others."""

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(pod: dict[str, Any]) -> list[str]:
    """What of a PodSpec is not allowed, by place."""
    return list(_violations(pod))


def assigned(pod: dict[str, Any]) -> dict[str, Any]:
    """The PodSpec as it is admitted: with the namespace's first user, group and level."""
    made = copy.deepcopy(pod)
    level = {"level": "s0:c26,c5"}
    made["securityContext"] = {
        "fsGroup": FIRST_USER,
        "seLinuxOptions": level,
        "seccompProfile": {"type": "RuntimeDefault"},
        **(made.get("securityContext") or {}),
    }
    for container in _containers(made):
        container["securityContext"] = {
            "runAsUser": FIRST_USER,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            **(container.get("securityContext") or {}),
        }
    return made


def _violations(pod: dict[str, Any]) -> Iterator[str]:
    for host in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(host):
            yield host
    for volume in pod.get("volumes") or []:
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']}: {kind}"
    yield from _context("pod", pod.get("securityContext") or {})
    for container in _containers(pod):
        name, context = container["name"], container.get("securityContext") or {}
        yield from _context(name, context)
        if any(port.get("hostPort") for port in container.get("ports") or []):
            yield f"{name}: hostPort"
        if context.get("privileged") or context.get("allowPrivilegeEscalation"):
            yield f"{name}: privileges"
        capabilities = context.get("capabilities") or {}
        if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
            yield f"{name}: capabilities"


def _context(name: str, context: dict[str, Any]) -> Iterator[str]:
    for field in ("runAsUser", "fsGroup"):
        number = context.get(field, FIRST_USER)
        if not FIRST_USER <= number < FIRST_USER + USERS:
            yield f"{name}: {field} {number}"
    if (context.get("seccompProfile") or {"type": "RuntimeDefault"})["type"] != "RuntimeDefault":
        yield f"{name}: seccompProfile"
    if "seLinuxOptions" in context:
        yield f"{name}: seLinuxOptions"


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(pod.get("initContainers") or []), *pod["containers"]]
