"""Step-wise tests on distributions: fair in each look, sure of real shifts, stored exactly."""

import itertools
import math
import random
from collections.abc import Sequence

import pytest

from model_rollouts.decision import (
    AgainstBaseline,
    AgainstReference,
    EvidenceRefusedError,
    ShareAbove,
    ShiftEvidence,
    encode_shift,
    log_mean,
    moved_ones,
    of_two_samples,
    resume_shift,
)

EVEN = (0.05,) * 20
TILTED = tuple(0.05 + 0.3 * (index - 9.5) / 200 * 2 for index in range(20))
"""Its distance from EVEN is 0.15."""


def drawn(rng: random.Random, of: Sequence[float], number: int) -> list[float]:
    found = [0.0] * len(of)
    for index in rng.choices(range(len(of)), of, k=number):
        found[index] += 1
    return found


def likelihood(counts: Sequence[int], of: Sequence[float]) -> float:
    ways = math.factorial(sum(counts)) / math.prod(map(math.factorial, counts))
    return ways * math.prod(share**count for share, count in zip(of, counts, strict=True))


def outcomes(requests: int, bins: int) -> list[tuple[int, ...]]:
    ranges = [range(requests + 1)] * bins
    return [each for each in itertools.product(*ranges) if sum(each) == requests]


@pytest.mark.parametrize("seen", [(0, 0, 0), (9, 1, 0), (0, 0, 40), (3, 3, 30)])
@pytest.mark.parametrize("truth", [(0.5, 0.3, 0.2), (0.55, 0.25, 0.2), (0.45, 0.3, 0.25)])
def test_a_look_is_fair_within_the_tolerance(seen: tuple[float, ...], truth: list[float]) -> None:
    test = AgainstReference((0.5, 0.3, 0.2), 0.05)
    before = ShiftEvidence(0.0, 0.0, seen)

    mean = math.fsum(
        likelihood(counts, truth) * math.exp(test.update(before, counts).log)
        for counts in outcomes(4, 3)
    )

    assert mean <= 1 + 1e-9


@pytest.mark.parametrize("seen", [(0, 0), (9, 1), (1, 30)])
@pytest.mark.parametrize(("p", "r"), [(0.3, 0.3), (0.3, 0.35), (0.62, 0.57), (0.05, 0.0)])
def test_a_look_at_two_versions_is_fair_within_the_tolerance(
    seen: tuple[float, ...], p: float, r: float
) -> None:
    test = AgainstBaseline(2, 0.05)
    before = ShiftEvidence(0.0, 0.0, seen, (6.0, 5.0))

    mean = math.fsum(
        likelihood(one, (p, 1 - p))
        * likelihood(other, (r, 1 - r))
        * math.exp(test.update(before, one, other).log)
        for one in outcomes(3, 2)
        for other in outcomes(5, 2)
    )

    assert mean <= 1 + 1e-9


def test_two_samples_of_one_distribution_give_a_mean_of_one_at_most() -> None:
    mean = math.fsum(
        likelihood(one, (0.3, 0.7))
        * likelihood(other, (0.34, 0.66))
        * math.exp(of_two_samples(one, other, 0.05))
        for one in outcomes(12, 2)
        for other in outcomes(20, 2)
    )

    assert mean <= 1 + 1e-9


def test_a_shift_is_found_and_its_reference_is_not() -> None:
    rng, test = random.Random(1), AgainstReference(EVEN)
    moved = same = test.start()
    for _ in range(60):
        moved = test.update(moved, drawn(rng, TILTED, 50))
        same = test.update(same, drawn(rng, EVEN, 50))

    assert moved.has_shifted
    assert not same.has_shifted
    assert same.log <= 0.5


def test_two_versions_that_change_alike_have_not_shifted() -> None:
    rng, test = random.Random(2), AgainstBaseline(20)
    alike = apart = test.start()
    for look in range(40):
        # The day itself moves both.
        now = TILTED if look >= 20 else EVEN
        stable = drawn(rng, now, 200)
        alike = test.update(alike, drawn(rng, now, 50), stable)
        apart = test.update(apart, drawn(rng, TILTED[::-1], 50), stable)

    assert not alike.has_shifted
    assert apart.has_shifted


def test_one_version_alone_shows_no_difference() -> None:
    test = AgainstBaseline(2)

    alone = test.update(test.start(), (500, 0), (0, 0))

    assert alone == ShiftEvidence(0.0, 0.0, (500, 0), (0, 0))


def test_missing_values_are_found_by_their_share_sooner_than_by_their_bin() -> None:
    by_share, by_bin = ShareAbove(0.005), AgainstReference((0.001, 0.999), 0.05)
    share, bin = by_share.start(), by_bin.start()
    for _ in range(25):
        share, bin = by_share.update(share, (2, 98)), by_bin.update(bin, (2, 98))

    assert share.has_shifted
    assert not bin.has_shifted
    assert not by_share.update(by_share.start(), (2, 998)).has_shifted


def test_a_shift_that_was_shown_stays_shown() -> None:
    test = AgainstReference((0.5, 0.5))
    shown = test.update(test.update(test.start(), (40, 0)), (40, 0))

    again = test.update(shown, (0, 60))

    assert shown.has_shifted
    assert again.log < shown.log
    assert again.highest == shown.highest
    assert again.has_shifted


def test_of_several_only_those_beyond_all_doubt_are_named() -> None:
    logs = [math.log(20 * 3) + 0.01, math.log(20 * 3) - 0.01, -5.0]

    assert moved_ones(logs) == [0]
    assert log_mean([math.log(3), math.log(9)]) == pytest.approx(math.log(6))


TESTS: list[AgainstReference | AgainstBaseline | ShareAbove] = [
    AgainstReference(EVEN),
    AgainstBaseline(20, 0.1),
    ShareAbove(0.01),
]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: type(test).__name__)
def test_evidence_is_stored_exactly_and_for_its_test_alone(
    test: AgainstReference | AgainstBaseline | ShareAbove,
) -> None:
    evidence = test.start()._replace(log=0.1 + 0.2, highest=math.pi)
    evidence = evidence._replace(counts=tuple(x + 0.1 for x in evidence.counts))

    text = encode_shift(test, evidence)

    assert resume_shift(text, test) == evidence
    for other in (*TESTS, AgainstReference(TILTED), AgainstReference(EVEN, 0.04)):
        if other != test:
            with pytest.raises(EvidenceRefusedError, match="another reference or tolerance"):
                resume_shift(text, other)
    for damaged in ("", "é", text[:-5], text[:9] + ("a" if text[9] != "a" else "b") + text[10:]):
        with pytest.raises(EvidenceRefusedError, match="damaged"):
            resume_shift(damaged, test)


def test_twenty_bins_are_short() -> None:
    assert len(encode_shift(TESTS[0], TESTS[0].start())) < 250


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AgainstReference((0.5, 0.4)), r"its shares sum to 0\.9"),
        (lambda: AgainstReference((1.0,)), "two bins or more"),
        (lambda: AgainstReference((1.5, -0.5)), "two bins or more"),
        (lambda: AgainstReference((0.5, 0.5), 0.0), "tolerance: found 0"),
        (lambda: AgainstBaseline(1), "bins: found 1"),
        (lambda: ShareAbove(0.5), "limit: found 0.5"),
        (lambda: ShareAbove().update(ShareAbove().start(), (1,)), "found 1 bins, need 2"),
        (
            lambda: AgainstBaseline(2).update(AgainstBaseline(2).start(), (1, 2), ()),
            "found 0 bins, need 2",
        ),
        (lambda: of_two_samples((1, -1), (1, 1)), "not negative"),
        (lambda: of_two_samples((1, 1), (1, math.nan)), "not negative"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
