"""How long what failed is left alone: each action by itself, and nothing else waits for it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from model_rollouts.engine.loops import jittered
from model_rollouts.engine.store import Key

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 60.0
LONGEST_URGENT_BACKOFF_S = 5.0
"""What is urgent waits no longer than this from the last failure on."""


@dataclass(slots=True)
class Backoff:
    """Of one thing: how often it failed in a row, and from when on it may be tried again.

    `urgent_from` is when it may be tried while it is urgent.
    """

    failures: int = 0
    not_before: float = 0.0
    urgent_from: float = 0.0

    def failed(self, now: float, jitter: float, longest_s: float) -> None:
        """It failed once more; `jitter` is between 0 and 1."""
        doubled = FIRST_BACKOFF_S * 2.0 ** min(self.failures, 20)
        self.failures += 1
        self.not_before = now + jittered(min(doubled, longest_s), jitter)
        self.urgent_from = now + jittered(min(doubled, LONGEST_URGENT_BACKOFF_S), jitter)

    def forget(self) -> None:
        """It was done, or is another thing now."""
        self.failures, self.not_before, self.urgent_from = 0, 0.0, 0.0

    def ends(self, *, urgent: bool) -> float:
        """From when on it may be tried."""
        return self.urgent_from if urgent else self.not_before


class Retries:
    """The actions that failed, by ModelDeployment and by their names.

    A failure is forgotten when the action is done, when the spec changes, and when nobody has asked
    for the action for as long as the longest backoff: a plan that leaves it out once is no excuse.
    """

    def __init__(
        self, clock: Callable[[], float], jitter: Callable[[], float], longest_s: float
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._longest_s = longest_s
        self._of: dict[Key, dict[str, Backoff]] = defaultdict(dict)

    def failed(self, key: Key, what: str) -> None:
        """An action was tried and not done."""
        now = self._clock()
        recent = {
            name: backoff
            for name, backoff in self._of[key].items()
            if now - backoff.not_before <= self._longest_s
        }
        recent.setdefault(what, Backoff()).failed(now, self._jitter(), self._longest_s)
        self._of[key] = recent

    def done(self, key: Key, what: str) -> None:
        """An action was done."""
        if key in self._of:
            self._of[key].pop(what, None)

    def forgive(self, key: Key) -> None:
        """Forget all failures of `key`."""
        self._of.pop(key, None)

    def waiting(self, key: Key, urgent: Collection[str] = ()) -> frozenset[str]:
        """The actions that are not to be tried now; those that are `urgent` wait shorter."""
        now, known = self._clock(), self._of.get(key, {})
        return frozenset(
            name for name, backoff in known.items() if now < backoff.ends(urgent=name in urgent)
        )

    def left(self, key: Key, names: Iterable[str], urgent: Collection[str] = ()) -> float | None:
        """Seconds until the first of these actions may be tried; None when none has failed."""
        now, known = self._clock(), self._of.get(key, {})
        ends = (known[name].ends(urgent=name in urgent) for name in names if name in known)
        first = min(ends, default=None)
        return None if first is None else max(first - now, 0.0)
