"""Stories in files: what was read and found right stays as it is.

`UPDATE_STORIES=1` writes the files anew; read the difference before you commit it.
"""

import os
from collections.abc import Callable
from pathlib import Path

from tests.rollout.simulated_cluster import World

STORIES = Path(__file__).with_name("stories")


def is_told_again(story: Callable[[], World]) -> None:
    """Tell the story, which must be the one in its file."""
    path = STORIES / f"{story.__name__}.log"
    text = "\n".join(story().log) + "\n"
    if os.environ.get("UPDATE_STORIES"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} differs: UPDATE_STORIES=1 accepts the change"
