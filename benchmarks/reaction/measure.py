"""Bad versions, one after the other, and what users had of each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from e2e.scenes import past
from e2e.scenes.manifest import Wanted
from e2e.scenes.stage import Stage
from e2e.scenes.stories import fall, first_version

RATE = 50
PAST_ERRORS = 0.0002
ERRORS = "0.05"
STEPS = ("10%",)
STEP_DURATION = "1h"
"""Longer than any run: the canary stays at 10 %."""
TARGETS = ("99.9%", "99%")


@dataclass(frozen=True)
class Case:
    """What is measured: an objective, of a service that has a day of history or is young."""

    target: str
    history: bool

    def __str__(self) -> str:
        """As the page names it."""
        return f"objective {self.target}, {'a day of history' if self.history else 'young'}"


@dataclass
class Reaction:
    """One bad version. Seconds, and counts of users' requests.

    `exposure_s` runs from the first request that the version got to the last answer that it gave.
    """

    run: int
    exposure_s: float
    answers: int
    bad: int
    lost: int
    behind_the_scrape_s: float
    behind_the_decision_s: float


def measure(stage: Stage, case: Case, runs: int) -> Iterator[Reaction]:
    """The reactions to `runs` bad versions with 5 % errors; each run draws errors of its own."""
    first = Wanted("1", target=case.target, steps=STEPS, step_duration=STEP_DURATION)
    serving = first_version(stage, first, RATE)
    if case.history:
        revision = serving.object["status"]["stable"]["revision"]
        # A service without a failed request in a day tells nothing of bursts, as a young one.
        past.give(stage.cluster, stage.namespace, revision, RATE, errors=PAST_ERRORS)
    for run in range(1, runs + 1):
        if run > 1:
            traffic = stage.traffic(RATE)
            serving = replace(serving, traffic=traffic, settled=traffic.start())
        bad = replace(
            first, version=f"bad-{run}", switches={"ERRORS": ERRORS, "SEED": str(1000 + run)}
        )
        found = fall(stage, serving, bad, seconds=600)
        mine = found.answers.of(bad.version)
        yield Reaction(
            run,
            round(mine.exposure, 2),
            len(mine),
            len(mine.bad),
            len(found.answers.lost),
            round(found.behind_the_scrape, 2),
            round(found.behind_the_decision, 3),
        )
