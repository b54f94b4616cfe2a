"""Stories in files: what was read and found right stays as it is.

`UPDATE_STORIES=1` writes the files anew; read the difference before you commit it.
"""

import os
from collections.abc import Callable
from pathlib import Path

from tests.rollout.simulated_cluster import World, every_pass

STORIES = Path(__file__).with_name("stories")


def _file(story: Callable[[], World]) -> Path:
    return STORIES / f"{story.__name__}.log"


def read(story: Callable[[], World]) -> list[str]:
    """The lines of the story in its file."""
    return _file(story).read_text().splitlines()


def is_told_again(story: Callable[[], World]) -> None:
    """Tell the story, which must be the one in its file."""
    path = _file(story)
    with every_pass():
        text = "\n".join(story().log) + "\n"
    if os.environ.get("UPDATE_STORIES"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} differs: UPDATE_STORIES=1 accepts the change"
