"""The PodDisruptionBudget of a ModelDeployment: how many of its pods a drain may end at a time."""

from collections.abc import Sequence
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.names import Owner


def disruption_budget(
    model: str, without: Sequence[str], *, namespace: str, owner: Owner
) -> dict[str, Any]:
    """One pod at a time, of all revisions of `model` but those named in `without`.

    Pods that are not ready may always be evicted: they serve nobody, and a drain that waited for
    them would wait for ever.
    """
    left_out = {"key": names.REVISION_LABEL, "operator": "NotIn", "values": sorted(without)}
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": names.disruption_budget(model), "labels": names.labels(model)},
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {
                "matchLabels": {names.MODEL_LABEL: model},
                "matchExpressions": [left_out] if without else [],
            },
        },
    }
    return names.owned(body, namespace, owner)
