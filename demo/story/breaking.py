"""A version with faults of your choice."""

import time
from dataclasses import dataclass

from demo.model.explanation import LONG_HAUL_MILES
from demo.story import scenes
from demo.story.followed_rollout import Rollout
from demo.story.scenes import Ending, Memory, Scene
from demo.story.stage import Stage
from model_rollouts.api.ratio import share

SLOW = {
    "rare": f"--explain-beyond={LONG_HAUL_MILES:.0f}",
    "cache": "--remember",
    "all": "--wait=0.4",
}
"""What each choice adds to the model server's options."""


@dataclass(frozen=True)
class Faults:
    """The options of a model server that is broken so."""

    arguments: tuple[str, ...]

    def play(self, stage: Stage, memory: Memory) -> Ending:
        """Roll it out."""
        version = time.strftime("broken-%H%M%S")
        path = stage.setting.manifests.write(
            "broken", version=version, faults=", ".join(self.arguments)
        )
        course = memory.courses[version] = Rollout(stage, path, version).end()
        return Ending.of(course, not course.was_promoted)


def scenes_of(errors: str, slow: str | None) -> list[Scene]:
    """A good version, and the one with faults.

    Raises ValueError when no fault is chosen, or `errors` is no share with its sign.
    """
    failing = share(errors)
    arguments = [f"--errors={float(failing):g}"] if failing else []
    if slow is not None:
        arguments.append(SLOW[slow])
    if not arguments:
        raise ValueError("found no fault, write --errors 2% or --slow rare, for example")
    faults = Faults(tuple(arguments))
    return [
        Scene(
            1,
            "A good version",
            "There is nothing to compare version 2 with, so it gets all users when its pod is "
            "ready.",
            lambda stage, memory: scenes.first_version(stage, memory, "v2", "2"),
        ),
        Scene(
            2,
            "A broken version",
            f"The model of version 2 with your faults: {' '.join(arguments)}.",
            faults.play,
        ),
    ]
