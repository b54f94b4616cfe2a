"""JSON of no known protocol, read where the ModelDeployment says that its values stand."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from model_rollouts.observer.protocols.nested import ABSENT, tensor_of, value_at
from model_rollouts.observer.protocols.tensors import (
    Header,
    Tensor,
    UnreadableError,
    decoded,
    no_header,
    told,
)

_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class DeclaredBody:
    """Paths in JSON: of the list of rows, None where the body is one, and of values in a row.

    A body, or what is at `rows`, that is no list is a single row.
    """

    rows: Sequence[str] | None
    values: Mapping[str, Sequence[str]]

    def read(
        self, body: bytes, wanted: Collection[str] | None, _: Header = no_header
    ) -> list[Tensor]:
        """The values that are `wanted`, all of them for None; raises UnreadableError."""
        found = value_at(decoded(_ANYTHING, body), self.rows or ())
        if found is ABSENT:
            raise UnreadableError(f"found nothing at {told('.'.join(self.rows or ()))}")
        rows = found if isinstance(found, list) else [found]
        return [
            tensor_of(name, [_value(row, path, name, number) for number, row in enumerate(rows)])
            for name, path in self.values.items()
            if wanted is None or name in wanted
        ]


def _value(row: object, path: Sequence[str], name: str, number: int) -> object:
    value = value_at(row, path)
    if value is ABSENT:
        raise UnreadableError(
            f"{told(name)}: found nothing at {told('.'.join(path))} in row {number:,}"
        )
    return value
