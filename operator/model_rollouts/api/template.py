"""The pods of the model: `spec.template`, a PodTemplateSpec that is passed on as it is.

Only what a rule needs is typed; the rest is kept as written, so that any field that the API server
knows can be used. The whole template is checked by a dry run when a version is admitted.
"""

from typing import Annotated, Any

from pydantic import WithJsonSchema

from model_rollouts.api.base import Rule, by, rules

CONTAINER = "model"
"""Name of the container that serves."""

_KEPT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

PodTemplate = Annotated[
    dict[str, Any],
    WithJsonSchema(
        _KEPT
        | {
            "required": ["spec"],
            "properties": {
                "metadata": _KEPT | {"description": "Labels and annotations of the pods."},
                "spec": _KEPT
                | {
                    "description": "Specification of the pods. Every field of a PodSpec is "
                    "allowed.",
                    "required": ["containers"],
                    "properties": {
                        "containers": {
                            "description": "Containers of the pods. The one named "
                            f"`{CONTAINER}` serves the model.",
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 32,
                            **by("name"),
                            **rules(
                                Rule(
                                    f"self.exists(c, c.name == '{CONTAINER}')",
                                    f"found no container '{CONTAINER}', write this name for the "
                                    "container that serves the model",
                                )
                            ),
                            "items": _KEPT
                            | {
                                "required": ["name"],
                                "properties": {
                                    "name": {
                                        "description": "Name of the container.",
                                        "type": "string",
                                        "minLength": 1,
                                        "maxLength": 63,
                                    },
                                    "image": {
                                        "description": "Image of the container, e.g. "
                                        "`registry.example.com/arrival@sha256:…`.",
                                        "type": "string",
                                        "maxLength": 1024,
                                    },
                                },
                            },
                        }
                    },
                },
            },
        }
    ),
]
