"""Bodies of requests and answers to rows of values: one module and one row of the table each."""

from model_rollouts.observer.protocols.catalogue import PROTOCOLS, Protocol, protocol_of
from model_rollouts.observer.protocols.declared import DeclaredBody
from model_rollouts.observer.protocols.nested import value_at
from model_rollouts.observer.protocols.tensors import (
    FailedError,
    Tensor,
    TruncatedError,
    UnreadableError,
    Value,
    row_count,
)
from model_rollouts.observer.protocols.unpack import LARGEST_BODY, unpacked

__all__ = [
    "LARGEST_BODY",
    "PROTOCOLS",
    "DeclaredBody",
    "FailedError",
    "Protocol",
    "Tensor",
    "TruncatedError",
    "UnreadableError",
    "Value",
    "protocol_of",
    "row_count",
    "unpacked",
    "value_at",
]
