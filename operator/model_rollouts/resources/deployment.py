"""The Deployment of a revision. Its pod template is written once; only `replicas` ever changes."""

from collections.abc import Mapping
from typing import Any

from model_rollouts.resources import names


def deployment(model: str, revision: str, template: Mapping[str, Any]) -> dict[str, Any]:
    """The Deployment of `revision`, without namespace, owner and replicas."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": revision, "labels": names.labels(model, revision)},
        "spec": {
            "selector": {"matchLabels": names.selector(revision)},
            # Pods are only ever replaced to undo what somebody else wrote: never below what serves.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "revisionHistoryLimit": 0,
            "minReadySeconds": names.SETTLING_SECONDS,
            "template": dict(template),
        },
    }
