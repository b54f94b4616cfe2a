"""How a version gets from no users to all of them: `spec.strategy`."""

from typing import Annotated

from pydantic import Field

from model_rollouts.api import duration, ratio
from model_rollouts.api.base import ATOMIC, INT32, Part, Rule, Word, Written, matches, rules, shown
from model_rollouts.api.guards import Guards
from model_rollouts.api.strings import Duration, PartRatio, PositiveDuration, Version, Warmup

LONGEST_NAME = 45
"""Of a ModelDeployment; Services allow 63, and are named `<name>-<ten digits>-shadow`."""


class StrategyMode(Word):
    """Whether a version is judged before all users get it."""

    PROGRESSIVE = "Progressive", "Shadow and canary first; every step is judged."
    IMMEDIATE = (
        "Immediate",
        "All users get a version as soon as its pods are ready. It is judged during the watch.",
    )


class Assurance(Word):
    """How small a worsening must be ruled out before promotion."""

    FAST = "Fast", "Five times the allowed failures; needs the fewest requests."
    STANDARD = "Standard", "Twice the allowed failures."
    STRICT = "Strict", "One and a half times the allowed failures; needs the most requests."


class OnDeadline(Word):
    """What happens to a version that is undecided at the deadline."""

    PROMOTE_WITH_BOUND = (
        "PromoteWithBound",
        "Promotes the version if five times the allowed failures, and twice the allowed slow "
        "requests, are ruled out. Otherwise all users get stable.",
    )
    HOLD = "Hold", "The version keeps its weight until you decide."
    ROLLBACK = "Rollback", "The version is rolled back."


class Action(Word):
    """What you decide instead of the objectives."""

    PROMOTE = (
        "Promote",
        "The version gets all users, once. If it is rolled back later, raise `attempt` to promote "
        "it again.",
    )
    ROLLBACK = "Rollback", "The version gets no users."
    HOLD = "Hold", "The version keeps the users it has."
    SKIP_SHADOW = (
        "SkipShadow",
        "The version skips the rest of the shadow and gets its first users.",
    )


class SideEffects(Word):
    """What the model server does besides answering. Mirrored requests would repeat it."""

    NONE = "None", "Nothing: it is safe to answer a request twice."
    SUPPRESSED = (
        "Suppressed",
        "The model server skips its side effects for requests with the header "
        "`x-model-shadow: true`.",
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
                "write a number above 1 and at most 10",
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
            "found no sideEffects, write None if answering a request changes nothing else, "
            "or Suppressed if the model server skips its side effects for requests with the header "
            "x-model-shadow: true; percent: 0 turns the shadow off",
            field=".sideEffects",
        )
    ),
):
    """How a version is judged on mirrored requests before it gets users."""

    percent: Annotated[int, Field(ge=0, le=100, json_schema_extra=INT32)] = 100
    """Share of stable's requests to mirror to the candidate, in percent. No user gets its answers.
    Defaults to `100`. Lower it if stable or the cluster has little spare capacity; `0` turns the
    shadow off, so that a version is first tried on users."""
    side_effects: SideEffects | None = None
    """What the model server does besides answering. Required unless `percent` is 0, because
    mirrored requests would repeat it."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000, json_schema_extra=INT32)] = 1000
    """Minimum number of mirrored requests before the candidate gets users. Defaults to `1000`."""
    min_duration: Duration = "5m"
    """Minimum time in shadow, however good the candidate looks. Defaults to `5m`."""
    peak_factor: PeakFactor | None = None
    """Tests the candidate at peak load: with `"2"` it runs on half as many pods as the mirrored
    requests would need, so that each pod gets twice the load. A decimal number in quotes, above 1
    and at most 10. No additional requests are sent. Without it, a candidate pod gets the load of a
    stable pod."""


_SHARES = "self.map(s, double(s.replace('%', '')))"
_READABLE = f"self.all(s, {matches('s', ratio.PATTERN)})"


class Canary(Part):
    """How users move to the candidate."""

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
    """Shares of users that the candidate gets, in ascending order. After the last step it gets all
    users. Defaults to `5%`, `25%`, `50%`. A last step of at least `50%` gives candidate pods a load
    at which their latency counts."""
    min_step_duration: Duration = "1m"
    """Minimum time on each step, however good the candidate looks. Defaults to `1m`."""
    warmup: Warmup = "1m"
    """How long the time that answers take is not judged after the first request to a pod, for pods
    of both versions. Failed requests always count. Defaults to `1m`, at most `2m`; `0s` judges a
    pod from its first request."""


class Watch(Part):
    """How long a promoted version can be rolled back automatically."""

    duration: Duration = "6h"
    """How long the previous revision stays warm, so that a late failure of the promoted version is
    rolled back at once. Defaults to `6h`; `0s` turns it off. The version is judged for as long as
    it serves: after this time a failure is reported, in the conditions `Available` and
    `ServiceDegraded`."""


class Override(Part):
    """Your decision about one version."""

    version: Version
    """The version, as in `model.version`. If several revisions have it, the candidate is meant,
    then stable. The condition `OverrideIgnored` tells of a version that no revision has."""
    action: Action
    """What happens to the version."""
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    """Why you decided so, as shown in messages and in `status.history`."""


_ERROR_RATE = Annotated[
    str,
    Written(
        ratio.PATTERN,
        "write a percentage such as 1%, with at most four decimals",
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
    """Error rates of the statistical decisions."""

    false_rollback: _ERROR_RATE = "1%"
    """Largest chance that a good version is rolled back, for all objectives together. Defaults to
    `1%`, at most `50%`. A smaller chance needs more requests to roll back a bad version."""
    false_promotion: _ERROR_RATE = "5%"
    """Largest chance that a bad version is promoted. Defaults to `5%`, at most `50%`. A smaller
    chance needs more requests to promote a good version."""


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
            "write a time longer than the shortest shadow and canary together, "
            "or fewer or shorter steps",
            found="self.deadline + ' for steps of at least ' + self.canary.minStepDuration + "
            f"({_SHADOWS} ? ' after a shadow of at least ' + self.shadow.minDuration : '')",
            field=".deadline",
        )
    ),
):
    """How a version is rolled out."""

    mode: StrategyMode = StrategyMode.PROGRESSIVE
    """Whether a version is judged before all users get it. Defaults to `Progressive`."""
    assurance: Assurance = Assurance.STANDARD
    """How small a worsening must be ruled out before promotion. Defaults to `Standard`. For slow
    requests (Latency) the factors are 2 (`Fast`), 1.5 (`Standard`) and 1.25 (`Strict`)."""
    shadow: Shadow | None = None
    """How a version is judged on mirrored requests before it gets users. Required with the mode
    `Progressive`; write `percent: 0` to do without."""
    canary: Canary = Canary()
    """How users move to the candidate."""
    watch: Watch = Watch()
    """How long a promoted version can be rolled back automatically."""
    deadline: PositiveDuration = "24h"
    """Time limit for a rollout that stays undecided. Defaults to `24h`. The timer counts the time
    in which the version could be judged: it stops while the rollout is paused or held, while
    Prometheus has no samples, and while the operator does not run. Raise it for a service with
    little traffic."""
    on_deadline: OnDeadline = OnDeadline.PROMOTE_WITH_BOUND
    """What happens to a version that is undecided at the deadline. Defaults to
    `PromoteWithBound`."""
    progress_deadline: PositiveDuration = "30m"
    """Time after which pods that are not ready are reported as `Stalled`. Defaults to `30m`, enough
    for a model that loads for 15 minutes. The rollout continues when they are ready. The timer runs
    only while pods are not ready, and stops while the rollout is paused or held."""
    max_extra_replicas: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """Maximum number of pods that a rollout may run beyond `replicas`. Set it if pods are scarce,
    e.g. for lack of GPUs. Defaults to as many as the users of both versions need. Steps and
    mirroring that need more pods are reduced to what fits. With fewer than `replicas`, pods of one
    version are replaced by pods of the other in turns, so a rollback must first start pods. `0`
    replaces pods in place: stable gives up one pod for the time of the rollout. A single pod is
    replaced without being judged first, and no version serves while the next one starts.
    Terminating pods are not counted."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000, json_schema_extra=INT32)] = 1
    """Number of the attempt. Defaults to `1`. Raise it to retry a revision that was rolled back,
    stayed undecided or stalled. The new attempt starts without the counts of the last one. A lower
    number than before, as `git revert` writes, changes nothing: to retry then, raise it above the
    number that was tried, which messages and `status.history` show."""
    restart: Version | None = None
    """Any word, such as the hash of a Secret. When it changes, the pods of the same revision are
    replaced one by one, because a Secret or ConfigMap that they read has changed. Users keep the
    version, and nothing is judged anew. It waits while two versions are compared, and stops while
    the service fails its objectives. The condition `Restarting` tells how far it is."""
    override: Override | None = None
    """Your decision about one version, instead of the objectives. Other versions are not
    affected."""
    guards: Guards | None = None
    """What rolls a version back although no objective asks for it. Every guard is on by default."""
    advanced: Advanced = Advanced()
    """Error rates of the statistical decisions."""
