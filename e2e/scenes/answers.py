"""What clients got, request by request, and the figures that scenes assert on."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

GAVE_UP = "timeout"
"""The answer of a request whose client did not wait for one any longer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request, as the load generator recorded it: `sent` in Unix seconds."""

    sent: float
    ms: float
    answer: str
    version: str
    revision: str

    @property
    def came(self) -> float:
        """When the answer was there, in Unix seconds."""
        return self.sent + self.ms / 1000

    @property
    def is_good(self) -> bool:
        """Whether the user got what was asked for."""
        return self.answer.startswith("2")

    @property
    def is_of_a_model(self) -> bool:
        """Whether a model server gave the answer, a bad one included: only it names a version."""
        return bool(self.version)


class Answers:
    """Requests in the order in which they were sent."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        """Put `answers` in order."""
        self._answers = tuple(sorted(answers, key=lambda one: one.sent))

    def __len__(self) -> int:
        """How many requests."""
        return len(self._answers)

    def __iter__(self) -> Iterator[Answer]:
        """The requests in the order in which they were sent."""
        return iter(self._answers)

    def __repr__(self) -> str:
        """The first few, for the complaint of an assertion."""
        shown = ", ".join(map(repr, self._answers[:5]))
        return f"{len(self)} requests: {shown}{', ...' if len(self) > 5 else ''}"

    def where(self, holds: Callable[[Answer], bool]) -> "Answers":
        """Those for which `holds` is true."""
        return Answers(filter(holds, self._answers))

    def since(self, moment: float) -> "Answers":
        """Those sent at `moment` (Unix seconds) or later."""
        return self.where(lambda one: one.sent >= moment)

    def of(self, version: str) -> "Answers":
        """Those that the model of `version` answered."""
        return self.where(lambda one: one.version == version)

    @property
    def bad(self) -> "Answers":
        """Errors that a model gave: they are its own, whoever sent users to it."""
        return self.where(lambda one: one.is_of_a_model and not one.is_good)

    @property
    def lost(self) -> "Answers":
        """Failures that no model answered: the gateway's, the proxy's, resets and timeouts."""
        return self.where(lambda one: not one.is_of_a_model and not one.is_good)

    @property
    def first(self) -> Answer:
        """The one that was sent first; there must be one."""
        return self._answers[0]

    @property
    def last(self) -> Answer:
        """The one that was sent last; there must be one."""
        return self._answers[-1]

    @property
    def exposure(self) -> float:
        """Seconds from the first of these being sent to the last of them being answered."""
        return max(one.came for one in self) - self.first.sent if len(self) else 0.0

    def settled(self, in_a_row: int) -> float | None:
        """When the first of `in_a_row` good answers in a row was sent; None when there are none."""
        good = 0
        for number, one in enumerate(self):
            good = good + 1 if one.is_good else 0
            if good == in_a_row:
                return self._answers[number - in_a_row + 1].sent
        return None

    def counts(self) -> dict[str, int]:
        """How many by version and answer, for people."""
        return dict(Counter(f"{one.version or 'none'}: {one.answer}" for one in self))
