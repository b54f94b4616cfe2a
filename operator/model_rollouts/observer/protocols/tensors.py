"""What every protocol reads a body into: named blocks of values, a line of values for each row."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

Body = TypeVar("Body")

Value = float | int | bool | str
"""One number, truth or text."""

MOST_DIMENSIONS = 8
MOST_TENSORS = 4_096
LONGEST_NAME = 128
"""Characters of a tensor's name; the schema of a table keeps names."""

Header = Callable[[bytes], bytes]
"""The name of a header of a body's message, in small letters, to its value; empty for none."""

LONGEST_TOLD = 80
"""Characters of a body that an error repeats."""


class UnreadableError(Exception):
    """A body that is not what its protocol says; the message says where and what was found."""


class FailedError(UnreadableError):
    """An answer that says that it is an error, whatever its status."""


class TruncatedError(UnreadableError):
    """A stream that ended properly, and before its answer did."""


class Tensor(NamedTuple):
    """`rows` x `width` values, row by row; `is_text` says that they are texts, not numbers."""

    name: str
    rows: int
    width: int
    values: Sequence[Value]
    is_text: bool

    def row(self, index: int) -> Value | tuple[Value, ...]:
        """The value of a row, or its values when it has not exactly one."""
        if self.width == 1:
            return self.values[index]
        return tuple(self.values[index * self.width : (index + 1) * self.width])


def row_count(tensors: Iterable[Tensor]) -> int:
    """How many rows all of them have, 0 for none; raises UnreadableError when they differ."""
    counts = {each.rows for each in tensors}
    if len(counts) > 1:
        found = ", ".join(str(each) for each in sorted(counts)[:5])
        raise UnreadableError(f"tensors have different numbers of rows: {found}")
    return counts.pop() if counts else 0


def no_header(_: bytes) -> bytes:
    """Of a message that has none."""
    return b""


def checked(names: Sequence[str]) -> None:
    """Raises UnreadableError when these are no names of tensors of one body."""
    if len(names) > MOST_TENSORS:
        raise UnreadableError(f"found {len(names):,} tensors, at most {MOST_TENSORS:,} are read")
    for each in names:
        if not each or len(each) > LONGEST_NAME:
            raise UnreadableError(
                f"tensor {told(each)}: its name has {len(each):,} characters, 1 to {LONGEST_NAME} "
                "are read"
            )
    if len(set(names)) < len(names):
        raise UnreadableError("two tensors have the same name")


def no_json(error: Exception) -> UnreadableError:
    """What a decoder of JSON raised, as it is told."""
    if isinstance(error, RecursionError):
        return UnreadableError("JSON is nested too deeply")
    return UnreadableError(f"JSON: {str(error)[:300]}")


def decoded(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """What is in a body of JSON; raises UnreadableError."""
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise no_json(error) from None


def told(text: str) -> str:
    """A text of a body as an error may repeat it: short, in one line, in quotes."""
    return repr(text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}…")
