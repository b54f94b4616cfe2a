"""Two answers to one request, and the vote that they are."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.observer.compare import (
    COMPARISONS,
    Answer,
    Case,
    Comparison,
    Outcome,
    Verdict,
    Worst,
    compared,
    rows_of,
)
from model_rollouts.observer.compare.catalogue import Row
from model_rollouts.observer.protocols import Tensor, UnreadableError, Value

LABEL = Comparison("aaaaaaaa", "Label", "species")
SCORE = Comparison("bbbbbbbb", "Score", "price", 0.01)
RELATIVE = Comparison("cccccccc", "Score", "price", 0.01, is_relative=True)
FURTHEST = Comparison("dddddddd", "Vector", amount=0.1)
MEAN = Comparison("eeeeeeee", "Vector", amount=0.1, is_relative=True, distance="Mean")
ANGLE = Comparison("ffffffff", "Vector", amount=0.01, distance="Cosine")
FIRST_THREE = Comparison("11111111", "Ranking", top=3, least=2 / 3)
WORDS = Comparison("22222222", "Text")
MOST_WORDS = Comparison("33333333", "Text", least=0.8)
JSON = Comparison("44444444", "JSON")
FIELDS = Comparison("55555555", "JSON", fields=("total", "items.0.price"))
ORDER = '{"total": 3, "items": [{"price": 1.0}], "note": "%s"}'


def answer(*rows: Row, of: Comparison = LABEL) -> Answer:
    return Answer(Outcome.ANSWERED, {of.digest: rows})


@pytest.mark.parametrize(
    ("comparison", "stable", "candidate", "distance"),
    [
        (LABEL, "cat", "cat", 0),
        (LABEL, "cat", "dog", 1),
        (LABEL, 1, 1.0, 0),
        (LABEL, 1, "1", 1),
        (SCORE, 0.30, 0.31, 0),
        (SCORE, 0.30, 0.3101, pytest.approx(0.0101)),
        (SCORE, -1e308, 1e308, sys.float_info.max),
        (SCORE, 10**400, 10**400, 0),
        (SCORE, 10**400, 1, sys.float_info.max),
        (RELATIVE, 100, 101, 0),
        (RELATIVE, 100, 101.1, pytest.approx(1.1)),
        (RELATIVE, 0, 0.001, pytest.approx(0.001)),
        (RELATIVE, -100, -101, 0),
        (RELATIVE, 1e308, 1.005e308, 0),
    ],
)
def test_how_far_two_values_are_apart(
    comparison: Comparison, stable: Value, candidate: Value, distance: float
) -> None:
    assert COMPARISONS[comparison.of].distance(comparison, stable, candidate) == distance


@pytest.mark.parametrize(
    ("comparison", "stable", "candidate", "distance"),
    [
        (FURTHEST, (0.2, 0.8), (0.3, 0.7), 0),
        (FURTHEST, (0.2, 0.8), (0.2, 0.5), pytest.approx(0.3)),
        (FURTHEST, (1e308, 0), (-1e308, 0), sys.float_info.max),
        (FURTHEST, (10**400, 0), (10**400, 0), 0),
        (FURTHEST, (10**400, 0), (0, 0), sys.float_info.max),
        (FURTHEST, (1, 2), (1, 2, 3), 1),
        (FURTHEST, 1.0, 1.05, 0),
        (FURTHEST, (), (), 0),
        # A tenth of (10 + 30) / 2 is 2; they are 1.5 and 2.5 apart.
        (MEAN, (10, 30), (12, 31), 0),
        (MEAN, (10, 30), (12, 33), pytest.approx(2.5)),
        (MEAN, (1e308, 1e308), (1e308, 1.1e308), 0),
        (ANGLE, (1, 0), (7, 0), 0),
        (ANGLE, (1, 0), (0, 1), pytest.approx(1)),
        (ANGLE, (1, 0), (-1, 0), pytest.approx(2)),
        (ANGLE, (1e300, 1e300), (1e-300, 1e-300), 0),
        (ANGLE, (0, 0), (0, 0), 0),
        (ANGLE, (0, 0), (0, 1), 1),
        (FIRST_THREE, ("a", "b", "c", "d"), ("c", "b", "a", "x"), 0),
        (FIRST_THREE, ("a", "b", "c"), ("b", "c", "d"), 0),
        (FIRST_THREE, ("a", "b", "c"), ("c", "d", "e"), pytest.approx(2 / 3)),
        (FIRST_THREE, ("a", "b", "c"), ("a",), pytest.approx(2 / 3)),
        (FIRST_THREE, (), ("a",), 1),
        (FIRST_THREE, (), (), 0),
        (WORDS, "Yes, it is.", "yes  it IS", 0),
        (WORDS, "it is", "is it", 1),
        (WORDS, "caf\u00e9", "cafe\u0301", 0),
        (WORDS, "1", 1, 1),
        (MOST_WORDS, "the cat sat on the mat", "The cat sat on a mat!", 0),
        (MOST_WORDS, "the cat sat on the mat", "a dog lay on a rug", pytest.approx(5 / 6)),
        (MOST_WORDS, "...", "!", 0),
        (MOST_WORDS, "", "some", 1),
        (JSON, ORDER % "x", '{"note":"x","items":[{"price":1}],"total":3}', 0),
        (JSON, ORDER % "x", ORDER % "y", 1),
        (JSON, "[1]", "[true]", 1),
        (JSON, "[1, 2]", "[1]", 1),
        (JSON, "[1]", "[1", 1),
        (JSON, "no JSON", "no JSON", 0),
        (JSON, "no JSON", "none", 1),
        (JSON, "[1]", "[" * 100_000, 1),
        (FIELDS, ORDER % "x", ORDER % "y", 0),
        (FIELDS, ORDER % "x", '{"total": 3, "items": []}', 0.5),
        (FIELDS, ORDER % "x", "[]", 1),
        (FIELDS, "[]", "{}", 0),
    ],
)
def test_how_far_two_rows_are_apart(
    comparison: Comparison, stable: Row, candidate: Row, distance: float
) -> None:
    assert COMPARISONS[comparison.of].distance(comparison, stable, candidate) == distance


ROWS = st.one_of(
    st.text(max_size=20),
    st.lists(st.integers(), max_size=4).map(tuple),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4).map(tuple),
    st.lists(st.text(max_size=3), max_size=4).map(tuple),
)


@pytest.mark.parametrize(
    "comparison", [LABEL, SCORE, FURTHEST, MEAN, ANGLE, FIRST_THREE, MOST_WORDS, JSON, FIELDS]
)
@given(st.data())
def test_equal_rows_agree_and_every_distance_can_be_told(
    comparison: Comparison, data: st.DataObject
) -> None:
    kind = COMPARISONS[comparison.of]
    one, other = data.draw(ROWS), data.draw(ROWS)
    if kind.is_of_numbers and any(
        isinstance(each, str) for row in (one, other) for each in (row, *row)
    ):
        return

    assert kind.distance(comparison, one, one) == 0
    assert 0 <= kind.distance(comparison, one, other) <= sys.float_info.max


def test_a_pair_agrees_or_disagrees() -> None:
    assert compared(answer("cat"), answer("cat"), LABEL, "r") == Verdict(distances=[0.0])
    assert compared(answer("cat"), answer("dog"), LABEL, "r") == Verdict(
        disagrees=True, why="differs", distances=[1.0]
    )


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (Answer(Outcome.FAILED), "failed"),
        (Answer(Outcome.UNREADABLE), "unreadable"),
        (Answer(Outcome.ANSWERED), "unreadable"),
        (answer("cat", "cat"), "rows"),
    ],
)
def test_a_candidate_that_answers_with_an_error_or_with_nonsense_disagrees(
    candidate: Answer, why: str
) -> None:
    assert compared(answer("cat"), candidate, LABEL, "r") == Verdict(disagrees=True, why=why)


@pytest.mark.parametrize(
    ("stable", "candidate", "left_out"),
    [
        (Answer(Outcome.FAILED), answer("cat"), "stable_failed"),
        (Answer(Outcome.FAILED), Answer(Outcome.FAILED), "stable_failed"),
        (Answer(Outcome.NO_ANSWER), answer("cat"), "stable_no_answer"),
        (Answer(Outcome.BROKEN_OFF), Answer(Outcome.BROKEN_OFF), "stable_broken_off"),
        (Answer(Outcome.CUT), answer("cat"), "stable_cut"),
        (Answer(Outcome.NOT_CAPTURED), answer("cat"), "stable_not_captured"),
        (Answer(Outcome.ANSWERED), answer("cat"), "stable_unreadable"),
        (answer("cat"), Answer(Outcome.NO_ANSWER), "candidate_no_answer"),
        (answer("cat"), Answer(Outcome.BROKEN_OFF), "candidate_broken_off"),
        (answer("cat"), Answer(Outcome.CUT), "candidate_cut"),
        (answer("cat"), Answer(Outcome.NOT_CAPTURED), "candidate_not_captured"),
        (answer(), answer(), "no_rows"),
    ],
)
def test_what_cannot_be_compared_is_no_vote(
    stable: Answer, candidate: Answer, left_out: str
) -> None:
    assert compared(stable, candidate, LABEL, "r") == Verdict(left_out=left_out)


def test_of_many_rows_one_votes_and_each_is_as_likely() -> None:
    stable, candidate = answer(*range(10)), answer(*range(9), 77)

    verdicts = [compared(stable, candidate, LABEL, f"request-{n}") for n in range(2_000)]

    assert 0.07 < sum(each.disagrees for each in verdicts) / 2_000 < 0.13
    assert {each.furthest for each in verdicts} == {9}
    again = compared(stable, candidate, LABEL, "request-7")
    assert again == verdicts[7]


def test_rows_of_several_values_agree_when_all_do() -> None:
    of = Comparison("dddddddd", "Score", "p", 0.1)

    near = compared(answer((0.2, 0.8), of=of), answer((0.25, 0.75), of=of), of, "r")
    far = compared(answer((0.2, 0.8), of=of), answer((0.5, 0.5), of=of), of, "r")
    other = compared(answer((0.2, 0.8), of=of), answer(0.2, of=of), of, "r")

    assert not near.disagrees
    assert far.distances == pytest.approx([0.3])
    assert other.disagrees


def test_the_output_is_the_one_that_is_named_or_the_only_one() -> None:
    species = Tensor("species", 2, 1, ["cat", "dog"], True)
    price = Tensor("price", 2, 1, [1.0, 2.0], False)

    assert rows_of([price, species], LABEL) == ["cat", "dog"]
    assert rows_of([price], Comparison("e", "Score")) == [1.0, 2.0]
    with pytest.raises(UnreadableError, match="'species' is not in the answer"):
        rows_of([price], LABEL)
    with pytest.raises(UnreadableError, match=r"found 2 outputs: write in disagreement\.output"):
        rows_of([price, species], Comparison("e", "Label"))
    with pytest.raises(UnreadableError, match="'species' has texts: no score"):
        rows_of([species], Comparison("e", "Score", "species"))
    with pytest.raises(UnreadableError, match="'species' has texts: no vector"):
        rows_of([species], Comparison("e", "Vector", "species"))


def test_the_worst_are_kept() -> None:
    worst = Worst(kept=3)
    for score in (1.0, 5.0, 2.0, 4.0, 3.0, 3.0):
        worst.add(Case("p", f"r{score}", "", "aaaaaaaa", "differs", score))

    assert [each.score for each in worst.cases(9)] == [5.0, 4.0, 3.0]
    assert [each.score for each in worst.cases(1)] == [5.0]
