"""What is promised to users, as ratios of counts with a good and a bad limit.

Every objective is "bad of total". At or below `good` a version counts as good, at or above `bad`
as bad; in between either verdict is legitimate. Without that gap no finite test exists. All
checks of the user's numbers live here, so that the loop that judges never meets nonsense.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from model_rollouts.decision.bracket import Bracket, bracket
from model_rollouts.decision.wording import per_minute, percent, seconds


class Kind(StrEnum):
    """What is counted. All but `RESTARTS` are shares of requests."""

    ERRORS = "Errors"
    LATENCY = "Latency"
    COUNTERS = "Counters"
    RESTARTS = "Restarts"
    """Container restarts per pod-minute: a rate of events, not a share."""
    BREAKER = "Breaker"
    """A wide errors objective that ends a total outage within a few requests."""


class Compare(StrEnum):
    """What the candidate is held against."""

    AUTO = "Auto"
    """Good is not worse than the target or not worse than stable; bad is worse than both."""
    TARGET = "Target"
    STABLE = "Stable"


class Role(StrEnum):
    """What an objective may do."""

    GATE = "Gate"
    """Must pass before promotion, and can roll back."""
    GUARD = "Guard"
    """Can only roll back; undecided does not block."""
    REPORT = "Report"
    """Never acts."""


class Assurance(StrEnum):
    """How small a worsening must be ruled out before promotion: the distance of the bad limit."""

    FAST = "Fast"
    STANDARD = "Standard"
    STRICT = "Strict"


ERRORS_BAD: Mapping[Assurance, float] = MappingProxyType(
    {Assurance.FAST: 5.0, Assurance.STANDARD: 2.0, Assurance.STRICT: 1.5}
)
"""Bad limit of an errors objective in multiples of its good limit."""

LATENCY_BAD: Mapping[Assurance, float] = MappingProxyType(
    {Assurance.FAST: 2.0, Assurance.STANDARD: 1.5, Assurance.STRICT: 1.25}
)
"""Bad limit of a latency objective in multiples of its good limit."""

ERRORS_ACCEPT = 5.0
LATENCY_ACCEPT = 2.0
"""Bounds that `PromoteWithBound` accepts at the deadline, in multiples of the good limit."""

LARGEST_BAD_SHARE = 0.9


class ObjectiveError(ValueError):
    """An objective that cannot be judged: names the field, what was found and what to write."""


@dataclass(frozen=True, slots=True)
class Latency:
    """A latency promise: `share` of the answers within `within` seconds, read at bucket edges."""

    within: float
    share: float
    edges: Bracket


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One promise. Build it with the functions below; this constructor checks, they also default.

    `good`, `bad` and `accept` are shares of requests (for restarts: events per pod-minute).
    `good_times_stable` and `bad_times_stable` are the limits in multiples of stable's rate; the
    latter defaults to bad / good. `slack`, a share of `good`, is added to both: two versions that
    are both nearly perfect are not told apart by their ratio. `accept` is the largest upper bound
    that the deadline may promote with.
    """

    name: str
    kind: Kind
    good: float
    bad: float
    accept: float
    compare: Compare = Compare.AUTO
    role: Role = Role.GATE
    good_times_stable: float = 1.0
    bad_times_stable: float | None = None
    slack: float = 0.1
    latency: Latency | None = None

    @property
    def is_rate(self) -> bool:
        """Whether bad events are counted per exposure and not per request."""
        return self.kind is Kind.RESTARTS

    @property
    def bad_ratio(self) -> float:
        """The bad limit in multiples of stable's rate."""
        return self.bad / self.good if self.bad_times_stable is None else self.bad_times_stable

    def stated(self, rate: float) -> str:
        """A rate of bad ones as people read it: per cent, or per pod-minute."""
        return per_minute(rate) if self.is_rate else percent(rate)

    def __post_init__(self) -> None:
        if not self.name:
            raise ObjectiveError("objective name: found '', write a short name such as 'errors'")
        largest = math.inf if self.is_rate else LARGEST_BAD_SHARE
        if not 0 < self.good < largest:
            self._refuse(
                "good",
                f"{self.good:g}",
                "a positive number"
                if self.is_rate
                else f"a share above 0 and below {LARGEST_BAD_SHARE:g}, such as 0.001; "
                "no number of requests proves a share of 0",
            )
        if not self.good < self.bad <= largest:
            self._refuse(
                "bad",
                f"{self.bad:g}",
                f"more than good ({self.good:g})"
                + ("" if self.is_rate else f" and at most {LARGEST_BAD_SHARE:g}")
                + f", such as {min(2 * self.good, largest):g}; "
                "between the two limits either verdict is legitimate",
            )
        if not self.bad <= self.accept < math.inf:
            self._refuse("accept", f"{self.accept:g}", f"at least bad ({self.bad:g})")
        if not 0 < self.good_times_stable < math.inf:
            self._refuse("good_times_stable", f"{self.good_times_stable:g}", "such as 1")
        if not self.good_times_stable < self.bad_ratio < math.inf:
            self._refuse(
                "bad_times_stable",
                f"{self.bad_ratio:g}",
                f"more than good_times_stable ({self.good_times_stable:g}), "
                f"such as {2 * self.good_times_stable:g}",
            )
        if not 0 <= self.slack < math.inf:
            self._refuse("slack", f"{self.slack:g}", "0 or more, such as 0.1")
        if (self.latency is not None) != (self.kind is Kind.LATENCY):
            self._refuse("latency", str(self.latency), "it exactly when the kind is Latency")

    def _refuse(self, field: str, found: str, instead: str) -> None:
        raise ObjectiveError(f"objective '{self.name}', {field}: found {found}, write {instead}")


def errors(
    name: str,
    target: float,
    *,
    assurance: Assurance = Assurance.STANDARD,
    compare: Compare = Compare.AUTO,
    role: Role = Role.GATE,
) -> Objective:
    """An availability objective: `target` is the share of answers without error, e.g. 0.999.

    Raises ObjectiveError when `target` is not between 0 and 1 or leaves no room for a bad limit.
    """
    good = _missing_share(name, "target", target)
    bad = _bad_limit(name, "target", target, good, ERRORS_BAD[assurance])
    return Objective(
        name=name,
        kind=Kind.ERRORS,
        good=good,
        bad=bad,
        accept=max(bad, ERRORS_ACCEPT * good),
        compare=compare,
        role=role,
    )


def latency(
    name: str,
    within: float,
    share: float,
    edges: Sequence[float],
    *,
    assurance: Assurance = Assurance.STANDARD,
    compare: Compare = Compare.AUTO,
    role: Role = Role.GATE,
) -> Objective:
    """A latency objective: `share` of the answers within `within` seconds, e.g. 0.99 and 0.3.

    `edges` are the finite bucket edges of the histogram in seconds. When `within` is none of them
    the objective still works, less sharply: see `bracket`.
    Raises ObjectiveError when a number makes no sense.
    """
    if not 0 < within < math.inf:
        raise ObjectiveError(
            f"objective '{name}', within: found {within:g} s, write a positive time such as 0.3 s"
        )
    if not edges or not all(0 < edge < math.inf for edge in edges):
        raise ObjectiveError(
            f"objective '{name}', edges: found {list(edges)}, "
            "write the positive finite bucket edges of the histogram in seconds"
        )
    good = _missing_share(name, "share", share)
    bad = _bad_limit(name, "share", share, good, LATENCY_BAD[assurance])
    return Objective(
        name=name,
        kind=Kind.LATENCY,
        good=good,
        bad=bad,
        accept=max(bad, LATENCY_ACCEPT * good),
        compare=compare,
        role=role,
        latency=Latency(within, share, bracket(within, edges)),
    )


def counters(
    name: str,
    good: float,
    bad: float,
    *,
    compare: Compare = Compare.AUTO,
    role: Role = Role.GUARD,
) -> Objective:
    """The user's own pair of counters with both limits as shares of the total."""
    return Objective(
        name=name,
        kind=Kind.COUNTERS,
        good=good,
        bad=bad,
        accept=max(bad, ERRORS_ACCEPT * good),
        compare=compare,
        role=role,
    )


def restarts(
    name: str = "restarts",
    good: float = 0.01,
    bad: float = 0.1,
    *,
    compare: Compare = Compare.AUTO,
    role: Role = Role.GUARD,
) -> Objective:
    """Container restarts per pod-minute: one in 100 minutes is tolerated, one in ten is not."""
    return Objective(
        name=name,
        kind=Kind.RESTARTS,
        good=good,
        bad=bad,
        accept=max(bad, ERRORS_ACCEPT * good),
        compare=compare,
        role=role,
    )


def breaker(name: str = "breaker", good: float = 0.2, bad: float = 0.5) -> Objective:
    """The objective that is always on: ends a total outage within four to six requests."""
    return Objective(name=name, kind=Kind.BREAKER, good=good, bad=bad, accept=bad, role=Role.GUARD)


def _missing_share(name: str, field: str, share: float) -> float:
    if not 0 < share < 1:
        hint = f"{share / 100:g}" if 1 < share < 100 else "0.999"
        raise ObjectiveError(
            f"objective '{name}', {field}: found {share:g}, write a share between 0 and 1, "
            f"such as {hint}" + ("; no number of requests proves 100 %" if share == 1 else "")
        )
    # 1 - 0.999 is 0.0010000000000000009; people wrote 0.001.
    return round(1 - share, 12)


def _bad_limit(name: str, field: str, share: float, good: float, multiple: float) -> float:
    bad = round(good * multiple, 12)
    if bad > LARGEST_BAD_SHARE:
        raise ObjectiveError(
            f"objective '{name}', {field}: found {share:g}, whose bad limit would be "
            f"{percent(bad)}; write more than {1 - LARGEST_BAD_SHARE / multiple:.3g}"
        )
    return bad


def promise(objective: Objective) -> str:
    """The objective in plain words, e.g. '99 % of answers within 300 ms'."""
    if objective.latency is not None:
        within = seconds(objective.latency.within)
        return f"{percent(objective.latency.share)} of answers within {within}"
    if objective.is_rate:
        return f"at most {objective.good:g} restarts per pod-minute"
    if objective.kind is Kind.COUNTERS:
        return f"at most {percent(objective.good)} counted bad"
    return f"{percent(1 - objective.good)} of answers without error"


def bound_words(objective: Objective, compare: Compare, rate: float) -> str:
    """An upper bound as what was compared allows to say it, e.g. '0.2 % or 2 times stable'."""
    target = objective.stated(rate)
    stable = f"{rate / objective.bad * objective.bad_ratio:.3g} times stable"
    if compare is Compare.AUTO:
        return f"{target} or {stable}"
    return target if compare is Compare.TARGET else stable
