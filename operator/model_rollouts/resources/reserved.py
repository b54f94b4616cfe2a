"""What a user's pod template may not contain, and the words in which it is refused."""

from collections.abc import Iterable, Mapping
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError


def require_usable(model: str, template: Mapping[str, Any]) -> None:
    """Raise ResourceError when `template` has no model container or takes what is reserved."""
    resource = names.describe(model)
    pod = template.get("spec") or {}
    containers = pod.get("containers") or []
    found = [container.get("name") for container in containers]
    if names.MODEL_CONTAINER not in found:
        raise ResourceError(
            resource,
            "template.spec.containers",
            found,
            f"name the container with the model server '{names.MODEL_CONTAINER}'",
        )
    if pod.get("hostNetwork"):
        raise ResourceError(
            resource,
            "template.spec.hostNetwork",
            True,
            "remove it: two revisions on one node would want the same ports",
        )
    _require_labels(resource, template)
    for group in ("containers", "initContainers"):
        path = f"template.spec.{group}"
        _require_names(resource, path, pod.get(group) or ())
        for index, container in enumerate(pod.get(group) or ()):
            _require_ports(resource, f"{path}[{index}].ports", container.get("ports") or ())
    _require_names(resource, "template.spec.volumes", pod.get("volumes") or ())
    _require_time_to_drain(resource, pod, containers)


def _require_labels(resource: str, template: Mapping[str, Any]) -> None:
    for label in (template.get("metadata") or {}).get("labels") or {}:
        if label == names.MANAGED_BY_LABEL or label.startswith(f"{names.DOMAIN}/"):
            raise ResourceError(
                resource,
                "template.metadata.labels",
                label,
                f"remove it: {names.MANAGED_BY_LABEL} and {names.DOMAIN}/ are set by the operator",
            )


def _require_names(resource: str, path: str, items: Iterable[Mapping[str, Any]]) -> None:
    for index, item in enumerate(items):
        name = str(item.get("name", ""))
        if name.startswith(names.RESERVED_PREFIX):
            raise ResourceError(
                resource,
                f"{path}[{index}].name",
                name,
                f"write a name that does not begin with '{names.RESERVED_PREFIX}'",
            )


def _require_ports(resource: str, path: str, ports: Iterable[Mapping[str, Any]]) -> None:
    ports = list(ports)
    _require_names(resource, path, ports)
    for index, port in enumerate(ports):
        if port.get("containerPort") in names.RESERVED_PORTS:
            raise ResourceError(
                resource,
                f"{path}[{index}].containerPort",
                port["containerPort"],
                f"write a port outside {names.RESERVED_PORTS.start} to"
                f" {names.RESERVED_PORTS.stop - 1}, which the proxy beside the model uses",
            )


def _require_time_to_drain(
    resource: str, pod: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]
) -> None:
    grace = pod.get("terminationGracePeriodSeconds")
    model = next(each for each in containers if each.get("name") == names.MODEL_CONTAINER)
    sleeps_by_default = not (model.get("lifecycle") or {}).get("preStop")
    if grace is not None and sleeps_by_default and grace <= names.DRAIN_SECONDS:
        raise ResourceError(
            resource,
            "template.spec.terminationGracePeriodSeconds",
            grace,
            f"write more than {names.DRAIN_SECONDS}, the seconds for which the model server goes"
            " on serving while its pod ends, or give the container a preStop of its own",
        )
