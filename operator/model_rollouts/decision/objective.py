"""What is promised to users, as ratios of counts with a good and a bad limit.

Every objective is "bad of total". At or below `good` a version counts as good, at or above `bad`
as bad; in between either verdict is legitimate. Without that gap no finite test exists. All
checks of the user's numbers live here and in `catalogue`, so that the loop that judges never meets
nonsense.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

from model_rollouts.decision.bracket import Bracket
from model_rollouts.text import count, observed, per_minute, percent, rounded_up, seconds


class Traits(NamedTuple):
    """What a kind of objective is to everything that judges, tells or forecasts: its row."""

    has_error_budget: bool = False
    """A promoted version is rolled back when it uses up its share of bad ones too fast."""
    is_missed_by_stable: bool = False
    """When stable itself misses it, the version before is no remedy."""
    is_held_to_past: bool = False
    """Stable can get worse in it while its requests are mirrored."""
    needs_load: bool = False
    """An idle pod is always good at it: it passes only under a load like that of all users."""
    shows_load: int = 0
    """Which kinds tell what load a pod bears: the highest number that a rollout has."""
    needs_stable: bool = False
    """It says how a version differs from stable, and nothing where stable serves nobody beside."""
    is_of_copies: bool = False
    """Mirrored requests alone show it: it is judged in shadow, and what was found there stands."""
    is_of_users: bool = False
    """Copies say nothing about it: at a peak factor they are slow on purpose."""
    part: float = 1.0
    """Its part of the chance of a false rollback, beside the parts of the other objectives."""
    is_rate: bool = False
    """Bad events are counted per pod-minute, and not as a share of requests."""
    is_independent: bool = False
    """Its bad ones are not expected in bursts, or too rare for a burst to be known."""
    shares_errors_past: bool = False
    """Its bursts are those of the service's errors, which are measured for every rollout."""
    has_far_edge: bool = False
    """Bad ones can be far beyond the limit, which the counts tell apart."""
    is_breaker: bool = False
    """It ends a total outage; what an errors objective allows must not be forbidden by it."""
    is_under_breaker: bool = False
    """A breaker counts the same bad ones."""
    has_latency: bool = False
    """It has a time and bucket edges: `Objective.latency`."""
    has_client_errors: bool = False
    """What is bad is an answer 4xx, and not a failed request."""
    has_counters: bool = False
    """It may have counters of the user's own: `Objective.counters`."""
    seen_as: tuple[str, str] = ("counted ", "")
    """What a version did with its bad ones: words before its count, and before that of the next."""
    rate_words: str = "a bad share"
    """What its rate of bad ones is called."""


_GUARD_PART = 1 / 15
_BREAKER_PART = 1 / 10
"""What nobody asked for must not make the promises of users slower to decide: three guards and the
breaker together have less than a third of the part of one objective. What the breaker is for wins
so much in each look that a larger part would end it no sooner."""


class Kind(StrEnum):
    """What is counted: a row each. All but `RESTARTS` are shares of requests."""

    traits: Traits

    @property
    def is_guard(self) -> bool:
        """Whether it can only be a guard that nobody asked for, which its own field changes."""
        return self.traits.part == _GUARD_PART

    ERRORS = (
        "Errors",
        Traits(
            has_error_budget=True,
            is_missed_by_stable=True,
            is_held_to_past=True,
            shows_load=1,
            shares_errors_past=True,
            is_under_breaker=True,
            seen_as=("failed ", ""),
            rate_words="an error rate",
        ),
    )
    LATENCY = (
        "Latency",
        Traits(
            has_error_budget=True,
            is_missed_by_stable=True,
            is_held_to_past=True,
            needs_load=True,
            shows_load=2,
            has_far_edge=True,
            has_latency=True,
            seen_as=("was slower in ", "in "),
            rate_words="a share of slow requests",
        ),
    )
    COUNTERS = (
        "Counters",
        Traits(has_error_budget=True, is_missed_by_stable=True, has_counters=True),
    )
    DISAGREEMENT = (
        "Disagreement",
        Traits(
            is_of_copies=True,
            seen_as=("disagreed in ", ""),
            rate_words="a share of disagreements",
        ),
    )
    """Answers to mirrored requests that differ from those of stable to the same requests."""
    RESTARTS = (
        "Restarts",
        Traits(
            is_rate=True,
            is_independent=True,
            part=_GUARD_PART,
            seen_as=("had ", ""),
            rate_words="a restart rate",
        ),
    )
    """Restarts of the model's containers per pod-minute: a rate of events, not a share."""
    CLIENT_ERRORS = (
        "ClientErrors",
        Traits(
            needs_stable=True,
            # Each request goes to either version by chance, whoever sends it and how many more.
            is_independent=True,
            part=_GUARD_PART,
            has_client_errors=True,
            seen_as=("refused ", ""),
            rate_words="a share of refused requests",
        ),
    )
    """Answers 4xx other than 429, beyond those of stable."""
    LATENCY_AGAINST_STABLE = (
        "LatencyAgainstStable",
        Traits(
            needs_stable=True,
            is_of_users=True,
            part=_GUARD_PART,
            has_latency=True,
            seen_as=("was slower in ", "in "),
            rate_words="a share of slow requests",
        ),
    )
    """Slow answers beyond those of stable, where no time was promised."""
    BREAKER = (
        "Breaker",
        Traits(
            is_missed_by_stable=True,
            is_independent=True,
            part=_BREAKER_PART,
            is_breaker=True,
            seen_as=("failed ", ""),
            rate_words="an error rate",
        ),
    )
    """A wide errors objective that ends a total outage within a few requests."""

    def __new__(cls, value: str, traits: Traits) -> Self:
        """The member with its row."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.traits = traits
        return member


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


LARGEST_BAD_SHARE = 0.9


class ObjectiveError(ValueError):
    """An objective that cannot be judged: names the field, what was found and what to write."""


Matchers = tuple[tuple[str, tuple[str, ...]], ...]
"""Labels, each with the values of which a series has one."""


@dataclass(frozen=True, slots=True)
class CounterPair:
    """The names of two counters: what went wrong, and everything of which that is a part.

    The matchers say which series of each. `total_is_good`: the second is what went well, and
    everything is both together.
    """

    bad: str
    total: str
    # Without these the text of a pair stays that of releases that did not know them.
    bad_matchers: Matchers = field(default=(), repr=False)
    total_matchers: Matchers = field(default=(), repr=False)
    total_is_good: bool = field(default=False, repr=False)

    @property
    def bad_text(self) -> str:
        """The counter of what went wrong as people read it, e.g. `answers_total{code="500"}`."""
        return _selector(self.bad, self.bad_matchers)

    @property
    def total_text(self) -> str:
        """The same for everything."""
        second = _selector(self.total, self.total_matchers)
        return f"{self.bad_text} + {second}" if self.total_is_good else second

    @property
    def text(self) -> str:
        """All that is counted; other counters have another text."""
        return f"{self.bad_text}/{self.total_text}"


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram of the model server's own, by its name without `_bucket`.

    `unit` is what its edges count, in seconds: 0.001 for milliseconds. `stage` and `possible` are
    of one that is recognised by what is scraped: what it times, and the names of those that may
    do. Until then it has no name, and nothing is counted.
    """

    metric: str = ""
    matchers: Matchers = ()
    unit: float = 1.0
    stage: str = field(default="", repr=False)
    possible: tuple[str, ...] = field(default=(), repr=False)

    @property
    def unrecognised(self) -> "Histogram":
        """The same before anything was scraped."""
        if not self.possible:
            return self
        return Histogram(stage=self.stage, possible=self.possible)

    @property
    def text(self) -> str:
        """What is counted as people read it, e.g. `request_predict_seconds{model_name="m"}`."""
        return _selector(self.metric, self.matchers) if self.metric else f"stage {self.stage}"

    @property
    def key(self) -> str:
        """What tells it from others: the same edges in another unit are other times."""
        return self.text if self.unit == 1 else f"{self.text} in {self.unit:g} s"


@dataclass(frozen=True, slots=True)
class Latency:
    """A latency promise: `share` of the answers within `within` seconds, read at bucket edges.

    `edges` are those of the candidate's histogram, `stable` those of stable's, whose revision may
    have been made before the promise. `histogram` is the model server's own, None for the proxy's.
    """

    within: float
    share: float
    edges: Bracket
    stable: Bracket
    # Without it the text of all others stays that of releases that did not know it.
    histogram: Histogram | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the requests, by its name.

    `by_stable`: stable's pods count it too. A revision that was made before the slice does not, and
    then the objective is held against its target alone.
    """

    name: str
    by_stable: bool = True


def _selector(metric: str, matchers: Matchers) -> str:
    labels = ",".join(
        f'{label}="{values[0]}"' if len(values) == 1 else f'{label}=~"{"|".join(values)}"'
        for label, values in matchers
    )
    return f"{metric}{{{labels}}}" if labels else metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One promise. Build it with `catalogue`; this constructor checks, the catalogue also defaults.

    `good`, `bad` and `accept` are shares of requests (for restarts: events per pod-minute).
    `good_times_stable` and `bad_times_stable` are the limits in multiples of stable's rate; the
    latter defaults to bad / good. `slack`, a share of `good`, is added to both: two versions that
    are both nearly perfect are not told apart by their ratio. `accept` is the largest upper bound
    that the deadline may promote with. `counters` are the metrics of a pair of the user's own,
    `comparison` the digest of what is compared in the answers to one request. `slice` says of which
    requests it is, None for all.
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
    counters: CounterPair | None = None
    # Without it the text of all others stays that of releases that did not know it.
    comparison: str | None = field(default=None, repr=False)
    slice: Slice | None = field(default=None, repr=False)

    @property
    def definition(self) -> str:
        """All that evidence depends on, as text: evidence for another one is no evidence."""
        pair = self.counters
        selected = "" if pair is None or pair.text == f"{pair.bad}/{pair.total}" else pair.text
        timed = self.latency and self.latency.histogram
        return f"{self!r}{self.comparison or ''}{selected}{timed or ''}{self.slice or ''}"

    @property
    def unit(self) -> str:
        """What its total counts, in the plural."""
        if self.is_rate:
            return "pod-minutes"
        if self.kind.traits.is_of_copies:
            return "pairs"
        return "requests" if self.slice is None else f"requests of slice {self.slice.name}"

    @property
    def is_against_itself(self) -> bool:
        """Whether the answers of stable to the same requests are held against themselves too."""
        return self.kind.traits.is_of_copies and self.compare is not Compare.TARGET

    @property
    def is_rate(self) -> bool:
        """Whether bad events are counted per exposure and not per request."""
        return self.kind.traits.is_rate

    @property
    def bad_ratio(self) -> float:
        """The bad limit in multiples of stable's rate."""
        return self.bad / self.good if self.bad_times_stable is None else self.bad_times_stable

    def stated(self, rate: float) -> str:
        """A limit as people read it: per cent, or per pod-minute."""
        return per_minute(rate) if self.is_rate else percent(rate)

    def counted(self, total: float, bad: float) -> str:
        """Counts with their share, e.g. '6 of 50 (12 %)'."""
        if self.is_rate:
            share = f" ({per_minute(bad / total)})" if bad else ""
            return f"{count(bad)} in {count(total)} pod-minutes{share}"
        share = f" ({observed(bad / total)})" if bad else ""
        return f"{count(bad)} of {count(total)}{share}"

    @property
    def counts_otherwise(self) -> bool:
        """Whether something else than the proxy's counts of requests is read for it."""
        own = self.latency is not None and self.latency.histogram is not None
        traits = self.kind.traits
        return own or traits.has_counters or traits.is_of_copies or traits.is_rate

    def __post_init__(self) -> None:
        if not self.name:
            raise ObjectiveError("objective, name: found '', write a short name such as 'errors'")
        largest = math.inf if self.is_rate else LARGEST_BAD_SHARE
        if not 0 < self.good < largest:
            self._refuse(
                "good",
                f"{self.good:g}",
                "a positive number"
                if self.is_rate
                else f"a share above 0 and below {LARGEST_BAD_SHARE:g}, such as 0.001; "
                "no number of requests rules out every failure",
            )
        if not self.good < self.bad <= largest:
            self._refuse(
                "bad",
                f"{self.bad:g}",
                f"more than good ({self.good:g})"
                + ("" if self.is_rate else f" and at most {LARGEST_BAD_SHARE:g}")
                + f", such as {min(2 * self.good, largest):g}; "
                "between the two limits either verdict may come",
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
        if (self.latency is not None) != self.kind.traits.has_latency:
            self._refuse("latency", str(self.latency), "it for the kind Latency, and for no other")
        if self.counters is not None and not self.kind.traits.has_counters:
            self._refuse("counters", str(self.counters), "it for the kind Counters only")
        if self.slice is not None and self.counts_otherwise:
            self._refuse("slice", self.slice.name, "it for requests that the proxy counts only")
        if (self.comparison is not None) != self.kind.traits.is_of_copies:
            found = str(self.comparison)
            self._refuse("comparison", found, "it for the kind Disagreement, and for no other")

    def _refuse(self, field: str, found: str, instead: str) -> None:
        raise ObjectiveError(f"objective '{self.name}', {field}: found {found}, write {instead}")


def promise(objective: Objective) -> str:
    """The objective in plain words, e.g. '99 % of requests must take at most 300 ms'."""
    if objective.kind.traits.needs_stable:
        share = percent(objective.slack * objective.good)
        more = f"up to {share} of requests more than with stable"
        if objective.latency is not None:
            return f"{more} may take over {seconds(objective.latency.within)}"
        return f"{more} may be refused (4xx)"
    if objective.latency is not None:
        within, share = seconds(objective.latency.within), percent(objective.latency.share)
        timed = objective.latency.histogram
        of = timed.text if timed else objective.unit
        return f"{share} of {of} must take at most {within}"
    if objective.kind.traits.is_of_copies:
        own = ", or as many as stable's own do" if objective.is_against_itself else ""
        return f"at most {percent(objective.good)} of answers may differ from those of stable{own}"
    if objective.is_rate:
        return f"at most {objective.good:g} restarts per pod-minute are allowed"
    if objective.counters is not None:
        pair = objective.counters
        return f"{pair.bad_text} may be at most {percent(objective.good)} of {pair.total_text}"
    if objective.kind.traits.has_counters:
        return f"at most {percent(objective.good)} may be counted as bad"
    return f"{percent(1 - objective.good)} of {objective.unit} must succeed"


def limit_words(objective: Objective, compare: Compare, rate: float) -> str:
    """A limit as what was compared allows to say it, e.g. '0.2 % or 2 times stable's'."""
    return " or ".join(_stated(objective, compare, rate))


def bound_words(objective: Objective, compare: Compare, rate: float) -> str:
    """The same of an upper bound that was computed, with two digits."""
    return " or ".join(_stated(objective, compare, rounded_up(rate)))


def above_words(objective: Objective, compare: Compare, rate: float) -> str:
    """What an upper bound rules out, e.g. 'above 0.4 % (and 4 times stable's)'."""
    words = _stated(objective, compare, rounded_up(rate))
    return f"above {words[0]}" + (f" (and {words[1]})" if len(words) > 1 else "")


def _stated(objective: Objective, compare: Compare, rate: float) -> tuple[str, ...]:
    target = objective.stated(rate)
    multiple = f"{rate / objective.bad * objective.bad_ratio:.3g}"
    stable = "stable's own" if multiple == "1" else f"{multiple} times stable's"
    if compare is Compare.AUTO:
        return target, stable
    return (target,) if compare is Compare.TARGET else (stable,)
