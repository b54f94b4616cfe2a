"""What is promised to users: `spec.objectives`. What the numbers mean is in docs/decisions.md."""

from typing import Annotated

from pydantic import Field

from model_rollouts.api import duration, ratio
from model_rollouts.api.base import (
    ATOMIC,
    Part,
    Rule,
    Word,
    Written,
    by,
    is_or_absent,
    matches,
    one_of,
    rules,
    shown,
)
from model_rollouts.api.disagreement import Disagreement
from model_rollouts.api.runtimes import Stage, Unit
from model_rollouts.api.strings import HistogramName, Label, LabelName, LabelValue, MetricName

BREAKER = "breaker"
"""Name of the objective that is always on, which no other may have."""

LARGEST_NUMBER = 8

_SHARE = "write a percentage such as 99.9%, with at most four decimals"
_PART = "write a percentage such as 1%, with at most four decimals"

Target = Annotated[
    str,
    Written(
        ratio.PATTERN,
        _SHARE,
        16,
        (
            Rule(
                "self.matches('^[89][0-9][.%]')",
                "write at least 80% and less than 100%: no number of requests can show 100%, "
                "and the breaker rolls back a version that fails more than 20%",
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
                "write at least 50% and less than 100%: no number of requests can show 100%",
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
                "write a time from 2ms to 1m",
                found=shown("self"),
            ),
            Rule(
                f"{_MS} % {_BIN} == 0",
                "write at most two significant digits of milliseconds, such as 370ms or 1500ms: "
                "the proxy can count no other times",
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
                "write more than 0%: no number of requests can show 0%",
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
        "The share of failed requests: status 5xx or 429, broken connections, and requests that "
        "the client gave up on.",
    )
    LATENCY = (
        "Latency",
        "The share of slow requests: not answered within a time limit, or given up on by the "
        "client.",
    )
    COUNTERS = "Counters", "The share of bad events, from two counters of the model server."
    DISAGREEMENT = (
        "Disagreement",
        "The share of mirrored requests that the candidate answers otherwise than stable, or not "
        "at all. The observer compares the answers.",
    )


class Role(Word):
    """What an objective may do."""

    GATE = "Gate", "Must pass before promotion, and rolls back when it fails."
    GUARD = "Guard", "Rolls back when it fails; does not delay promotion while undecided."
    REPORT = "Report", "Is shown in the status, and neither promotes nor rolls back."


class Compare(Word):
    """What the candidate is compared with."""

    AUTO = (
        "Auto",
        "Target and stable. It is enough to meet the target or to be no worse than stable; "
        "only a candidate worse than both fails.",
    )
    TARGET = "Target", "The target only."
    STABLE = "Stable", "Stable at the same time only."


class Availability(Part):
    """An objective on failed requests."""

    target: Target
    """Share of requests that must succeed, at least `80%` and less than `100%`, e.g. `99.9%`."""


class Matcher(Part):
    """Series of a metric, selected by one of its labels."""

    label: LabelName
    """Name of the label, e.g. `code`."""
    values: Annotated[
        tuple[LabelValue, ...],
        Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """Values of which a series has one, e.g. `["500", "503"]`. They are compared as they are, and
    are no patterns."""


Matchers = Annotated[tuple[Matcher, ...], Field(max_length=4, json_schema_extra=by("label"))]


class Histogram(Part):
    """A histogram of times that the model server exports to Prometheus."""

    metric: HistogramName
    """Name of the histogram, without `_bucket` and without labels. The operator selects namespace
    and revision, and sums over all other labels."""
    matchers: Matchers = ()
    """Labels that a series must have to be counted, at most four; all of them hold. None by
    default: all series count."""
    unit: Unit
    """In what it counts times."""


class Latency(
    Part,
    json_schema_extra=rules(
        Rule(
            "!(has(self.stage) && has(self.histogram))",
            "write either `stage`, or `histogram` with one of the model server's own",
            found="'both stage and histogram'",
            field=".stage",
        ),
    ),
):
    """An objective on slow requests: `99%` within `300ms` is a p99 of at most 300 ms."""

    within: Within
    """How long a request may take, from `2ms` to `1m`, e.g. `300ms`. At most two significant
    digits of milliseconds."""
    share: Share
    """Share of requests that must be answered within that time, at least `50%` and less than
    `100%`, e.g. `99%`."""
    stage: Stage | None = None
    """A stage of a request, which the model server times itself, in place of the whole request.
    `runtime` in the spec says which model server that is; without it, it is recognised by the
    metrics that it exports. docs/stages.md has the histograms of each. It is read at the bucket
    edges that they have: a time between two of them takes longer to decide, and one outside of
    them may not be decided at all."""
    histogram: Histogram | None = None
    """The same for any histogram of the model server, by its name."""

    @property
    def is_own(self) -> bool:
        """Whether the model server times it, and not the proxy."""
        return self.stage is not None or self.histogram is not None


class Counter(Part):
    """A counter that the model server exports to Prometheus."""

    metric: MetricName
    """Name of the counter, without labels. The operator selects namespace and revision, and sums
    over all other labels."""
    matchers: Matchers = ()
    """Labels that a series must have to be counted, at most four; all of them hold. For a metric
    that tells good from bad events by a label. None by default: all series count."""


_NARROWER = (
    "self.bad.matchers.exists(b, !has(self.total.matchers) || "
    "!self.total.matchers.exists(t, t.label == b.label && t.values == b.values))"
)
_APART = (
    "self.good.matchers.exists(g, self.bad.matchers.exists(b, g.label == b.label && "
    "g.values.all(v, !(v in b.values))))"
)


class Counters(
    Part,
    json_schema_extra=rules(
        Rule(
            "has(self.total) != has(self.good)",
            "write either `total` with the counter of all events, or `good` with that of the "
            "good ones",
            found="(has(self.total) ? 'both' : 'neither of') + ' total and good'",
        ),
        Rule(
            "!has(self.total) || self.bad.metric != self.total.metric || "
            f"(has(self.bad.matchers) && {_NARROWER})",
            "write two different metrics, or `matchers` for the bad events: the bad events are a "
            "part of the total",
            found=shown("self.bad.metric") + " + ' for both'",
        ),
        Rule(
            "!has(self.good) || self.bad.metric != self.good.metric || "
            f"(has(self.good.matchers) && has(self.bad.matchers) && {_APART})",
            "write two different metrics, or `matchers` with other values of the same label: no "
            "event is good and bad",
            found=shown("self.bad.metric") + " + ' for both'",
        ),
    ),
):
    """Two counters that the model server exports. docs/metrics.md says how to scrape them."""

    bad: Counter
    """Counter of bad events."""
    total: Counter | None = None
    """Counter of all events, good and bad. Required unless there is `good`."""
    good: Counter | None = None
    """Counter of good events, in place of `total`: all events are the good and the bad events."""


_READABLE_LIMITS = " && ".join(matches(field, ratio.PATTERN) for field in ("self.good", "self.bad"))


class Limits(
    Part,
    json_schema_extra=rules(
        Rule(
            f"!({_READABLE_LIMITS}) || "
            "double(self.good.replace('%', '')) < double(self.bad.replace('%', ''))",
            "write a bad limit that is larger than the good one: "
            "without a gap between them no number of requests decides",
            found="'good ' + self.good + ' and bad ' + self.bad",
        )
    ),
):
    """Shares of bad events at which a version is good or bad."""

    good: GoodLimit
    """A version with at most this share of bad events is good, e.g. `1%`."""
    bad: BadLimit
    """A version with at least this share of bad events is bad, at most `90%`, e.g. `2%`. A larger
    gap to `good` needs fewer requests."""


def _member(type: ObjectiveType, field: str, what: str) -> Rule:
    """The union has the member of its type and no other."""
    return Rule(
        f"(self.type == '{type.value}') == has(self.{field})",
        f"write `{field}` with {what} if the type is {type.value}, and only then",
        found=f"'type ' + self.type + (has(self.{field}) ? ' with' : ' without') + ' {field}'",
    )


class Objective(
    Part,
    json_schema_extra=rules(
        _member(ObjectiveType.AVAILABILITY, "availability", "`target`"),
        _member(ObjectiveType.LATENCY, "latency", "`within` and `share`"),
        _member(ObjectiveType.COUNTERS, "counters", "the metrics `bad`, and `total` or `good`"),
        _member(ObjectiveType.DISAGREEMENT, "disagreement", "what is compared"),
        Rule(
            f"(self.type in ['{ObjectiveType.COUNTERS.value}', "
            f"'{ObjectiveType.DISAGREEMENT.value}']) == has(self.limits)",
            "write `limits` with the shares `good` and `bad` if the type is Counters or "
            "Disagreement, and only then",
            found="'type ' + self.type + (has(self.limits) ? ' with' : ' without') + ' limits'",
        ),
        Rule(
            f"self.type != '{ObjectiveType.DISAGREEMENT.value}' || "
            "!has(self.compare) || self.compare != 'Stable'",
            "remove compare: a disagreement is a comparison with stable already",
            found="'compare Stable with type Disagreement'",
            field=".compare",
        ),
        Rule(
            "!has(self.slice) || "
            f"self.type in ['{ObjectiveType.AVAILABILITY.value}', "
            f"'{ObjectiveType.LATENCY.value}'] && "
            "!(has(self.latency) && (has(self.latency.histogram) || has(self.latency.stage)))",
            "remove slice, or use the type Availability or Latency without histogram and stage: "
            "the proxy counts slices, and what the model server counts does not know them",
            found="'slice ' + self.slice + ' with ' + "
            f"(self.type == '{ObjectiveType.LATENCY.value}' "
            "? 'a histogram or stage' : 'type ' + self.type)",
            field=".slice",
        ),
        Rule(
            f"self.name != '{BREAKER}'",
            "write another name: this one is reserved for the objective that is always on",
            found=shown("self.name"),
            field=".name",
        ),
    ),
):
    """A promise to users."""

    name: Label
    """Name of the objective, as shown in messages and the status. `breaker` is reserved."""
    type: ObjectiveType
    """What is counted."""
    availability: Availability | None = None
    """Target of an objective of type Availability. Required for that type, and only for it."""
    latency: Latency | None = None
    """Time and share of an objective of type Latency. Required for that type, and only for it."""
    counters: Counters | None = None
    """Counters of an objective of type Counters. Required for that type, and only for it."""
    disagreement: Disagreement | None = None
    """What an objective of type Disagreement compares. Required for that type, and only for it."""
    limits: Limits | None = None
    """Limits of an objective of type Counters or Disagreement. Required for these types, and only
    for them."""
    role: Role | None = None
    """What the objective decides. Defaults to `Gate`, and for the type Disagreement to `Guard`:
    agreement is not quality. Use `Guard` for a metric with too little traffic to decide, and
    `Report` to try out an objective."""
    slice: Label | None = None
    """Name of one of `spec.slices`: only its requests are judged. Only for the types Availability
    and Latency without `histogram` and `stage`. Without it, all requests are judged."""
    compare: Compare = Compare.AUTO
    """What the candidate is compared with. Defaults to `Auto`, so that an incident that affects
    both versions does not roll back the candidate. Has no effect for the type Disagreement, which
    is a comparison with stable."""

    @property
    def acting_role(self) -> Role:
        """`role`, or its default, which depends on the type."""
        if self.role is not None:
            return self.role
        return Role.GUARD if self.type is ObjectiveType.DISAGREEMENT else Role.GATE


DEFAULT = Objective(
    name="errors", type=ObjectiveType.AVAILABILITY, availability=Availability(target="99.9%")
)
"""The promise of a resource that states none."""


def _timed_gate(each: str) -> str:
    return (
        f"{is_or_absent(f'{each}.role', 'Gate')} && has({each}.latency) && "
        f"!has({each}.latency.histogram) && !has({each}.latency.stage) && "
        f"{matches(f'{each}.latency.within', duration.PATTERN)} && "
        f"{matches(f'{each}.latency.share', ratio.PATTERN)}"
    )


OBJECTIVES = ATOMIC | rules(
    Rule(
        "self.all(a, self.exists_one(b, a.name == b.name))",
        "write a different name for each",
        found="'objective ' + "
        + one_of("self", LARGEST_NUMBER, "!self.exists_one(b, self[i].name == b.name)")
        + ".name + ' twice'",
    ),
    Rule(
        "self.exists(o, o.type != 'Disagreement' && !has(o.slice) && "
        f"{is_or_absent('o.role', 'Gate')})",
        "found no objective with the role Gate for all requests, write at least one of another "
        "type than Disagreement and without slice: without a Gate nothing is checked before "
        "promotion",
    ),
    Rule(
        f"self.all(a, !({_timed_gate('a')}) || self.all(b, !({_timed_gate('b')}) || "
        "has(a.slice) != has(b.slice) || (has(a.slice) && a.slice != b.slice) || "
        "duration(a.latency.within) > duration(b.latency.within) || "
        "double(a.latency.share.replace('%', '')) <= double(b.latency.share.replace('%', ''))))",
        "found a latency Gate that another one with the same or a shorter time already covers, "
        "write a higher share for the longer time, or remove it",
    ),
)
