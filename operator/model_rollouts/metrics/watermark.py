"""The cursor of a rollout: up to where it was counted.

A watermark is kept in the same write as the evidence that was made of the counts. Reading on from
any watermark gives the same counts as never having stopped, so a lost write only costs the reading
of the samples again.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_rollouts.metrics.errors import InputError

_PART = "/"


@dataclass(frozen=True, slots=True)
class Watermark:
    """Everything at or before `at_ms` (Unix milliseconds, on the grid of intervals) is counted.

    `carry` holds bad ones that wait for their total, by "arm/objective/level"; nearly always empty.
    `behind` has the processes, by `process_key`, of which a scrape before `at_ms` may still come:
    how many milliseconds before `at_ms` they are counted up to. All else that the intake knows can
    be read again from Prometheus.
    """

    at_ms: int
    carry: tuple[tuple[str, int], ...] = ()
    behind: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A small JSON object; `from_json` reads it back."""
        stored: dict[str, Any] = {"at": self.at_ms}
        if self.carry:
            stored["carry"] = dict(self.carry)
        if self.behind:
            stored["behind"] = dict(self.behind)
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Watermark":
        """Read what `to_json` wrote. Raises InputError when it is something else."""
        at = stored.get("at")
        if not isinstance(at, int) or isinstance(at, bool) or at < 0:
            raise InputError("watermark.at", at, "Unix milliseconds")
        carry = stored.get("carry", {})
        if not isinstance(carry, Mapping):
            raise InputError("watermark.carry", carry, "an object of whole numbers")
        for key, amount in carry.items():
            if not isinstance(amount, int) or isinstance(amount, bool):
                raise InputError(f"watermark.carry.{key}", amount, "a whole number")
        behind = stored.get("behind", {})
        if not isinstance(behind, Mapping):
            raise InputError("watermark.behind", behind, "an object of milliseconds")
        for key, late in behind.items():
            if not isinstance(late, int) or isinstance(late, bool) or late < 0:
                raise InputError(f"watermark.behind.{key}", late, "milliseconds, 0 or more")
        return cls(at, tuple(sorted(carry.items())), tuple(behind.items()))


def process_key(name: str) -> str:
    """The short name under which a process is stored."""
    return f"{zlib.crc32(name.encode()):08x}"


def carry_key(arm: str, objective: str, level: int) -> str:
    """The name under which a carry is stored."""
    return _PART.join((arm, objective, str(level)))
