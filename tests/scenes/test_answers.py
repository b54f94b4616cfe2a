"""What the records of users add up to."""

from e2e.scenes.answers import Answer, Answers


def answer(sent: float, told: str = "200", version: str = "1", ms: float = 10) -> Answer:
    """One record."""
    return Answer(sent, ms, told, version, f"m-{version}" if version else "")


def test_an_error_of_the_model_is_bad_and_one_without_a_model_is_lost() -> None:
    answers = Answers(
        [
            answer(1),
            answer(2, "500", "2"),
            answer(3, "503", ""),
            answer(4, "timeout", ""),
            answer(5, "ServerDisconnectedError", ""),
        ]
    )

    assert [one.sent for one in answers.bad] == [2]
    assert [one.sent for one in answers.lost] == [3, 4, 5]


def test_the_gateways_own_answer_is_lost_though_it_names_a_revision() -> None:
    """The route marks answers with the revision that was chosen, also when nobody was there."""
    refused = Answer(1, 10, "503", "", "m-2")

    assert len(Answers([refused]).lost) == 1


def test_exposure_runs_from_the_first_request_sent_to_the_last_answer() -> None:
    slow_one_first = [answer(10, version="2", ms=5_000), answer(12, version="2", ms=10)]

    assert Answers(slow_one_first).exposure == 5
    assert Answers([]).exposure == 0


def test_records_are_in_the_order_in_which_they_were_sent() -> None:
    answers = Answers([answer(3), answer(1), answer(2)])

    assert (answers.first.sent, answers.last.sent) == (1, 3)
    assert [one.sent for one in answers.since(2)] == [2, 3]


def test_users_are_settled_from_the_first_of_so_many_good_answers_in_a_row() -> None:
    answers = Answers(
        [answer(1), answer(2, "500", ""), answer(3), answer(4), answer(5), answer(6, "500", "")]
    )

    assert answers.settled(3) == 3
    assert answers.settled(4) is None
