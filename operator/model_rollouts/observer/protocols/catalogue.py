"""The table of protocols: a new one is a module and a row."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from model_rollouts.observer.protocols import inference_v2
from model_rollouts.observer.protocols.tensors import Tensor

Read = Callable[[bytes, Collection[str] | None], list[Tensor]]
"""Body and the names that are wanted, None for all, to tensors; raises UnreadableError."""


class Protocol(NamedTuple):
    """How requests and answers of a protocol are read."""

    read_request: Read
    read_answer: Read


PROTOCOLS = {
    "OpenInferenceV2": Protocol(inference_v2.read_request, inference_v2.read_answer),
}
