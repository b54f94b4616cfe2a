"""How values of requests and answers are called, and where they stand in JSON."""

from typing import Annotated

from model_rollouts.api.base import Written

TensorName = Annotated[
    str,
    Written(
        r"^[^\s](.*[^\s])?$",
        "write a name without space around it, such as species",
        128,
    ),
]

JSONPath = Annotated[
    str,
    Written(
        r"^[^\s.]+(\.[^\s.]+)*$",
        "write names with dots between them, such as total or items.0.price",
        128,
    ),
]
