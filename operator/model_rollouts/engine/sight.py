"""Which objects the operator does not see: lists and watches that fail, and what is told of them.

What is told concerns every ModelDeployment at once, so it is told seldom: it keeps the words that
it began with, and stands for a minute at least.
"""

from collections.abc import Callable
from dataclasses import dataclass

from model_rollouts.engine.failures import EVENT_TIMES, cut
from model_rollouts.rollout import Failure

STANDS_S = 60.0
"""How long what was told once is told at least."""


@dataclass(slots=True)
class _Told:
    """Since when (seconds of the clock) it is told, and until when; None while it goes on."""

    failure: Failure
    since: float
    until: float | None = None


class Sight:
    """By what was asked, such as "list HTTPRoutes", and of which namespace; None for all."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._untold: dict[tuple[str, str | None], int] = {}
        self._told: dict[tuple[str, str | None], _Told] = {}

    def failed(self, what: str, scope: str | None, answer: str) -> bool:
        """It failed once more; whether it is to be told from now on."""
        asked = what, scope
        if (told := self._told.get(asked)) is not None and self._stands(told):
            told.until = None
            return False
        before = self._untold.get(asked)
        times = 1 if before is None else before + 1
        self._untold[asked] = times
        if times < EVENT_TIMES:
            return False
        failure = Failure(named(what, scope), cut(answer), times, writes=False)
        self._told[asked] = _Told(failure, self._clock())
        return True

    def done(self, what: str, scope: str | None) -> float | None:
        """It was answered; in how many seconds that is to be told, None when it is not."""
        asked = what, scope
        self._untold.pop(asked, None)
        told = self._told.get(asked)
        if told is None or told.until is not None:
            return None
        now = self._clock()
        told.until = max(now, told.since + STANDS_S)
        return told.until - now

    def unseen(self, namespace: str | None = None) -> tuple[Failure, ...]:
        """What is told, of that namespace or of any; each with the answer that it began with."""
        self._told = {asked: told for asked, told in self._told.items() if self._stands(told)}
        return tuple(
            told.failure
            for (_, scope), told in self._told.items()
            if namespace is None or scope in (None, namespace)
        )

    def ends_in(self, namespace: str) -> float | None:
        """In how many seconds the first of what is told there is over; None while none of it is."""
        ends = [
            told.until
            for (_, scope), told in self._told.items()
            if scope in (None, namespace) and told.until is not None and self._stands(told)
        ]
        return min(ends) - self._clock() if ends else None

    def _stands(self, told: _Told) -> bool:
        return told.until is None or self._clock() < told.until


def named(what: str, scope: str | None) -> str:
    """What was asked, with the namespace when it was asked of one."""
    return what if scope is None else f"{what} in namespace {scope}"
