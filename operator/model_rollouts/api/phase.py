"""Where a rollout is, what that means for everybody who asks, and how it ends: a row for each."""

from typing import NamedTuple, Self

from model_rollouts.api.base import Word
from model_rollouts.api.conditions import Reason


class Outcome(Word):
    """How a rollout ended."""

    serves: bool
    """Whether the version served all users."""

    PROMOTED = "Promoted", "Every Gate passed, or none had to.", True
    PROMOTED_WITH_BOUND = (
        "PromotedWithBound",
        "The deadline came, and the worsening that could not be ruled out was acceptable.",
        True,
    )
    ROLLED_BACK = (
        "RolledBack",
        "An objective failed, or an override or an edit of the route rolled it back.",
        False,
    )
    UNDECIDED = "Undecided", "The deadline came before every Gate passed.", False
    SUPERSEDED = "Superseded", "Another version was applied before it was decided.", False

    def __new__(cls, value: str, meaning: str, serves: bool) -> Self:
        """The member with its row."""
        member = cls._with_meaning(value, meaning)
        member.serves = serves
        return member


class Traits(NamedTuple):
    """What a phase is to the rest of the operator: its row."""

    reason: Reason
    """Of the condition that is true in this phase when nothing else holds the rollout."""
    is_preparing: bool = False
    """Nothing of the version is judged yet: it has neither users nor mirrored requests."""
    mirrors: bool = False
    """It gets mirrored requests."""
    shares_traffic: bool = False
    """It has a share of users, and stable the rest."""
    outcome: Outcome | None = None
    """How the rollout ended, None while it has not."""
    keeps_evidence: bool = False
    """What was counted, and the clocks, must outlive the operator."""


class Phase(Word):
    """Where a rollout is."""

    traits: Traits

    ADMISSION = (
        "Admission",
        "The version is checked before its pods start.",
        Traits(Reason.CHECKING, is_preparing=True),
    )
    STARTING = (
        "Starting",
        "Its pods are starting and warming up; no user gets it.",
        Traits(Reason.STARTING, is_preparing=True, keeps_evidence=True),
    )
    SHADOW = (
        "Shadow",
        "It gets mirrored requests and is judged on them; no user gets its answers.",
        Traits(Reason.JUDGING, mirrors=True, keeps_evidence=True),
    )
    CANARY = (
        "Canary",
        "A share of users gets it, and it is judged on their requests.",
        Traits(Reason.JUDGING, shares_traffic=True, keeps_evidence=True),
    )
    FULL = "Full", "All users get it.", Traits(Reason.SERVING)
    ROLLED_BACK = (
        "RolledBack",
        "It was rolled back; all users get stable.",
        Traits(Reason.ROLLED_BACK, outcome=Outcome.ROLLED_BACK),
    )
    UNDECIDED = (
        "Undecided",
        "The deadline came before it was decided; all users get stable.",
        Traits(Reason.UNDECIDED, outcome=Outcome.UNDECIDED),
    )
    PAUSED = (
        "Paused",
        "Weights stay as they are, and deadline timers are stopped.",
        Traits(Reason.PAUSED, keeps_evidence=True),
    )

    def __new__(cls, value: str, meaning: str, traits: Traits) -> Self:
        """The member with its row."""
        member = cls._with_meaning(value, meaning)
        member.traits = traits
        return member

    @property
    def reason(self) -> Reason:
        """The reason of the condition that is true in this phase when nothing else holds it."""
        return self.traits.reason

    @property
    def is_preparing(self) -> bool:
        """Whether the version has neither users nor mirrored requests yet."""
        return self.traits.is_preparing

    @property
    def is_judged(self) -> bool:
        """Whether the candidate is judged beside stable, on mirrored requests or on users'."""
        return self.traits.mirrors or self.traits.shares_traffic

    @property
    def mirrors(self) -> bool:
        """Whether the candidate gets mirrored requests."""
        return self.traits.mirrors

    @property
    def shares_traffic(self) -> bool:
        """Whether the candidate has a share of users, and stable the rest."""
        return self.traits.shares_traffic

    @property
    def has_ended(self) -> bool:
        """Whether the version was tried and did not get all users."""
        return self.traits.outcome is not None

    @property
    def outcome(self) -> Outcome | None:
        """How the rollout ended without a promotion, None in every other phase."""
        return self.traits.outcome

    @property
    def keeps_evidence(self) -> bool:
        """Whether what was counted, and the clocks, must outlive the operator."""
        return self.traits.keeps_evidence
