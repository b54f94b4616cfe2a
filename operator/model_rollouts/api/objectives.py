"""What is promised to users: `spec.objectives`. What the numbers mean is in docs/decisions.md."""

from typing import Annotated

from model_rollouts.api import duration, ratio
from model_rollouts.api.base import ATOMIC, Part, Rule, Word, Written, matches, rules, shown
from model_rollouts.api.strings import Label, MetricName

BREAKER = "breaker"
"""Name of the objective that is always on, which no other may have."""

LARGEST_NUMBER = 8

_SHARE = "write a ratio with its sign, such as 99.9%, with at most four decimals"
_PART = "write a ratio with its sign, such as 1%, with at most four decimals"

Target = Annotated[
    str,
    Written(
        ratio.PATTERN,
        _SHARE,
        16,
        (
            Rule(
                "self.matches('^[89][0-9][.%]')",
                "write at least 80% and less than 100%: no number of requests proves 100%, "
                "and the breaker rolls back what fails more than 20%",
                found=shown("self"),
            ),
        ),
    ),
]

Share = Annotated[
    str,
    Written(
        ratio.PATTERN,
        _SHARE,
        16,
        (
            Rule(
                "self.matches('^[5-9][0-9][.%]')",
                "write at least 50% and less than 100%: no number of requests proves 100%",
                found=shown("self"),
            ),
        ),
    ),
]

_MS = "duration(self).getMilliseconds()"
_BIN = f"({_MS} < 100 ? 1 : {_MS} < 1000 ? 10 : {_MS} < 10000 ? 100 : 1000)"
"""The width of the bins in which the proxy counts: two significant digits of milliseconds."""

Within = Annotated[
    str,
    Written(
        duration.PATTERN,
        "write a time such as 300ms or 1s500ms",
        32,
        (
            Rule(
                "(duration(self) >= duration('2ms') && duration(self) <= duration('1m'))",
                "write 2ms to 1m",
                found=shown("self"),
            ),
            Rule(
                f"{_MS} % {_BIN} == 0",
                "write at most two significant digits of milliseconds, such as 370ms or 1500ms: "
                "the proxy counts no other times",
                found=shown("self"),
            ),
        ),
    ),
]

GoodLimit = Annotated[
    str,
    Written(
        ratio.PATTERN,
        _PART,
        16,
        (
            Rule(
                "self.matches('[1-9]')",
                "write more than 0%: no number of requests proves 0%",
                found=shown("self"),
            ),
        ),
    ),
]

BadLimit = Annotated[
    str,
    Written(
        ratio.PATTERN,
        _PART,
        16,
        (
            Rule(
                "self.matches('^[0-8]?[0-9][.%]|^90([.]0+)?%')",
                "write at most 90%",
                found=shown("self"),
            ),
        ),
    ),
]


class ObjectiveType(Word):
    """What is counted."""

    AVAILABILITY = (
        "Availability",
        "Requests answered with an error, cut off or given up on by the client, of all requests.",
    )
    LATENCY = (
        "Latency",
        "Requests answered later than a time, or given up on by the client, of all requests.",
    )
    COUNTERS = "Counters", "What the model server itself counts as bad, of what it counts in total."


class Role(Word):
    """What an objective may do."""

    GATE = "Gate", "Must be proven before promotion, and can roll back."
    GUARD = "Guard", "Can only roll back; undecided does not block."
    REPORT = "Report", "Is shown and never acts."


class Compare(Word):
    """What the candidate is held against."""

    AUTO = (
        "Auto",
        "Good is not worse than the target or not worse than stable at the same time; "
        "bad is worse than both.",
    )
    TARGET = "Target", "The target alone."
    STABLE = "Stable", "Stable at the same time alone."


class Availability(Part):
    """An objective on errors."""

    target: Target
    """The share of requests that must be answered without error, e.g. `99.9%`."""


class Latency(Part):
    """An objective on slow answers: `99%` within `300ms` is a p99 of at most 300 ms."""

    within: Within
    """The time that an answer may take, in at most two significant digits of milliseconds."""
    share: Share
    """The share of requests that must be answered within it, e.g. `99%`."""


class Counter(Part):
    """A counter that the model server exports."""

    metric: MetricName
    """Name of the metric, without labels. The operator adds namespace and revision, and sums over
    all other labels."""


class Counters(
    Part,
    json_schema_extra=rules(
        Rule(
            "self.bad.metric != self.total.metric",
            "write two metrics: what is bad is a part of the total",
            found=shown("self.bad.metric") + " + ' for both'",
        )
    ),
):
    """Two counters of the model server's own. docs/metrics.md says how they must be scraped."""

    bad: Counter
    """Counts what went wrong."""
    total: Counter
    """Counts everything of which that is a part."""


_READABLE_LIMITS = " && ".join(matches(field, ratio.PATTERN) for field in ("self.good", "self.bad"))


class Limits(
    Part,
    json_schema_extra=rules(
        Rule(
            f"!({_READABLE_LIMITS}) || "
            "double(self.good.replace('%', '')) < double(self.bad.replace('%', ''))",
            "write a larger bad limit: between the two either verdict is legitimate, "
            "and without room for it no number of requests decides",
            found="'good ' + self.good + ' and bad ' + self.bad",
        )
    ),
):
    """From which share of bad ones on a version counts as good or as bad."""

    good: GoodLimit
    """A version is good up to this share, e.g. `1%`."""
    bad: BadLimit
    """A version is bad from this share on, e.g. `2%`."""


def _member(type: ObjectiveType, field: str, what: str) -> Rule:
    """The union has the member of its type and no other."""
    return Rule(
        f"(self.type == '{type.value}') == has(self.{field})",
        f"write `{field}` with {what}, exactly when the type is {type.value}",
        found=f"'type ' + self.type + (has(self.{field}) ? ' with' : ' without') + ' {field}'",
    )


class Objective(
    Part,
    json_schema_extra=rules(
        _member(ObjectiveType.AVAILABILITY, "availability", "its target"),
        _member(ObjectiveType.LATENCY, "latency", "a time and a share"),
        _member(ObjectiveType.COUNTERS, "counters", "the metrics bad and total"),
        _member(ObjectiveType.COUNTERS, "limits", "the shares good and bad"),
        Rule(
            f"self.name != '{BREAKER}'",
            "write another name: this one belongs to the objective that is always on",
            found=shown("self.name"),
            field=".name",
        ),
    ),
):
    """One promise to users."""

    name: Label
    """Name of the objective, in messages and status. `breaker` is the objective that is always
    on."""
    type: ObjectiveType
    """What is counted; the member of the same name has the numbers."""
    availability: Availability | None = None
    """Numbers of an objective of type Availability."""
    latency: Latency | None = None
    """Numbers of an objective of type Latency."""
    counters: Counters | None = None
    """Metrics of an objective of type Counters."""
    limits: Limits | None = None
    """Numbers of an objective of type Counters."""
    role: Role = Role.GATE
    """What the objective may do."""
    compare: Compare = Compare.AUTO
    """What the candidate is held against."""


DEFAULT = Objective(
    name="errors", type=ObjectiveType.AVAILABILITY, availability=Availability(target="99.9%")
)
"""The promise of a resource that states none."""


def _timed_gate(each: str) -> str:
    return (
        f"{each}.role == 'Gate' && has({each}.latency) && "
        f"{matches(f'{each}.latency.within', duration.PATTERN)} && "
        f"{matches(f'{each}.latency.share', ratio.PATTERN)}"
    )


OBJECTIVES = ATOMIC | rules(
    Rule(
        "self.all(a, self.exists_one(b, a.name == b.name))",
        "found two objectives of the same name, write a name of its own for each",
    ),
    Rule(
        "self.exists(o, o.role == 'Gate')",
        "found no objective with the role Gate, write at least one: "
        "nothing would have to be proven before promotion",
    ),
    Rule(
        f"self.all(a, !({_timed_gate('a')}) || self.all(b, !({_timed_gate('b')}) || "
        "duration(a.latency.within) > duration(b.latency.within) || "
        "double(a.latency.share.replace('%', '')) <= double(b.latency.share.replace('%', ''))))",
        "found a latency Gate that asks for less than another one of the same or a shorter time, "
        "write a higher share for the longer time, or drop it",
    ),
)
