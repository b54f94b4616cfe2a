"""What the engine has gathered about one ModelDeployment for one pass, as the API server has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model_rollouts.decision import Dispersion
from model_rollouts.resources.shapes import Object

LASTING_TIMES = 2
"""So often in a row, and a failure is no chance any more."""


@dataclass(frozen=True, slots=True)
class Children:
    """The objects that the ModelDeployment owns; those of other owners are left out.

    `deployments` and `services` are by name. `strangers` are the names of objects, as
    `Kind/name`, that have a name this rollout needs and another owner. `dying` are those whose
    owner is a ModelDeployment that was deleted: they are about to be deleted too.
    """

    revisions: Sequence[Object] = ()
    deployments: Mapping[str, Object] = field(default_factory=dict)
    services: Mapping[str, Object] = field(default_factory=dict)
    route: Object | None = None
    strangers: frozenset[str] = frozenset()
    dying: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Gateway:
    """What is known about the parents of the route.

    `features` are those that the GatewayClasses of all parents claim; None when one of them claims
    nothing, which is unknown and not incapable. `conflicts` are the HTTPRoutes of others, as
    `namespace/name`, that answer the same requests at the same parents. `missing` are parents that
    do not exist, as `namespace/name`.
    """

    features: frozenset[str] | None = None
    conflicts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What was asked for admission; it holds for one generation of the spec.

    `refusal` is what the API server said about the Deployment of the new revision in a dry run,
    None when it accepted it.
    """

    generation: int
    gateway: Gateway
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What Prometheus knows before a candidate gets its first users.

    `dispersion` is of stable's errors, `others` of its other objectives, by `Past.key`.
    `scraped_ms` (Unix milliseconds) is when pods of `candidate` were scraped last, None when they
    never were: nobody could judge it. `candidate` is None while it has no pods to be scraped.
    `rate` is the requests per second that users made lately, None when there were none.
    """

    dispersion: Dispersion
    scraped_ms: int | None
    candidate: str | None = None
    rate: float | None = None
    others: tuple[tuple[str, Dispersion], ...] = ()


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
    answered, the latest first; what was done since is not among them.
    """

    obj: Object
    children: Children = Children()
    checked: Checked | None = None
    history: History | None = None
    metrics_error: str | None = None
    asked_since: float | None = None
    failures: tuple[Failure, ...] = ()
