"""The situations: a row each, with what is drawn anew in every trial."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.situations.world import CANDIDATE, STABLE, Gap, Outage, World

SKEWED = (0.9, 2.9, 3.9)
"""Stable's pods are scraped 4, 2 and 1 s before the candidate's, at 4.9 s of each interval."""
EQUAL = (4.9, 4.9, 4.9)
APART = (1.0, 2.5, 4.9)
USUAL = 0.0005
"""Share of errors of a service within its objective of 99.9 %."""

Gaps = Callable[[float], tuple[Gap, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One situation; `outage` is (seconds, share), at a time that is drawn, and gaps lie around it.

    `finds` says that the version is bad: what counts is how soon that is found.
    """

    name: str
    requests: float
    weight: float = 0.1
    errors: float = USUAL
    target: str = "99.9%"
    seconds: float = 300.0
    stable_at: tuple[float, ...] = SKEWED
    candidate_at: tuple[float, ...] = (4.9,)
    outage: tuple[float, float] | None = None
    gaps: Gaps = field(default=lambda _: ())
    shadow: bool = False
    finds: bool = False

    def world(self, rng: np.random.Generator) -> World:
        """One trial of it."""
        at = float(rng.uniform(40, self.seconds - 80))
        outages = (Outage(at, *self.outage),) if self.outage else ()
        return World(
            requests=self.requests,
            weight=self.weight,
            errors=self.errors,
            stable_errors=USUAL,
            seconds=self.seconds,
            candidate_at=self.candidate_at,
            stable_at=self.stable_at,
            outages=outages,
            gaps=self.gaps(at),
            shadow=self.shadow,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seldom:
    """A service that is seldom asked, counted every 5 s; `in_turns`: by either version in turn.

    `outages` are (seconds from one to the next, seconds, share) of those that both have.
    """

    name: str
    requests: float
    weight: float = 0.1
    errors: float = USUAL
    stable_errors: float = USUAL
    hours: float = 24.0
    in_turns: bool = False
    outages: tuple[float, float, float] | None = None
    finds: bool = False


def _unscraped(revision: str, before: float, seconds: float, pods: int | None = None) -> Gaps:
    return lambda at: (Gap(revision, at - before, seconds, pods),)


def _both(at: float) -> tuple[Gap, ...]:
    return (Gap(STABLE, at - 5, 25), Gap(CANDIDATE, at - 2, 20))


def _never(_: float) -> tuple[Gap, ...]:
    return (Gap(STABLE, -1e4, 1e5),)


def good() -> Iterator[Row]:
    """Versions that are as good as stable: none may be rolled back."""
    for rate in (500.0, 50.0):
        for seconds, share in ((1.0, 1.0), (10.0, 1.0), (60.0, 1.0), (10.0, 0.2)):
            outage = f"outage of both, {share:.0%} for {seconds:g} s, {rate:g} req/s"
            yield Row(name=outage, requests=rate, outage=(seconds, share))
            yield Row(
                name=f"{outage}, shadow",
                requests=rate,
                weight=1.0 if rate == 50 else 0.1,
                outage=(seconds, share),
                shadow=True,
            )
    ten = (10.0, 1.0)
    for name, gaps in (
        ("one scrape of the candidate fails in it", _unscraped(CANDIDATE, -3, 5)),
        ("the candidate's scrapes fail for 25 s", _unscraped(CANDIDATE, 5, 25)),
        ("one scrape of stable fails in it", _unscraped(STABLE, -3, 5)),
        ("stable's scrapes fail for 25 s", _unscraped(STABLE, 5, 25)),
        ("stable's scrapes fail for 50 s", _unscraped(STABLE, 5, 50)),
        ("one pod of stable is not scraped for 25 s", _unscraped(STABLE, 5, 25, 1)),
        ("scrapes of both fail", _both),
    ):
        yield Row(name=f"the 10 s outage at 500 req/s, {name}", requests=500, outage=ten, gaps=gaps)
    yield Row(
        name="the 10 s outage at 500 req/s, three pods of the candidate scraped apart",
        requests=500,
        outage=ten,
        candidate_at=APART,
    )
    yield Row(
        name="the same, and one of these is not scraped for 25 s",
        requests=500,
        outage=ten,
        candidate_at=APART,
        gaps=_unscraped(CANDIDATE, 5, 25, 1),
    )


def bad() -> Iterator[Row]:
    """Versions that have to be rolled back."""
    for at, words in ((EQUAL, "scraped at once"), (SKEWED, "skewed")):
        for target in ("99.9%", "99%"):
            yield Row(
                name=f"5 % errors at 50 req/s, objective {target}, {words}",
                requests=50,
                errors=0.05,
                target=target,
                stable_at=at,
                finds=True,
            )
        yield Row(
            name=f"100 % errors at 50 req/s, {words}",
            requests=50,
            errors=1.0,
            stable_at=at,
            finds=True,
        )
    for share in (1.0, 0.05):
        yield Row(
            name=f"{share:.0%} errors at 50 req/s, stable is never scraped",
            requests=50,
            errors=share,
            gaps=_never,
            seconds=3600,
            finds=True,
        )


def seldom() -> Iterator[Seldom]:
    """Services that are seldom asked."""
    yield Seldom(
        name="0.02 req/s in turns, 100 % errors",
        requests=0.02,
        errors=1.0,
        in_turns=True,
        finds=True,
    )
    yield Seldom(name="0.05 req/s, 100 % errors", requests=0.05, errors=1.0, finds=True)
    yield Seldom(name="0.2 req/s, 20 % errors", requests=0.2, errors=0.2, finds=True)
    yield Seldom(name="0.2 req/s, 5 % errors", requests=0.2, errors=0.05, finds=True)
    yield Seldom(name="1 req/s, 1 % errors", requests=1.0, errors=0.01, finds=True)
    yield Seldom(name="1 req/s, 0.3 % errors", requests=1.0, errors=0.003, finds=True)
    yield Seldom(
        name="0.2 req/s, both at the limit of 0.1 %",
        requests=0.2,
        errors=0.001,
        stable_errors=0.001,
    )
    yield Seldom(
        name="0.05 req/s, an outage of both, 100 % for 60 s each hour",
        requests=0.05,
        outages=(3600.0, 60.0, 1.0),
    )
    yield Seldom(
        name="0.02 req/s, an outage of both, 100 % for 5 min each 2 h",
        requests=0.02,
        weight=0.3,
        outages=(7200.0, 300.0, 1.0),
    )
    yield Seldom(
        name="1 req/s, an outage of both, 100 % for 10 s each 10 min",
        requests=1.0,
        hours=6.0,
        outages=(600.0, 10.0, 1.0),
    )
