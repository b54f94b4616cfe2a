"""The two Services of a revision: one for users, one for mirrored requests.

A gateway speaks HTTP/1.1 to a Service unless its port says otherwise, and gRPC needs HTTP/2. The
names of protocols are Kubernetes' own, which gateways that conform to Gateway API know.
"""

from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.revision import Protocol
from model_rollouts.resources.shapes import Object

HTTP2 = "kubernetes.io/h2c"
"""HTTP/2 without TLS and without an upgrade before it."""


def services(model: str, revision: str, protocol: Protocol) -> list[dict[str, Any]]:
    """The live and the shadow Service of `revision`, without namespace and owner."""
    return [
        _service(model, revision, revision, names.LIVE_PORT, protocol),
        _service(model, revision, names.shadow_service(revision), names.SHADOW_PORT, protocol),
    ]


def backup_service(model: str, revision: str, stands_in: str, port: int) -> dict[str, Any]:
    """The Service of the revision `stands_in`, which answers in place of `revision`, at `port`."""
    body = _service(model, revision, names.backup_service(revision), port, Protocol.HTTP)
    body["spec"]["selector"] = names.selector(stands_in)
    return body


def selected(service: Object | None) -> str | None:
    """The revision whose pods a Service selects, None without one."""
    selector = {} if service is None else service["spec"].get("selector") or {}
    return selector.get(names.REVISION_LABEL)


def _service(
    model: str, revision: str, name: str, target: int, protocol: Protocol
) -> dict[str, Any]:
    speaks = {"appProtocol": HTTP2} if protocol is Protocol.GRPC else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": names.labels(model, revision)},
        "spec": {
            "selector": names.selector(revision),
            "ports": [{"name": "http", "port": names.SERVICE_PORT, "targetPort": target, **speaks}],
        },
    }
