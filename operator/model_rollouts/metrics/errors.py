"""The one error for input that makes no sense, raised where it enters and never inside the loop."""

from collections.abc import Collection


class InputError(ValueError):
    """Names the field, what was found and what to write instead."""

    def __init__(self, field: str, found: object, instead: str) -> None:
        super().__init__(f"{field}: found {found!r}, write {instead}")
        self.field = field


def require_name(field: str, value: str) -> None:
    """Raise InputError unless `value` is a string with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(field, value, "a name")


def require_unique(field: str, names: Collection[str]) -> None:
    """Raise InputError when a name occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(field, name, "each name only once")
        seen.add(name)
