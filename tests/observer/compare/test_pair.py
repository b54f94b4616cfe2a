"""Two answers to one request, and the vote that they are."""

import sys

import pytest

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
from model_rollouts.observer.compare.pair import Row
from model_rollouts.observer.protocols import Tensor, UnreadableError, Value

LABEL = Comparison("aaaaaaaa", "Label", "species")
SCORE = Comparison("bbbbbbbb", "Score", "price", 0.01)
RELATIVE = Comparison("cccccccc", "Score", "price", 0.01, is_relative=True)


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
    assert COMPARISONS[comparison.of](comparison, stable, candidate) == distance


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


def test_the_worst_are_kept() -> None:
    worst = Worst(kept=3)
    for score in (1.0, 5.0, 2.0, 4.0, 3.0, 3.0):
        worst.add(Case("p", f"r{score}", "", "aaaaaaaa", "differs", score))

    assert [each.score for each in worst.cases(9)] == [5.0, 4.0, 3.0]
    assert [each.score for each in worst.cases(1)] == [5.0]
