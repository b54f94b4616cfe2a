"""What a user's pod template may not contain, and the words in which it is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.shapes import mapping, mappings

_UNUSABLE = {
    "hostNetwork": "two revisions on one node would need the same ports",
    "hostPID": "the model server could end the proxy, and read and write its files",
    "shareProcessNamespace": "the model server could end the proxy, and read and write its files",
}
"""Fields of a pod that may not be set, and why."""


def require_usable(model: str, template: Mapping[str, Any]) -> None:
    """Raise ResourceError when `template` has no model container or takes what is reserved."""
    resource = names.describe(model)
    pod = mapping(resource, template, "template.spec")
    containers = mappings(resource, pod, "template.spec.containers")
    found = [container.get("name") for container in containers]
    if found.count(names.MODEL_CONTAINER) != 1:
        raise ResourceError(
            resource,
            "template.spec.containers",
            found,
            f"write exactly one container named '{names.MODEL_CONTAINER}', the model server",
        )
    for field, why in _UNUSABLE.items():
        if pod.get(field):
            raise ResourceError(resource, f"template.spec.{field}", pod[field], f"remove it: {why}")
    _require_labels(resource, template)
    for path in ("template.spec.containers", "template.spec.initContainers"):
        group = mappings(resource, pod, path)
        _require_names(resource, path, group)
        for index, container in enumerate(group):
            _require_ports(resource, f"{path}[{index}].ports", container)
            mounts = f"{path}[{index}].volumeMounts"
            _require_names(resource, mounts, mappings(resource, container, mounts))
    volumes = "template.spec.volumes"
    _require_names(resource, volumes, mappings(resource, pod, volumes))
    index = found.index(names.MODEL_CONTAINER)
    _require_time_to_drain(resource, pod, containers[index], index)


def _require_labels(resource: str, template: Mapping[str, Any]) -> None:
    metadata = mapping(resource, template, "template.metadata")
    for label in mapping(resource, metadata, "template.metadata.labels"):
        if label == names.MANAGED_BY_LABEL or label.startswith(f"{names.DOMAIN}/"):
            raise ResourceError(
                resource,
                "template.metadata.labels",
                label,
                f"remove it: the operator sets {names.MANAGED_BY_LABEL} and all of {names.DOMAIN}/",
            )


def _require_names(resource: str, path: str, items: Sequence[Mapping[str, Any]]) -> None:
    for index, item in enumerate(items):
        name = str(item.get("name", ""))
        if name.startswith(names.RESERVED_PREFIX):
            raise ResourceError(
                resource,
                f"{path}[{index}].name",
                name,
                f"write a name that does not begin with '{names.RESERVED_PREFIX}'",
            )


def _require_ports(resource: str, path: str, container: Mapping[str, Any]) -> None:
    ports = mappings(resource, container, path)
    _require_names(resource, path, ports)
    for index, port in enumerate(ports):
        number = port.get("containerPort")
        if isinstance(number, int) and number in names.RESERVED_PORTS:
            raise ResourceError(
                resource,
                f"{path}[{index}].containerPort",
                number,
                f"use another port: {names.RESERVED_PORTS.start} to {names.RESERVED_PORTS.stop - 1}"
                " belong to the proxy",
            )
        if port.get("hostPort"):
            raise ResourceError(
                resource,
                f"{path}[{index}].hostPort",
                port["hostPort"],
                "remove it: two revisions on one node would need the same port, and users reach"
                " the pods through the gateway",
            )


def _require_time_to_drain(
    resource: str, pod: Mapping[str, Any], container: Mapping[str, Any], index: int
) -> None:
    lifecycle = mapping(resource, container, f"template.spec.containers[{index}].lifecycle")
    grace = pod.get("terminationGracePeriodSeconds")
    if lifecycle.get("preStop") or grace is None:
        return
    if not isinstance(grace, int) or grace <= names.DRAIN_SECONDS:
        raise ResourceError(
            resource,
            "template.spec.terminationGracePeriodSeconds",
            grace,
            f"write more than {names.DRAIN_SECONDS}: the model server keeps serving for"
            f" {names.DRAIN_SECONDS} s while its pod ends. Or give the container its own preStop",
        )
