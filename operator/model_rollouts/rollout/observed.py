"""What the engine has gathered about one ModelDeployment for one pass, as the API server has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from model_rollouts.decision import Dispersion, Histogram
from model_rollouts.metrics.body_sizes import Sizes
from model_rollouts.metrics.fallbacks import Given
from model_rollouts.metrics.spreads import Within
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout.pods import Pod
from model_rollouts.routes.addresses import Address

LASTING_TIMES = 2
"""So often in a row, and a failure is no chance any more."""


@dataclass(frozen=True, slots=True)
class Children:
    """The objects that the ModelDeployment owns; those of other owners are left out.

    `deployments` and `services` are by name, `budget` is the PodDisruptionBudget over all pods.
    `strangers` are the names of objects, as `Kind/name`, that have a name this rollout needs and
    another owner. `dying` are those whose owner is a ModelDeployment that was deleted: they are
    about to be deleted too.
    """

    revisions: Sequence[Object] = ()
    deployments: Mapping[str, Object] = field(default_factory=dict)
    services: Mapping[str, Object] = field(default_factory=dict)
    budget: Object | None = None
    route: Object | None = None
    strangers: frozenset[str] = frozenset()
    dying: frozenset[str] = frozenset()


class OtherBudget(NamedTuple):
    """A PodDisruptionBudget of somebody else: its name, and the LabelSelector of its pods."""

    name: str
    selector: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Gateway:
    """What is known about the parents of the route.

    `features` are those that all parents support, as their GatewayClasses claim or as is known of
    their controllers; None when nothing is known of one of them, which is not incapable.
    `controllers` are the names of those that are known. `conflicts` are the HTTPRoutes of others,
    as `namespace/name`, that answer the same requests at the same parents. `missing` are the
    parents, as `namespace/name`, when none of them exists.
    """

    features: frozenset[str] | None = None
    conflicts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    controllers: frozenset[str] = frozenset()
    addresses: tuple[Address, ...] = ()
    """Where clients reach the model, as far as is known of the parents."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was asked for admission; it holds for one generation of the spec.

    `refusal` is what the API server said about the Deployment of the new revision in a dry run,
    None when it accepted it. `same_as` is the stored revision whose Deployment it would store as
    the very same, None when there is none.
    """

    generation: int
    gateway: Gateway
    refusal: str | None = None
    same_as: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What Prometheus knows before a candidate gets its first users.

    `dispersion` is of stable's errors, `others` of its other objectives, by `Past.key`.
    `scraped_ms` (Unix milliseconds) is when pods of `candidate` were scraped last, None when they
    never were: nobody could judge it. `candidate` is None while it has no pods to be scraped.
    `rate` is the requests per second that users made lately, None when there were none. `usual`
    (seconds) is the first bucket edge above stable's p99, None when that is not known.
    """

    dispersion: Dispersion
    scraped_ms: int | None
    candidate: str | None = None
    rate: float | None = None
    others: tuple[tuple[str, Dispersion], ...] = ()
    usual: float | None = None


@dataclass(frozen=True, slots=True)
class MirroredSizes:
    """How large requests were since a write of the route at `since_ms` (Unix milliseconds).

    `looked` tells one question from the next while that route stands. Bodies by size: `users` are
    of what users asked stable, `mirrored` of what came to the candidate; each is empty when its
    pods count no sizes.
    """

    since_ms: int
    looked: int
    users: Sizes = ()
    mirrored: Sizes = ()


@dataclass(frozen=True, slots=True)
class BucketsQuery:
    """Of which histograms of the model server's own the bucket edges are asked, and of whom.

    Each has the times in seconds that it is read at. The first of `revisions` is judged. `pods` are
    as in `HistoryQuery`.
    """

    histograms: tuple[tuple[Histogram, tuple[float, ...]], ...]
    revisions: tuple[str, ...]
    pods: frozenset[str] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ScrapedBuckets:
    """The edges in seconds that Prometheus has, by `Histogram.key` and revision.

    It is asked again at `again_at` (Unix seconds) as long as some are lacking; `same` is how often
    the answer was the same before. `unanswered` are the histograms that could not be asked about,
    by `Histogram.text`, each with what came back.
    """

    asked: BucketsQuery
    edges: Mapping[tuple[str, str], tuple[float, ...]]
    again_at: float
    same: int = 0
    unanswered: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether there are edges of all histograms of all revisions."""
        return all(
            (own.key, name) in self.edges
            for own, _ in self.asked.histograms
            for name in self.asked.revisions
        )


@dataclass(frozen=True, slots=True)
class LatencyQuery:
    """Of whom it is asked how long requests and their stages took since `since_ms`, for people.

    The first of `revisions` is judged, on mirrored requests if it `mirrors`. `histograms` are those
    of the model server's own, each with its name for people, and `whole` the one of its whole
    request. `looked` and `pods` are as in `MirroredSizes` and `HistoryQuery`.
    """

    revisions: tuple[str, ...]
    mirrors: bool
    since_ms: int
    looked: int
    histograms: tuple[tuple[str, Histogram], ...] = ()
    whole: Histogram | None = None
    pods: frozenset[str] | None = field(default=None, compare=False)


NETWORK = "network (difference of means)"
"""What is between the proxy and the model server, as people read it."""


class Spread(NamedTuple):
    """How long something took in a revision: requests within each time, or their `mean` alone.

    `of` is None for whole requests, as users and the proxy see them. Times are seconds.
    """

    of: str | None
    revision: str
    within: Within = ()
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class Latencies:
    """What Prometheus told of how long requests took, as it was `asked` for."""

    asked: LatencyQuery
    spreads: tuple[Spread, ...] = ()


@dataclass(frozen=True, slots=True)
class FallbackQuery:
    """Of which revisions it is asked what their fallback does, `every` so many seconds.

    `pods` are as in `HistoryQuery`.
    """

    revisions: tuple[str, ...]
    every: float
    pods: frozenset[str] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class FallbackSeen:
    """What fallbacks did lately (`metrics.fallbacks.WINDOW_MS`), by revision.

    `answers` are what users got. `reached` is whether the Service that
    stands in takes connections from all pods. What Prometheus does not know is in neither. It is
    asked again at `again_at` (Unix seconds).
    """

    asked: FallbackQuery
    again_at: float
    answers: Mapping[str, Given] = field(default_factory=dict)
    reached: Mapping[str, bool] = field(default_factory=dict)


MOST_CASES = 3
"""Disagreements that are named, of each objective."""


@dataclass(frozen=True, slots=True)
class CasesQuery:
    """Whose worst disagreements are asked for: those of a revision on trial, since `since_ms`.

    `comparisons` are name and digest of what is compared of each objective that has some. `looked`
    and `is_last` tell one question from the next: it is asked again each time that twice as many
    disagree, and once more when the version was rolled back.
    """

    revision: str
    comparisons: tuple[tuple[str, str], ...]
    since_ms: int
    looked: int
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class WorstCases:
    """Prediction ids of the answers that differ most, by objective, as they were `asked` for."""

    asked: CasesQuery
    ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class InputMoved(NamedTuple):
    """An input that moved, from what to what: "31 % in 4-7, was 6 %"."""

    name: str
    change: str


@dataclass(frozen=True, slots=True)
class InputsSeen:
    """What the observer told of inputs beside the reference with the digest that was `asked` for.

    `moved`: the ones that the model uses most come first. `since`, `until`: the first and the last
    day of the `requests`. It is asked again at `again_at` (Unix seconds).
    """

    asked: str
    again_at: float
    moved: tuple[InputMoved, ...] = ()
    requests: int = 0
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """What the API server did not do, so many `times` in a row.

    `what` names the action and its object, such as "apply Deployment shop/ranking-1a2b3c4d5e", and
    `answer` is what came back. `is_refusal`: the API server looked at it and will not have it.
    `writes`: it would have changed something, and was no question.
    """

    what: str
    answer: str
    times: int = 1
    is_refusal: bool = False
    writes: bool = True

    @property
    def lasts(self) -> bool:
        """Whether it is worth telling: once may be chance, a refusal is none."""
        return self.is_refusal or self.times >= LASTING_TIMES


@dataclass(frozen=True, slots=True)
class Observed:
    """One ModelDeployment and everything around it, at one moment.

    `checked` and `history` are None until the plan has asked for them and was answered;
    `asked_since` is when (Unix seconds) the first of the questions that are open now was asked,
    None when none is. `metrics_error` says why Prometheus gives nothing, None while it answers.
    `failures` are the actions of the plans before that were not done, and the checks that were not
    answered, the latest first; what was done since is not among them. `unlisted` are the lists and
    watches that fail: changes of their objects may be unseen. `pods` are those of the revisions
    that are on their way or have users, None while they are not known: nothing may wait for them.
    `keeps_budget`: the operator may read and write PodDisruptionBudgets there. `awaits_pods`: the
    pods are not known now and will be in a moment. `foreign_pods` are names under which Prometheus
    has samples, of pods that the cluster did not have when it was asked after that.
    """

    obj: Object
    children: Children = Children()
    checked: Checked | None = None
    history: History | None = None
    metrics_error: str | None = None
    asked_since: float | None = None
    failures: tuple[Failure, ...] = ()
    pods: tuple[Pod, ...] | None = None
    unlisted: tuple[Failure, ...] = ()
    keeps_budget: bool = True
    awaits_pods: bool = False
    foreign_pods: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    """Parents of the route that do not exist, as `namespace/name`, of those in `Plan.silent`."""
    sizes: MirroredSizes | None = None
    """How large requests are, as it was known last; None until it was asked and answered."""
    buckets: ScrapedBuckets | None = None
    """Which edges histograms of the model server's own have; None until it was asked."""
    fallback: FallbackSeen | None = None
    """What fallbacks do, as it was known last; None until it was asked."""
    latencies: Latencies | None = None
    """How long requests and their stages took, as it was known last; None until it was asked."""
    cases: WorstCases | None = None
    """Which answers differ most, as it was known last; None until it was asked and answered."""
    inputs: InputsSeen | None = None
    """Which inputs moved, as it was known last; None until it was asked."""
    other_budgets: tuple[OtherBudget, ...] | None = ()
    """Those of others in the namespace, None while they are not known."""

    @property
    def checked_now(self) -> Checked | None:
        """The answers to checks of this generation of the spec, None while there are none."""
        checked = self.checked
        same = checked is not None and checked.generation == self.obj["metadata"].get("generation")
        return checked if same else None
