"""What an oracle finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.faults.facts import Facts


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept: when (seconds of the history), and how."""

    at: float
    words: str


Oracle = Callable[[Facts], Iterator[Violation]]
"""Its docstring is the promise."""
