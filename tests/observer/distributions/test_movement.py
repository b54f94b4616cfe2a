"""What moved is named with how much, and from what to what; what did not, is not."""

import random
from collections.abc import Sequence

import pytest

from model_rollouts.observer.distributions import (
    Categories,
    Column,
    Dataset,
    IncomparableError,
    Numbers,
    Reference,
    added,
    compare,
)
from model_rollouts.observer.distributions.reference import FORMAT

DATASET = Dataset("sha256:" + "a" * 64)
HOURS = (0, 4, 8, 12, 16, 20, 23)


def hour(*counts: int, **others: int) -> Numbers:
    return Numbers("hour", HOURS, counts, **others, is_whole=True)


def carrier(*counts: int, **others: int) -> Categories:
    return Categories("carrier", ("UA", "DL"), counts, **others)


def of(*inputs: Column, score: Column | None = None, **importances: float) -> Reference:
    rows = sum(inputs[0].cells) + inputs[0].missing
    return Reference(FORMAT, 1, rows, DATASET, inputs, score, None, importances)


BEFORE = hour(500, 600, 3_000, 3_000, 2_000, 900)


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        (BEFORE, hour(500, 3_100, 500, 3_000, 2_000, 900), "31 % in 4-7, was 6 %"),
        # A run of bins, not only the largest of them.
        (BEFORE, hour(2_000, 2_500, 1_100, 1_500, 2_000, 900), "45 % in 0-7, was 11 %"),
        (BEFORE, hour(500, 600, 1_500, 1_500, 2_000, 900, missing=3_000), "30 % missing, was 0 %"),
        (BEFORE, hour(0, 0, 500, 500, 0, 0, above=9_000), "90 % above 23, was 0 %"),
        (carrier(6_000, 4_000), carrier(2_000, 8_000), "80 % 'DL', was 40 %"),
        (
            carrier(6_000, 4_000),
            carrier(5_000, 4_000, others=1_000),
            "10 % other values than the reference has, was 0 %",
        ),
        (
            carrier(6_000, 3_900, others=100),
            carrier(5_000, 3_900, others=1_100),
            "11 % other values, was 1 %",
        ),
    ],
)
def test_what_moved_is_said(before: Column, now: Column, sentence: str) -> None:
    (movement,) = compare(of(before), of(now)).movements

    assert movement.has_moved
    assert movement.sentence == sentence


def test_distance_is_the_share_of_rows_that_are_elsewhere() -> None:
    (movement,) = compare(of(BEFORE), of(hour(500, 3_100, 500, 3_000, 2_000, 900))).movements

    assert movement.distance == pytest.approx(0.25)


def test_within_the_tolerance_nothing_moves_however_many_rows_there_are() -> None:
    big, moved = (tuple(1_000_000 * x for x in row) for row in ((50, 50), (54, 46)))

    within = compare(of(carrier(*big)), of(carrier(*moved)), 0.05)
    beyond = compare(of(carrier(*big)), of(carrier(*moved)), 0.03)

    assert within.moved == ()
    assert [each.name for each in beyond.moved] == ["carrier"]


def test_a_column_has_a_tolerance_of_its_own() -> None:
    here, there = of(carrier(5_000, 5_000)), of(carrier(7_000, 3_000))

    assert compare(here, there).moved
    assert not compare(here, there, tolerances={"carrier": 0.3}).moved


def test_a_few_rows_prove_nothing() -> None:
    (movement,) = compare(of(BEFORE), of(hour(2, 3, 1, 0, 0, 0))).movements

    assert movement.distance > 0.4
    assert not movement.has_moved


def test_a_missing_share_far_below_the_tolerance_is_found() -> None:
    now = hour(485, 582, 2_910, 2_910, 1_940, 873, missing=300)

    (movement,) = compare(of(BEFORE), of(now)).movements

    assert movement.has_moved
    assert movement.sentence == "3 % missing, was 0 %"


def test_those_that_moved_come_first_and_the_important_ones_before_others() -> None:
    other = Numbers("other", (0, 1, 1), (5_000, 5_000))
    still = Numbers("still", (0, 1, 1), (5_000, 5_000))
    before = of(carrier(5_000, 5_000), other, still, carrier=0.1, other=0.9)
    now = of(carrier(2_000, 8_000), Numbers("other", (0, 1, 1), (3_500, 6_500)), still)

    found = compare(before, now)

    assert [(each.name, each.has_moved) for each in found.movements] == [
        ("other", True),
        ("carrier", True),
        ("still", False),
    ]


def test_columns_that_one_of_them_lacks_are_named() -> None:
    score = Numbers("score", (0, 0.5, 1), (9_000, 1_000))

    found = compare(of(carrier(5_000, 5_000), BEFORE), of(BEFORE, score=score))

    assert (found.gone, found.new) == (("carrier",), ("score",))


@pytest.mark.parametrize(
    "other",
    [
        Numbers("hour", (0, 5, 8, 12, 16, 20, 23), (500, 600, 3_000, 3_000, 2_000, 900)),
        Categories("hour", ("1",), (10_000,)),
    ],
)
def test_other_bins_are_refused(other: Column) -> None:
    with pytest.raises(IncomparableError, match=r"'hour' is in other bins.*--like"):
        compare(of(BEFORE), of(other))


def test_a_tolerance_of_an_unknown_column_is_refused() -> None:
    with pytest.raises(IncomparableError, match="the reference has no column 'hours'"):
        compare(of(BEFORE), of(BEFORE), tolerances={"hours": 0.1})


def test_samples_of_one_distribution_name_nothing() -> None:
    """Twenty inputs, two hundred times: at most 5 % may name any, and the bound is far away."""
    rng = random.Random(3)
    shares = (0.05, 0.06, 0.3, 0.3, 0.2, 0.09)

    def drawn(rows: int) -> Sequence[int]:
        found = rng.choices(range(6), shares, k=rows)
        return [found.count(index) for index in range(6)]

    named = 0
    for _ in range(200):
        here, there = (
            of(*(Numbers(f"x{n}", HOURS, tuple(drawn(rows))) for n in range(20)))
            for rows in (400, 100)
        )
        named += bool(compare(here, there, 0.01).moved)

    assert named <= 10


def test_parts_are_added_up_where_all_of_them_have_a_column_in_the_same_bins() -> None:
    other = Numbers("other", (0, 1, 1), (30, 70))
    one = of(hour(10, 20, 30, 30, 5, 5), carrier(40, 60), other)
    two = of(hour(1, 2, 3, 0, 0, 0, missing=4), Numbers("other", (0, 2, 2), (5, 5)), carrier(3, 7))

    whole = added([one, two])

    assert whole.rows == 110
    assert whole.inputs == (hour(11, 22, 33, 30, 5, 5, missing=4), carrier(43, 67))
    assert compare(whole, whole).moved == ()
    with pytest.raises(IncomparableError, match="no input is in all parts"):
        added([of(other), of(carrier(3, 7))])
