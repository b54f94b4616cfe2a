"""Sizes of bodies as people write them, such as 64Ki."""

from typing import Annotated

from model_rollouts.api.base import Written

_UNITS = {"Ki": 1024, "Mi": 1024 * 1024}

_SIZE = r"^([1-9][0-9]{0,2}Ki|1Mi)$"

Size = Annotated[str, Written(_SIZE, "write a size such as 64Ki, from 1Ki to 999Ki, or 1Mi", 8)]


def bytes_of(size: str) -> int:
    """A whole number of Ki or Mi in bytes."""
    return int(size[:-2]) * _UNITS[size[-2:]]
