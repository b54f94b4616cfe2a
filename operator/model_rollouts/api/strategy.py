"""How a version gets from no users to all of them: `spec.strategy`."""

from typing import Annotated

from pydantic import Field

from model_rollouts.api import duration, ratio
from model_rollouts.api.base import ATOMIC, INT32, Part, Rule, Word, Written, matches, rules, shown
from model_rollouts.api.strings import Duration, Label, PartRatio, PositiveDuration

LONGEST_NAME = 45
"""Of a ModelDeployment; Services allow 63, and are named `<name>-<ten digits>-shadow`."""


class StrategyMode(Word):
    """Whether a version is judged before all users get it."""

    PROGRESSIVE = "Progressive", "Step by step, each step judged."
    IMMEDIATE = "Immediate", "At once when its pods are ready; the objectives are still watched."


class Assurance(Word):
    """How small a worsening must be ruled out before promotion."""

    FAST = "Fast", "Errors five times the target's; needs the fewest requests."
    STANDARD = "Standard", "Errors twice the target's."
    STRICT = "Strict", "Errors one and a half times the target's; needs the most requests."


class OnDeadline(Word):
    """What happens to a version that is undecided at the deadline."""

    PROMOTE_WITH_BOUND = (
        "PromoteWithBound",
        "Promoted when what could not be ruled out is acceptable, otherwise taken back.",
    )
    HOLD = "Hold", "The weight stays until somebody decides."
    ROLLBACK = "Rollback", "Taken back."


class Action(Word):
    """What a person decides in place of the objectives."""

    PROMOTE = "Promote", "The revision gets all users."
    ROLLBACK = "Rollback", "The revision gets no users."
    HOLD = "Hold", "The revision keeps the users it has."
    SKIP_SHADOW = "SkipShadow", "The revision gets its first users without being judged in shadow."


class SideEffects(Word):
    """What answering a request does besides the answer; a copy of a request would do it again."""

    NONE = "None", "Nothing: a request may be answered twice."
    SUPPRESSED = (
        "Suppressed",
        "The model server leaves them out for requests with the header `x-model-shadow: true`.",
    )


PeakFactor = Annotated[
    str,
    Written(
        r"^[0-9]{1,2}(\.[0-9]{1,2})?$",
        'write a decimal number in quotes, such as "2" or "1.5"',
        5,
        (
            Rule(
                "(double(self) > 1.0 && double(self) <= 10.0)",
                "write more than 1 and at most 10",
                found=shown("self"),
            ),
        ),
    ),
]


class Shadow(
    Part,
    json_schema_extra=rules(
        Rule(
            "self.percent == 0 || has(self.sideEffects)",
            "found no sideEffects, write None when answering a request does nothing but answer, "
            "or Suppressed when the model server leaves the rest out for requests with the header "
            "x-model-shadow: true; percent: 0 switches shadow off",
            field=".sideEffects",
        )
    ),
):
    """How a version is judged on copies of requests, before it gets users."""

    percent: Annotated[int, Field(ge=0, le=100, json_schema_extra=INT32)] = 100
    """The share of stable's requests, in percent, of which the candidate gets copies; no user gets
    its answers. 0 switches shadow off: users are then the first to meet a version."""
    side_effects: SideEffects | None = None
    """What answering a request does besides the answer. Required when shadow is on: a model that
    acts on requests would act twice."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000, json_schema_extra=INT32)] = 1000
    """The least number of copies before the candidate gets users."""
    min_duration: Duration = "5m"
    """The shortest time in shadow, however good the candidate looks."""
    peak_factor: PeakFactor | None = None
    """Judges the candidate under the load per pod of a peak: at 100 % it runs on so many times
    fewer pods than stable, e.g. `"1.5"`. Nothing is sent twice for it."""


_SHARES = "self.map(s, double(s.replace('%', '')))"
_READABLE = f"self.all(s, {matches('s', ratio.PATTERN)})"


class Canary(Part):
    """How users are moved over."""

    steps: tuple[PartRatio, ...] = Field(
        default=("5%", "25%", "50%"),
        min_length=1,
        max_length=8,
        json_schema_extra=ATOMIC
        | rules(
            Rule(
                f"!{_READABLE} || ({_SHARES}.isSorted() && "
                f"{_SHARES}.all(a, {_SHARES}.exists_one(b, a == b)))",
                "write ascending weights, such as 5%, 25%, 50%",
                found="self.join(', ')",
            )
        ),
    )
    """The shares of users that the candidate gets, one after the other. After the last one it gets
    all of them."""
    min_step_duration: Duration = "1m"
    """Shortest time on each step, however good the candidate looks."""


class Watch(Part):
    """How long a promoted version stays under observation."""

    duration: Duration = "6h"
    """How long the previous revision stays warm, so that a late failure is taken back at once;
    `0s` is not at all."""


class Override(Part):
    """A person's decision about one revision."""

    revision: Label
    """The revision, as `status` names it."""
    action: Action
    """What happens to the revision."""
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    """Why, for those who read the history later."""


_ERROR_RATE = Annotated[
    str,
    Written(
        ratio.PATTERN,
        "write a ratio with its sign, such as 1%, with at most four decimals",
        16,
        (
            Rule(
                "(self.matches('[1-9]') && self.matches('^[0-4]?[0-9][.%]|^50([.]0+)?%'))",
                "write more than 0% and at most 50%",
                found=shown("self"),
            ),
        ),
    ),
]


class Advanced(Part):
    """The error rates of the decisions."""

    false_rollback: _ERROR_RATE = "1%"
    """Largest chance that a good version is taken back, over all objectives together."""
    false_promotion: _ERROR_RATE = "5%"
    """Largest chance that a bad version is promoted."""


_TIMES_READABLE = " && ".join(
    matches(field, duration.PATTERN) for field in ("self.deadline", "self.canary.minStepDuration")
)
_SHADOWS = "has(self.shadow) && self.shadow.percent > 0"
_IN_SHADOW = (
    f"({_SHADOWS} && {matches('self.shadow.minDuration', duration.PATTERN)} "
    "? duration(self.shadow.minDuration) : duration('0s'))"
)


class Strategy(
    Part,
    json_schema_extra=rules(
        Rule(
            f"self.mode != 'Progressive' || !({_TIMES_READABLE}) || {_IN_SHADOW} + "
            "self.canary.steps.map(step, duration(self.canary.minStepDuration)).sum() "
            "< duration(self.deadline)",
            "write more than shadow and steps take at least, or fewer or shorter steps",
            found="self.deadline + ' for steps of at least ' + self.canary.minStepDuration + "
            f"({_SHADOWS} ? ' after a shadow of at least ' + self.shadow.minDuration : '')",
            field=".deadline",
        )
    ),
):
    """How a version gets from no users to all of them."""

    mode: StrategyMode = StrategyMode.PROGRESSIVE
    """Whether a version is judged before all users get it."""
    assurance: Assurance = Assurance.STANDARD
    """How small a worsening must be ruled out before promotion. The stricter, the more requests
    it takes."""
    shadow: Shadow | None = None
    """How a version is judged on copies of requests, before it gets users. Required when the mode
    is Progressive: whoever wants users to be the first to meet a version says so, with
    `percent: 0`."""
    canary: Canary = Canary()
    """How users are moved over."""
    watch: Watch = Watch()
    """How long a promoted version stays under observation."""
    deadline: PositiveDuration = "24h"
    """When a rollout that is still undecided ends. The clock stops while the rollout is paused."""
    on_deadline: OnDeadline = OnDeadline.PROMOTE_WITH_BOUND
    """What happens to a version that is undecided at the deadline."""
    progress_deadline: PositiveDuration = "10m"
    """How long the pods of a version may take to become ready."""
    max_extra_replicas: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Most pods that a rollout may run beyond `replicas`, e.g. because accelerators are few. A step
    that needs more becomes a smaller one, and so does a share of copies. With fewer than
    `replicas`, pods of the new version take the place of those of the old one in turns at the end,
    and so they do on the way back: a rollback then takes the start of pods. Without it, as many as
    the users of both versions need. A pod that is ending counts no more."""
    attempt: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            json_schema_extra=rules(
                Rule(
                    "self >= oldSelf",
                    "found fewer than before, write the same or a larger number: "
                    "attempts are only counted up",
                )
            ),
        ),
    ] = 1
    """Raise it to try a revision again that was taken back or stalled; it begins without
    evidence."""
    override: Override | None = None
    """A person's decision about one revision, in place of the objectives. It is written into the
    history, and does nothing to other revisions."""
    advanced: Advanced = Advanced()
    """The error rates of the decisions."""
