"""What many histories say together."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.examine import Examined

FALSE_ROLLBACK = 0.01
FALSE_PROMOTION = 0.05
"""What `strategy.advanced` promises by default."""

ALARM = 1e-3
"""How improbable more wrong verdicts than promised must be by chance, to be called too many."""

SHOWN = 8
"""Seeds that are named for each oracle."""


@dataclass
class Summary:
    """Counts of histories, as they come in."""

    histories: int = 0
    took_s: float = 0.0
    simulated_s: float = 0.0
    failed: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    troubles: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    good: int = 0
    rolled_back: int = 0
    bad: int = 0
    promoted: int = 0

    def add(self, examined: Examined) -> None:
        """One more history."""
        self.histories += 1
        self.took_s += examined.took_s
        self.simulated_s += examined.simulated_s
        for oracle in examined.found:
            self.failed[oracle].append(examined.seed)
            kinds = [each.partition("(")[0] for each in examined.trouble] or ["nothing"]
            self.troubles[oracle].update(kinds)
        for judgement in examined.judgements:
            if judgement.is_good:
                self.good += 1
                self.rolled_back += judgement.was_rolled_back
            else:
                self.bad += 1
                self.promoted += judgement.was_promoted

    def verdicts(self) -> Iterator[str]:
        """Verdicts are wrong as seldom as promised, over all histories together.

        At most 1 in 100 good versions is rolled back by one, and 5 in 100 bad ones promoted.
        """
        if at_least(self.rolled_back, self.good, FALSE_ROLLBACK) < ALARM:
            yield f"{self.rolled_back} of {self.good} good versions were rolled back by a verdict"
        if at_least(self.promoted, self.bad, FALSE_PROMOTION) < ALARM:
            yield f"{self.promoted} of {self.bad} bad versions were promoted by a verdict"

    @property
    def is_sound(self) -> bool:
        """Whether every promise was kept."""
        return not self.failed and not list(self.verdicts())

    def lines(self) -> Iterator[str]:
        """For people."""
        per_hour = 3600 * self.histories / self.took_s if self.took_s else 0.0
        yield (
            f"{self.histories:,} histories of {self.simulated_s / max(self.histories, 1) / 60:.0f} "
            f"min; {per_hour:,.0f} an hour on one core"
        )
        yield (
            f"{self.rolled_back} of {self.good:,} good versions rolled back by a verdict, "
            f"{self.promoted} of {self.bad:,} bad ones promoted"
        )
        for oracle, seeds in sorted(self.failed.items(), key=lambda each: -len(each[1])):
            named = ", ".join(map(str, sorted(seeds)[:SHOWN]))
            more = ", ..." if len(seeds) > SHOWN else ""
            yield f"{len(seeds):6} failed {oracle}: seeds {named}{more}"
            kinds = self.troubles[oracle].most_common(4)
            yield "       beside " + ", ".join(f"{kind} ({count})" for kind, count in kinds)
        yield from self.verdicts()

    def to_json(self) -> Mapping[str, Any]:
        """For a file."""
        return {
            "histories": self.histories,
            "took_s": self.took_s,
            "simulated_s": self.simulated_s,
            "failed": {oracle: sorted(seeds) for oracle, seeds in self.failed.items()},
            "troubles": {oracle: dict(kinds) for oracle, kinds in self.troubles.items()},
            "good": self.good,
            "rolled_back": self.rolled_back,
            "bad": self.bad,
            "promoted": self.promoted,
            "verdicts": list(self.verdicts()),
        }


def at_least(found: int, of: int, share: float) -> float:
    """The probability of so many or more `of` independent ones that have a chance of `share`."""
    return 1.0 - sum(
        math.comb(of, each) * share**each * (1 - share) ** (of - each) for each in range(found)
    )


def summary_of(examined: Iterable[Examined]) -> Summary:
    """The summary of histories."""
    summary = Summary()
    for each in examined:
        summary.add(each)
    return summary
