"""What is promised to users: `spec.objectives`. What the numbers mean is in docs/decisions.md."""

from typing import Annotated

from model_rollouts.api import ratio
from model_rollouts.api.base import ATOMIC, Part, Rule, Word, Written, rules, shown
from model_rollouts.api.strings import Label

BREAKER = "breaker"
"""Name of the objective that is always on, which no other may have."""

LARGEST_NUMBER = 8

Target = Annotated[
    str,
    Written(
        ratio.PATTERN,
        "write a ratio with its sign, such as 99.9%, with at most four decimals",
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


class ObjectiveType(Word):
    """What is counted."""

    AVAILABILITY = (
        "Availability",
        "Requests answered with an error, cut off or given up on by the client, of all requests.",
    )


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


class Objective(
    Part,
    json_schema_extra=rules(
        Rule(
            "(self.type == 'Availability') == has(self.availability)",
            "write `availability` with its target, exactly when the type is Availability",
            found="'type ' + self.type + (has(self.availability) ? ' with' : ' without') "
            "+ ' availability'",
        ),
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
    role: Role = Role.GATE
    """What the objective may do."""
    compare: Compare = Compare.AUTO
    """What the candidate is held against."""


DEFAULT = Objective(
    name="errors", type=ObjectiveType.AVAILABILITY, availability=Availability(target="99.9%")
)
"""The promise of a resource that states none."""

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
)
