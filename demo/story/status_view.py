"""What the resource shows at a moment: the few things that the story tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_rollouts.api.ratio import share

Object = Mapping[str, Any]
ENDED = ("Full", "RolledBack", "Undecided")


@dataclass(frozen=True)
class Judged:
    """How the candidate stands in one objective."""

    name: str
    verdict: str
    bad: int
    total: int
    worst: tuple[str, ...] = ()
    """Ids of the answers that differ most."""


@dataclass(frozen=True)
class Seen:
    """A status. `at` in Unix seconds.

    `weight` is the candidate's share of users and `mirror` the share of stable's requests that is
    mirrored to it, 0 to 1; `copies` is how many mirrored requests were counted, `plan` the stages
    ahead, with times.
    `generation` is the one that the status is about, `reason` that of Reconciling or Stalled,
    `revisions` are the names of stable and candidate, empty for none; `rolled_back` are the
    versions with that outcome in the history. Nothing is read from `message`: it is shown as it is.
    """

    at: float
    generation: int
    phase: str
    stable: str
    candidate: str
    weight: float
    mirror: float
    copies: int
    message: str
    plan: str
    reason: str
    revisions: tuple[str, str]
    objectives: tuple[Judged, ...]
    rolled_back: tuple[str, ...] = ()

    def judged(self, name: str) -> Judged:
        """How it stands in one objective; nothing is counted while the status does not list it."""
        found = (each for each in self.objectives if each.name == name)
        return next(found, Judged(name, "Inconclusive", 0, 0))

    @property
    def failed(self) -> tuple[str, ...]:
        """The objectives that failed."""
        return tuple(each.name for each in self.objectives if each.verdict == "Fail")

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens without a change of the spec."""
        return self.phase in ENDED


def seen(at: float, obj: Object) -> Seen:
    """What a ModelDeployment shows."""
    status = obj.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    told = conditions.get("Reconciling") or conditions.get("Stalled") or {}
    stable, candidate = status.get("stable") or {}, status.get("candidate") or {}
    shadow = status.get("shadow") or {}
    judged = (
        Judged(
            each["name"],
            each["verdict"],
            each["bad"],
            each["total"],
            tuple(each.get("worstPredictions", ())),
        )
        for each in status.get("objectives", ())
    )
    return Seen(
        at,
        status.get("observedGeneration", 0),
        status.get("phase", ""),
        stable.get("version", ""),
        candidate.get("version", ""),
        float(share(candidate.get("weight", "0%"))),
        float(share(shadow.get("mirror", "0%"))),
        shadow.get("copies", 0),
        status.get("message", ""),
        status.get("plan") or "",
        told.get("reason", ""),
        (stable.get("revision", ""), candidate.get("revision", "")),
        tuple(judged),
        tuple(
            each["version"] for each in status.get("history", ()) if each["outcome"] == "RolledBack"
        ),
    )
