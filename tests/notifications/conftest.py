"""Servers that take messages."""

from collections.abc import Iterator

import pytest

from tests.notifications.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes messages."""
    with receiving() as found:
        yield found
