"""A status as the resource shows it when a version has just been applied."""

from demo.story.status_view import Seen

STARTING = Seen(
    at=10.0,
    generation=2,
    phase="Starting",
    stable="2",
    candidate="",
    weight=0.0,
    mirror=0.0,
    copies=0,
    message="Starting 4.",
    plan="",
    reason="Starting",
    revisions=("a", ""),
    objectives=(),
)
