"""150 histories in which every promise is kept; `make test-faults` plays more."""

import os
import re
import subprocess
import sys

import pytest

from e2e.cluster.paths import REPOSITORY
from tests.faults.examine import examine

HISTORIES = 150
TOGETHER = 25

SEEDS = ("7", "64", "274")


@pytest.mark.parametrize("first", range(0, HISTORIES, TOGETHER))
def test_every_promise_is_kept(first: int) -> None:
    examined = [examine(seed)[0] for seed in range(first, first + TOGETHER)]

    broken = [
        f"python -m tests.faults replay {each.seed}: {oracle}: {found[0][1]}"
        for each in examined
        for oracle, found in each.found.items()
    ]
    assert not broken, "\n".join(broken)


def test_a_seed_always_has_the_same_history() -> None:
    told = []
    for order in ("1", "2"):
        # Sets of strings have another order with another seed of their hashes.
        environment = {**os.environ, "PYTHONHASHSEED": order}
        command = [sys.executable, "-m", "tests.faults", "replay", *SEEDS]
        told.append(
            subprocess.run(
                command, cwd=REPOSITORY, env=environment, capture_output=True, check=False
            )
        )

    assert told[0].stdout == told[1].stdout
    stories = re.split("^seed ", told[0].stdout.decode(), flags=re.MULTILINE)[1:]
    assert len(stories) == len(SEEDS), told[0].stderr.decode()
    assert all(len(story.splitlines()) > 20 for story in stories)
