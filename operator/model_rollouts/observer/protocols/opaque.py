"""Bodies that no protocol reads: their length, and a digest by which equal ones are known."""

import hashlib
from collections.abc import Collection

from model_rollouts.observer.protocols.tensors import Header, Tensor, no_header

LENGTH, DIGEST = "length", "sha256"
"""Names of the tensors: bytes, and hex digits."""


def read(body: bytes, wanted: Collection[str] | None, _: Header = no_header) -> list[Tensor]:
    """Both, as far as they are `wanted`. Nothing is unreadable."""
    found = []
    if wanted is None or LENGTH in wanted:
        found.append(Tensor(LENGTH, 1, 1, [len(body)], False))
    if wanted is None or DIGEST in wanted:
        found.append(Tensor(DIGEST, 1, 1, [digest(body)], True))
    return found


def digest(body: bytes) -> str:
    """SHA-256 in hex digits."""
    return hashlib.sha256(body).hexdigest()
