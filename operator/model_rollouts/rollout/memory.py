"""What one pass hands to the next. Lost, it costs evidence and time, never a role."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from model_rollouts.decision import (
    Dispersion,
    Evidence,
    Judge,
    NewIntervals,
    Objective,
    PastIntervals,
    Seen,
    State,
    Traffic,
)
from model_rollouts.metrics.findings import Finding
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.rollout.standing import Roles


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds that count towards deadlines, as of `as_of` (Unix seconds).

    They count judged time: `running` says whether they run from `as_of` on.
    `phase` counts since the phase began, and `step` since the split of the present step was
    observed (0 before). `of` names the phase, the revision and the attempt that they are about,
    `sequence` the write of the route that `step` is about, None when that is not known.
    """

    of: str
    as_of: float
    phase: float = 0.0
    step: float = 0.0
    running: bool = True
    sequence: int | None = None


class Replicas(NamedTuple):
    """The pods that serve all users, and when (Unix seconds) some were taken away last.

    `wanted` are those that are asked for, None when nobody asks. `owned`: somebody had the field
    when it was seen last. `reached` are those that were ready at once since they were asked for:
    users had them. None before anything serves.
    """

    pods: int
    fell_at: float | None = None
    wanted: int | None = 0
    owned: bool = False
    reached: int | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """The candidate, or a promoted revision under watch, before the judge.

    `started_ms` (Unix milliseconds, on the grid) is where counting began, `watermark` up to where
    it has come. `judge` and `state` are the evidence; a trial of other rules starts anew. `traffic`
    is what it is judged on now, copies or users, and `entered` when that began, in seconds after
    `started_ms`: a trial on copies counts stable alone before, to know it without them.
    """

    revision: str
    attempt: int
    started_ms: int
    judge: Judge
    state: State
    watermark: Watermark | None = None
    traffic: Traffic = Traffic.LIVE
    entered: float = 0.0

    @property
    def entered_ms(self) -> int:
        """When the present traffic began (Unix milliseconds)."""
        return self.started_ms + round(self.entered * 1000)

    @property
    def requests(self) -> tuple[Evidence, ...]:
        """The evidence that is of all requests: pod-minutes pass also where nobody asks.

        A slice has a part of them.
        """
        pairs = zip(self.judge.rules.objectives, self.state.evidence, strict=True)
        return tuple(
            each
            for objective, each in pairs
            if not (
                objective.is_rate
                or objective.kind.traits.is_of_copies
                or objective.slice is not None
            )
        )


@dataclass(frozen=True, slots=True)
class ShadowImpact:
    """Whether copies make stable suffer.

    `before` is what was counted of stable without them, by objective, until `until_ms` (Unix
    milliseconds), and `intervals` the same interval by interval. `judge` holds stable against that
    past, None until copies flow; `state` is the evidence since the mirror was changed last, and
    `since` the same interval by interval. `suffers` is whether either proves it, and `words` say
    how it suffered last.
    """

    until_ms: int = 0
    before: Mapping[str, Seen] = field(default_factory=dict)
    intervals: Mapping[str, PastIntervals] = field(default_factory=dict)
    judge: Judge | None = None
    state: State | None = None
    since: Mapping[str, NewIntervals] = field(default_factory=dict)
    suffers: bool = False
    words: str | None = None


@dataclass(frozen=True, slots=True)
class ObserverSight:
    """What the observer told of a candidate on copies. Times are Unix milliseconds.

    It was seen last at `seen_ms`, since `back_ms` after a time without it (0 for none), and had its
    last pair of each comparison at `paired_ms`; since then, and up to `until_ms`, `unseen` and
    `unpaired` copies were counted. `copies` are those of the time in which it was there, since it
    was silent last, and `young` those of them of which a pair may be on its way, each with the end
    of its interval; `pairs` are by objective, and `parts` the share of what is compared otherwise
    that it waits for. `records` are those of the present minute and of the
    one before, each with those that are missing; `lost` are missing in all.
    """

    seen_ms: int
    paired_ms: int
    until_ms: int = 0
    back_ms: int = 0
    copies: int = 0
    young: tuple[tuple[int, int], ...] = ()
    unseen: int = 0
    unpaired: int = 0
    pairs: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)
    minute: int = 0
    records: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Lived:
    """How long pods of a revision lived, in pod-minutes, and how often their model crashed."""

    minutes: float = 0.0
    crashes: float = 0.0

    def __add__(self, other: "Lived") -> "Lived":
        """The two together."""
        return Lived(self.minutes + other.minutes, self.crashes + other.crashes)


@dataclass(frozen=True, slots=True)
class Crashes:
    """What was seen of the model's restarts when its pods were last looked at.

    `pods` are the restarts of each by its uid, and `waiting` is what was seen by revision and is
    not yet evidence. `as_of` (Unix seconds) is when, None while it is not known. Unless `all_known`
    a pod that is not among them may have been counted before.
    """

    pods: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, Lived] = field(default_factory=dict)
    as_of: float | None = None
    all_known: bool = True


@dataclass(frozen=True, slots=True)
class PeakLoad:
    """What the pods of the candidate bore in shadow: `highest` requests per second and pod.

    `copies` were counted in all. The rest is the window that is being looked at; `seen` is by
    objective.
    """

    highest: float | None = None
    copies: int = 0
    seconds: float = 0.0
    pod_seconds: float = 0.0
    requests: int = 0
    seen: Mapping[str, Seen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recent:
    """Requests of users in one interval, from `start_ms` to `end_ms` (Unix milliseconds)."""

    start_ms: int
    end_ms: int
    total: int
    bad: int


@dataclass(frozen=True, slots=True)
class Service:
    """What users get of stable, for as long as it serves: in its watch, after it, beside others.

    `promises` are the objectives of generation `generation` of the spec that are looked at.
    Everything from `began_ms` (None before the first interval) up to `until_ms` (Unix milliseconds)
    is counted: `spent` are the counts of the last hours by promise, packed, and `recent` those of
    the last minute. It begins anew with an operator.
    """

    revision: str
    generation: int
    promises: tuple[Objective, ...]
    began_ms: int | None = None
    until_ms: int = 0
    spent: tuple[bytes, ...] = ()
    recent: tuple[Recent, ...] = ()
    failing: bool = False
    """Whether most requests fail now."""
    degraded: bool = False
    """Whether a promise is missed, over hours."""
    has_news: bool = False
    """Whether one of these has begun or ended since the last pass."""
    pods: tuple[int, ...] = ()
    """How many pods it has, had at most since samples were read last, and in the time before: pods
    that end are scraped for a while. Empty where nobody can tell which they are."""
    crowded_ms: int | None = None
    """When more pods than that were scraped last, or those of others (Unix milliseconds)."""


@dataclass(frozen=True, slots=True)
class SlicePart:
    """The requests of one slice at both arms since the route was written last, as in `Split`."""

    candidate: int = 0
    stable: int = 0
    candidate_peak: int = 0
    stable_peak: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """What arrived where since the route was written last (`since_ms`, Unix milliseconds).

    In shadow `mirror` is the share of stable's requests that is copied, in percent, and `candidate`
    counts the copies. `candidate_peak` and `stable_peak` are the most that one interval had.
    `mismatch` says in words how what is seen contradicts the route, None while it does not. The
    split is observed once the candidate has had a request and nothing contradicts. `missed` are the
    requests of stable since the candidate had one, and `missed_ms` how long that is. `slices` are
    those that both count, by name, and `differs` says in words how one of them does not come to
    both in proportion to their weights.
    """

    since_ms: int
    candidate: int = 0
    stable: int = 0
    candidate_peak: int = 0
    stable_peak: int = 0
    mismatch: str | None = None
    mirror: int = 0
    missed: int = 0
    missed_ms: int = 0
    slices: Mapping[str, SlicePart] = field(default_factory=dict)
    differs: str | None = None

    @property
    def observed(self) -> bool:
        """Whether users are split as the route says, as far as that can be told."""
        return self.candidate > 0 and self.mismatch is None


@dataclass(frozen=True, slots=True)
class RouteRepair:
    """How the route differed from what it should be, by path, when it was looked at last.

    `generation` is that of the route then, `sequence` that of its record. `is_kept`: a write did
    not change it, so that the route is taken as it is; `tries` counts such writes.
    """

    paths: tuple[str, ...]
    generation: int
    sequence: int
    is_kept: bool = False
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Written:
    """The status as it stands, when we wrote it (Unix seconds), and how often since a transition.

    Between two passes there is no `status`: the next one reads it from the object. `own` marks what
    we wrote (`status.mark`), and `repeats` is how often in a row that was what somebody else, such
    as a second operator, had replaced.
    """

    status: dict[str, Any] | None
    at: float
    refreshes: int = 0
    own: int | None = None
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything of a rollout that is in no object but its status.

    The engine keeps it per ModelDeployment and starts with `Memory()` after a restart: `plan` then
    reads it back from `status.evidence`.
    """

    clocks: Clocks | None = None
    trial: Trial | None = None
    service: Service | None = None
    """How stable serves; None before anything does."""
    split: Split | None = None
    shadow_impact: ShadowImpact | None = None
    """How stable bears the copies; None outside of a shadow."""
    observer: ObserverSight | None = None
    """What the observer told in shadow; None where no objective waits for it."""
    peak_load: PeakLoad | None = None
    """The load that the candidate bore in shadow; None when it was in none."""
    about: str | None = None
    """The candidate whose trial dispersions, load and impact on stable are those of, None while
    none is judged beside stable: what is known then is of a trial before."""
    dispersion: Dispersion | None = None
    """Of stable's errors, measured once for each trial; None until it is known."""
    others: tuple[tuple[str, Dispersion], ...] = ()
    """The same of other objectives, by `Past.key`."""
    dropped: str | None = None
    """Why earlier evidence about what is judged counts no more; None while all of it does."""
    missed: tuple[tuple[str, float], ...] = ()
    """Objectives that the version before missed itself, each with its share of bad ones."""
    usual: float | None = None
    """The time in seconds a little above stable's p99 from which on an answer counts as slow, where
    nobody promised one; fixed for the trial, None when it was not known at its beginning."""
    buckets: Mapping[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    """The bucket edges in seconds of histograms of the model server's own, by `Histogram.key` and
    revision: as they were scraped when they became known of what was judged, and not later."""
    crashes: Crashes | None = None
    """What was seen of the model's restarts; None outside of a trial."""
    pods: tuple[str, ...] = ()
    """The names of the pods whose samples count, `own_pods.seen`; empty while none is known."""
    unknown_pods: tuple[str, ...] = ()
    """Pods with samples that wait until the cluster has told whether they are its own."""
    findings: tuple[Finding, ...] = ()
    """What the last intervals had to say besides counts; empty when all is well."""
    last_request_ms: int | None = None
    """The end of the last interval in which the candidate had a request; in shadow, stable."""
    scraped_ms: int | None = None
    """The end of the last interval in which a pod of what is judged was scraped."""
    scraped_every_ms: int | None = None
    """The usual time between two scrapes, measured; None while it is not known."""
    late_ms: int = 0
    """How long samples are waited for, because they come late."""
    unscraped_since: float | None = None
    """When the candidate's pods were seen ready without any sample of them (Unix seconds), None
    while there is one, or no pod is ready."""
    behind_since: float | None = None
    """When counts were seen to be old (Unix seconds), None while they are fresh."""
    unaccepted_since: float | None = None
    """When the gateway was first seen not to have accepted the route yet (Unix seconds), whoever
    wrote it; None while it has, or has refused it."""
    written: Written | None = None
    grown: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """When a revision was last given more pods (Unix seconds), and how many it had."""
    replicas: Replicas | None = None
    """How many pods serve all users, None before the first pass."""
    ended: Trial | None = None
    """The trial that ended last: how a candidate stood that was rolled back."""
    repaired: Mapping[str, str] = field(default_factory=dict)
    """How an object was when it was repaired last, by `Kind/name`: a repair that changes nothing is
    not tried again."""
    roles: Roles | None = None
    """Those of the latest write of the route that this operator has seen."""
    route_repair: RouteRepair | None = None
    """The repair of the route that was tried last; None while the route is as it should be."""
    sound: Mapping[str, str] = field(default_factory=dict)
    """The versions of everything that a revision is, when nothing of it had to be repaired: while
    they stay, it is not compared again."""
    accompanied: Mapping[str, str] = field(default_factory=dict)
    """The uid of the Service beside which an object was written last, by `Kind/name`."""

    def knowing(self, **news: Any) -> "Memory":
        """The memory with other values of some fields; the very same when none of them is new.

        A memory has many fields, and most of what a pass finds is known.
        """
        if all(getattr(self, name) == value for name, value in news.items()):
            return self
        return replace(self, **news)

    def at_rest(self) -> "Memory":
        """As it is kept from one pass to the next, by thousands of rollouts: without the status."""
        if self.written is None:
            return self
        return replace(self, written=replace(self.written, status=None))

    @property
    def has_news(self) -> bool:
        """Whether what users get has become another thing to tell."""
        return self.service is not None and self.service.has_news
