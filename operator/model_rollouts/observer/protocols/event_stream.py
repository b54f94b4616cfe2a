"""Server-sent events: a body of `text/event-stream` to the events in it.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from model_rollouts.observer.protocols.tensors import UnreadableError

MOST_LINES = 262_144

_END_OF_LINE = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its type, empty where none is said, and its data."""

    type: bytes
    data: bytes


def events(body: bytes) -> Iterator[Event]:
    """The events that came whole: one without the empty line at its end is not told.

    Raises UnreadableError.
    """
    if body.count(b"\n") + body.count(b"\r") > MOST_LINES:
        raise UnreadableError(f"found more than {MOST_LINES:,} lines of events")
    kind, data = b"", list[bytes]()
    for line in _END_OF_LINE.split(body.removeprefix(_BYTE_ORDER_MARK))[:-1]:
        if not line:
            if data:
                yield Event(kind, b"\n".join(data))
            kind, data = b"", []
            continue
        # Lines that begin with a colon are comments: their field has no name.
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            kind = value
