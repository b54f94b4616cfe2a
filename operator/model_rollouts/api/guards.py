"""What is watched without being asked for: `spec.strategy.guards`, as in docs/guards.md."""

from typing import Annotated, Final, Literal

from pydantic import Field

from model_rollouts.api import ratio
from model_rollouts.api.base import Part, Rule, Word, Written, rules, shown

CLIENT_ERRORS: Final = "client-errors"
RESTARTS: Final = "restarts"
LATENCY_AGAINST_STABLE: Final = "latency-against-stable"
"""Names of the guards, as shown in messages and the status. An objective of the same name stands in
place of the guard."""

NUMBER = 3
"""How many there are."""


Tolerance = Annotated[
    str,
    Written(
        ratio.PATTERN,
        "write a percentage such as 1%, with at most four decimals",
        16,
        (
            Rule(
                "(self.matches('[1-9]') && self.matches('^([0-3]?[0-9]|4[0-4])[.%]|^45([.]0+)?%'))",
                "write more than 0% and at most 45%; "
                'role: "Off" turns the guard off, role: Report only shows it',
                found=shown("self"),
            ),
        ),
    ),
]

CrashLimit = Annotated[
    str,
    Written(
        r"^[0-9](\.[0-9]{1,4})?$",
        'write a decimal number in quotes with at most four decimals, such as "0.01"',
        16,
        (
            Rule(
                "(double(self) > 0.0 && double(self) <= 1.0)",
                'write a number above 0 and at most 1; role: "Off" turns the guard off',
                found=shown("self"),
            ),
        ),
    ),
]


class GuardRole(Word):
    """What a guard may do."""

    GUARD = "Guard", "Rolls back when it fails; never promotes, and never delays a promotion."
    REPORT = "Report", "Is shown in the status, and rolls nothing back."
    OFF = "Off", "Nothing is counted for it. In YAML the quotes are needed."


class Guard(
    Part,
    json_schema_extra=rules(
        Rule(
            "!has(self.slice)",
            "found a slice, write an objective with it and role: Guard; a guard is of all requests",
            field=".slice",
        )
    ),
):
    """One guard."""

    role: GuardRole | None = None
    """What the guard may do. Defaults to `Guard`. Write `"Off"` with its quotes: without them YAML
    reads it as false."""
    slice: Annotated[str, Field(max_length=63)] | None = None
    """Refused: a guard is of all requests."""


class ShareGuard(Guard):
    """A guard that compares a share of requests with that of stable."""

    tolerance: Tolerance | None = None
    """Share of requests by which the version may exceed stable and still be good. Defaults to
    `1%`, at most `45%`. From about twice stable's share and this much more, the version is rolled
    back."""


class RestartsGuard(Guard):
    """The guard on crashes of the model's containers."""

    limit: CrashLimit | None = None
    """Crashes per minute that a pod lives, with which the version is good: `"0.01"` is one in
    100 minutes. Defaults to `"0.01"`, at most `"1"`. A decimal number in quotes. From ten times as
    many, which also has to be ten times stable's, the version is rolled back."""


DEFAULT_TOLERANCE = "1%"
DEFAULT_CRASH_LIMIT = "0.01"


class Guards(Part):
    """What rolls a version back although no objective asks for it."""

    client_errors: ShareGuard | None = None
    """Requests that the version refuses with a status 4xx other than 429, beyond the share that
    stable refuses at the same time. Defaults to a guard."""
    restarts: RestartsGuard | None = None
    """Crashes of the model's containers, out of memory included, per minute that a pod lives.
    Defaults to a guard."""
    latency_against_stable: ShareGuard | None = None
    """Requests that take longer than 99 of 100 took at stable before, beyond the share that takes
    so long at stable at the same time. Without effect beside a Latency objective that acts.
    Defaults to a guard."""

    def role_of(self, name: str) -> GuardRole:
        """The role of the guard of that name."""
        found: Guard | None = getattr(self, name.replace("-", "_"))
        return (found and found.role) or GuardRole.GUARD

    def tolerance_of(self, name: Literal["client-errors", "latency-against-stable"]) -> str:
        """The share of requests by which a version may exceed stable, such as `1%`."""
        found: ShareGuard | None = getattr(self, name.replace("-", "_"))
        return (found and found.tolerance) or DEFAULT_TOLERANCE

    @property
    def crash_limit(self) -> str:
        """Crashes per pod-minute, such as `0.01`."""
        return (self.restarts and self.restarts.limit) or DEFAULT_CRASH_LIMIT
