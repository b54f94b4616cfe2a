"""The two Services of a revision: one for users, one for mirrored requests."""

from typing import Any

from model_rollouts.resources import names


def services(model: str, revision: str) -> list[dict[str, Any]]:
    """The live and the shadow Service of `revision`, without namespace and owner."""
    return [
        _service(model, revision, revision, names.LIVE_PORT),
        _service(model, revision, names.shadow_service(revision), names.SHADOW_PORT),
    ]


def _service(model: str, revision: str, name: str, target: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": names.labels(model, revision)},
        "spec": {
            "selector": names.selector(revision),
            "ports": [{"name": "http", "port": names.SERVICE_PORT, "targetPort": target}],
        },
    }
