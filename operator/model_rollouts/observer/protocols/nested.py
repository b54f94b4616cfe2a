"""Values of JSON as tensors: what is nested is laid flat, and has to be of one kind and shape."""

from collections.abc import Callable, Sequence
from typing import Any

from model_rollouts.observer.protocols.tensors import (
    MOST_DIMENSIONS,
    Tensor,
    UnreadableError,
    told,
)

ABSENT = object()
"""What stands where a path of JSON leads to nothing."""

_NUMBERS = ({float}, {int}, {float, int})


def tensor_of(
    name: str, rows: Sequence[object], plain: Callable[[object], object] | None = None
) -> Tensor:
    """The tensor that has one of `rows` in each row: a value, or lists of them of one shape.

    `plain` makes a value of what a protocol wraps in an object. Raises UnreadableError.
    """
    level, width = rows, 1
    for _ in range(MOST_DIMENSIONS - 1):
        kinds = set(map(type, level))
        if list not in kinds:
            break
        lists: Any = level
        if kinds != {list} or len(set(map(len, lists))) != 1:
            raise UnreadableError(f"tensor {told(name)}: its lists are not of one shape")
        width *= len(lists[0])
        level = [value for each in lists for value in each]
    if plain is not None and dict in map(type, level):
        level = [plain(each) for each in level]
    kinds = set(map(type, level))
    if len(rows) > len(level):
        raise UnreadableError(f"tensor {told(name)}: found {len(rows):,} rows without values")
    if kinds and kinds not in (*_NUMBERS, {bool}, {str}):
        found = ", ".join(sorted("null" if each is type(None) else each.__name__ for each in kinds))
        raise UnreadableError(
            f"tensor {told(name)}: found {found} among its values, only numbers, only texts or "
            "only truths are read"
        )
    values: Any = level
    return Tensor(name, len(rows), width, values, kinds == {str})


def value_at(value: object, path: Sequence[str]) -> object:
    """What is at a path of JSON, or `ABSENT`; a number stands for a place in a list."""
    for each in path:
        if isinstance(value, dict):
            value = value.get(each, ABSENT)
        elif isinstance(value, list) and each.isdecimal() and int(each) < len(value):
            value = value[int(each)]
        else:
            return ABSENT
    return value
