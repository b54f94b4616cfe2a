"""The CustomResourceDefinition of ModelDeployment, made from the models."""

from collections.abc import Sequence
from typing import Any

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.group import GROUP, KIND, PLURAL, VERSION
from model_rollouts.api.schema import Schema, structural, without_defaults_in_items

NAME = f"{PLURAL}.{GROUP}"


def _condition(type: str) -> str:
    return f'.status.conditions[?(@.type=="{type}")].status'


_COLUMNS = (
    ("Serving", "string", ".status.stable.version", 0),
    ("Candidate", "string", ".status.candidate.version", 0),
    ("Phase", "string", ".status.phase", 0),
    ("Weight", "string", ".status.candidate.weight", 0),
    ("Available", "string", _condition("Available"), 0),
    ("Action", "string", ".status.action", 0),
    ("Message", "string", ".status.message", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Ready", "string", _condition("Ready"), 1),
    ("Version", "string", ".spec.model.version", 1),
    ("Step", "integer", ".status.step", 1),
    ("Fallback", "string", ".status.fallback.share", 1),
)
"""Title, type, JSON path, and priority: 1 is shown only with `-o wide`."""


def object_schema() -> Schema:
    """The schema of a ModelDeployment, with every default that the operator knows."""
    schema = structural(ModelDeployment)
    properties = schema["properties"]
    # What these two hold is the API server's business, not that of a schema.
    properties |= {name: {"type": "string"} for name in ("apiVersion", "kind")}
    # A status is written by the operator, and not begun by a default.
    del properties["status"]["default"]
    return schema | {"required": ["spec"]}


def custom_resource_definition(versions: Sequence[str] = (VERSION,)) -> dict[str, Any]:
    """The object that is applied to a cluster.

    All `versions` have the same shape, so nothing is converted; the last one is stored.
    """
    conversion = {"conversion": {"strategy": "None"}} if len(versions) > 1 else {}
    columns = [
        {"name": name, "type": type_, "jsonPath": path} | ({"priority": 1} if priority else {})
        for name, type_, path, priority in _COLUMNS
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["mdep"],
                "categories": ["all"],
            },
            **conversion,
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[-1],
                    "additionalPrinterColumns": columns,
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "schema": {"openAPIV3Schema": without_defaults_in_items(object_schema())},
                }
                for version in versions
            ],
        },
    }
