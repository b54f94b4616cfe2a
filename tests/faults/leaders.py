"""Histories with two operators, one of which leads: `python -m tests.faults.leaders SEED...`."""

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.faults import leader_faults, story
from tests.faults.catalogue import RATES, undisturbed
from tests.faults.examine import violations
from tests.faults.faults import AnswersLost, Fault, PrometheusAway, WatchDisturbed
from tests.faults.history import History, Planned, Scenario, play
from tests.faults.leader_faults import ClockWrong, CutOff, LeaseUnanswered
from tests.faults.people import Act, Moment
from tests.faults.scripts import SCRIPTS
from tests.faults.watch_source import Wire
from tests.faults.world import Variant

STAGES = ("Wanted", "Starting", "Canary", "Canary", "Watch")
HOUR_S = 3600.0
_WHO = ("leader", "leader", "standby")


def scenario(seed: int) -> Scenario:
    """What happens in the history of a seed."""
    dice = random.Random(f"{seed}/leaders")
    often = [each.often for each in SCRIPTS.values()]
    (name,) = dice.choices(list(SCRIPTS), often)
    tried = SCRIPTS[name].tried
    base = undisturbed(name, shadows=dice.random() < 0.3, rate=dice.choice(RATES))
    faults = tuple(_fault(dice, tried) for _ in range(dice.choice((0, 1, 1, 2))))
    acts = tuple((_act(dice, tried),) for _ in range(dice.choice((1, 1, 2, 3))))
    determined = not SCRIPTS[name].is_timed
    return replace(
        base, operators=2, faults=faults, meddling=acts, is_determined=determined, sampled=False
    )


def _moment(dice: random.Random, tried: str) -> Moment:
    if dice.random() < 0.2:
        return Moment(after=dice.uniform(0.0, 120.0))
    return Moment(dice.choice(STAGES), tried, dice.uniform(0.0, 15.0))


def _fault(dice: random.Random, tried: str) -> Planned:
    lasts = dice.choice((5.0, 15.0, 40.0, 300.0))
    makes: Sequence[Callable[[], Fault]] = (
        lambda: CutOff(lasts, dice.choice(_WHO)),
        lambda: CutOff(lasts),
        lambda: LeaseUnanswered(dice.choice(_WHO)),
        lambda: ClockWrong(dice.choice((-HOUR_S, HOUR_S)), dice.choice(_WHO)),
        lambda: AnswersLost(dice.choice((0.1, 0.5))),
        lambda: WatchDisturbed(dice.choice(list(Wire)), dice.uniform(2.0, 30.0), 1.0),
        lambda: PrometheusAway(),
    )
    return Planned(dice.choices(makes, (4, 1, 3, 2, 1, 1, 1))[0](), _moment(dice, tried), lasts)


def _act(dice: random.Random, tried: str) -> Act:
    moment = _moment(dice, tried)
    makes: Sequence[Callable[[], Act]] = (
        lambda: leader_faults.kills(moment, dice.choice(_WHO)),
        lambda: leader_faults.stops(moment, dice.choice(_WHO)),
        lambda: leader_faults.takes_away_the_lease(moment, deletes=dice.random() < 0.5),
    )
    return dice.choices(makes, (4, 2, 1))[0]()


def examine(seed: int, variant: Variant | None = None) -> tuple[dict[str, list[str]], History]:
    """What was not kept in the history of a seed, by its oracle."""
    history = play(f"leaders/{seed}", scenario(seed), variant)
    found = {
        oracle: [f"{at:.2f}: {words}" for at, words in each]
        for oracle, each in violations(history).items()
    }
    return found, history


def main(seeds: Sequence[str]) -> int:
    """Tell the stories of seeds; 1 when something was not kept."""
    wrong = 0
    for seed in seeds:
        found, history = examine(int(seed))
        wrong |= bool(found)
        print(f"seed {seed}: {history.scenario.name}", *story.lines(history), sep="\n")
        print(*(f"NOT KEPT {oracle}: {each}" for oracle, each in found.items()), sep="\n")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
