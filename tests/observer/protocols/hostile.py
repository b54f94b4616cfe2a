"""What an enemy sends, for every protocol: each body is read or refused, with a reason."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from model_rollouts.observer.protocols import Protocol, UnreadableError

CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*"))
"""Hostile bodies: each is read or refused with a reason, in bounded time and memory."""

DEEP = b"[" * 10_000 + b"]" * 10_000

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


def bodies_like(*examples: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Real bodies with anything in place of some of their values, and with some of them cut."""

    def bent(value: Any) -> st.SearchStrategy[Any]:
        inner: st.SearchStrategy[Any]
        if isinstance(value, dict):
            inner = st.fixed_dictionaries({key: bent(each) for key, each in value.items()})
        elif isinstance(value, list):
            inner = st.tuples(*map(bent, value)).map(list)
        else:
            inner = st.just(value)
        # Mostly as it was, so that what is wrong is reached deep inside, too.
        return st.integers(0, 9).flatmap(lambda n: ANYTHING if n == 0 else inner)

    texts = st.one_of(*map(bent, examples)).map(lambda each: json.dumps(each).encode())
    return st.tuples(texts, st.integers(0, 12)).map(
        lambda made: made[0][: len(made[0]) - max(made[1] - 9, 0)]
    )


def is_read_or_refused(protocol: Protocol, text: bytes) -> None:
    """Both readers read or refuse it; what is read is of its shape."""
    for read in (protocol.read_request, protocol.read_answer):
        try:
            tensors = read(text, None)
        except UnreadableError as error:
            assert 0 < len(str(error)) < 500
        else:
            for each in tensors:
                assert len(each.values) == each.rows * each.width
                assert each.rows <= len(each.values)
                assert all(isinstance(value, str) is each.is_text for value in each.values)
