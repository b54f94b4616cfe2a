"""A good version is promoted, bad ones are rolled back, and people may step in; users lose nothing.

The stories play at the same time, each on a stage of its own; the tests ask what happened.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import pytest

from e2e.scenes.answers import GAVE_UP
from e2e.scenes.conftest import OpenStage
from e2e.scenes.hands import WHY, Hands, hands
from e2e.scenes.manifest import Wanted
from e2e.scenes.rollout import conditions
from e2e.scenes.stage import Stage
from e2e.scenes.stories import Promotion, RolledBack, promotion, rolled_back

MOST_WRITES = 18
"""Of the operator for one promotion, events apart; Flagger makes 18, Argo Rollouts 39."""
MOST_SECONDS_BEHIND_THE_SCRAPE = 2.0
MOST_SECONDS_BEHIND_THE_DECISION = 1.0

Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Playing:
    """The stories under way."""

    promotion: Future[Promotion]
    errors: Future[RolledBack]
    hung: Future[RolledBack]
    hands: Future[Hands]


@pytest.fixture(scope="module")
def playing(open_stage: OpenStage) -> Iterator[Playing]:
    """All stories, begun."""

    def play(title: str, story: Callable[[Stage], Facts]) -> Facts:
        with open_stage(title) as stage:
            return story(stage)

    bad = Wanted("3", {"ERRORS": "0.05"})
    hung = Wanted("4", {"HANG": "true"})
    with ThreadPoolExecutor() as pool:
        yield Playing(
            pool.submit(play, "promotion", promotion),
            pool.submit(play, "errors", lambda stage: rolled_back(stage, bad)),
            pool.submit(play, "hung", lambda stage: rolled_back(stage, hung, rate=20, patience=1)),
            pool.submit(play, "hands", hands),
        )


@pytest.fixture
def promoted(playing: Playing) -> Promotion:
    """Version 2 was good, and later version 1 was wanted again."""
    return playing.promotion.result()


@pytest.fixture
def errors(playing: Playing) -> RolledBack:
    """Version 3 had 5 % errors."""
    return playing.errors.result()


@pytest.fixture
def hung(playing: Playing) -> RolledBack:
    """Version 4 never answered, and its clients gave up after a second."""
    return playing.hung.result()


@pytest.fixture
def handled(playing: Playing) -> Hands:
    """People stepped in again and again."""
    return playing.hands.result()


def told(obj: dict[str, object]) -> dict[str, str]:
    """The conditions as `type: status`."""
    return {kind: condition["status"] for kind, condition in conditions(obj).items()}


def test_a_first_version_is_full_and_says_so(promoted: Promotion) -> None:
    first = promoted.first

    assert first["status"]["phase"] == "Full"
    assert first["status"]["stable"]["version"] == "1"
    assert first["status"]["observedGeneration"] == first["metadata"]["generation"]
    assert {"Ready": "True", "Available": "True"}.items() <= told(first).items()
    assert not {"Reconciling", "Stalled"} & told(first).keys()


def test_a_good_version_is_promoted_step_by_step(promoted: Promotion) -> None:
    status = promoted.promoted["status"]
    weights = [round(write.candidate_share, 2) for write in promoted.route[:2]]

    assert status["stable"]["version"] == "2"
    assert status["stable"]["weight"] == "100%"
    assert weights == [0.1, 0.5]
    assert list(promoted.route[-1].shares) == [status["stable"]["revision"]]


def test_ready_is_false_while_it_rolls_out_and_true_after(promoted: Promotion) -> None:
    assert promoted.ready[0] == "False"
    assert promoted.ready[-1] == "True"
    # It turned once: whoever waits for Ready is told the truth at every moment.
    assert promoted.ready == sorted(promoted.ready)


def test_no_user_loses_a_request_in_a_promotion_and_back(promoted: Promotion) -> None:
    print(f"promotion: {promoted.answers.counts()}")

    assert len(promoted.answers.lost) == 0, promoted.answers.lost
    assert len(promoted.answers.bad) == 0, promoted.answers.bad


def test_every_pod_of_a_promoted_version_started_once(promoted: Promotion) -> None:
    assert list(promoted.pods_started.values()) == [1]


def test_a_promotion_is_a_few_writes(promoted: Promotion) -> None:
    print(f"writes per promotion: {dict(promoted.writes)}")

    assert 0 < sum(promoted.writes.values()) <= MOST_WRITES


def test_the_way_back_to_a_known_good_version_is_one_write_of_the_route(
    promoted: Promotion,
) -> None:
    (write,) = promoted.reverting_route

    assert promoted.reverted["status"]["phase"] == "Full"
    assert promoted.reverted["status"]["stable"]["version"] == "1"
    assert list(write.shares) == [promoted.first["status"]["stable"]["revision"]]


def test_a_version_with_errors_is_rolled_back(errors: RolledBack) -> None:
    status = errors.object["status"]

    assert status["stable"]["version"] == "1"
    assert {"Ready": "False", "Available": "True", "Stalled": "True"}.items() <= told(
        errors.object
    ).items()
    assert list(errors.route[-1].shares) == [status["stable"]["revision"]]
    assert status["history"][0]["outcome"] == "RolledBack"


def test_users_lose_nothing_but_what_the_bad_version_failed(errors: RolledBack) -> None:
    mine = errors.answers.of("3")
    print(
        f"errors: exposed {mine.exposure:.1f} s, {len(mine.bad)} bad answers of {len(mine)};"
        f" {errors.answers.counts()}"
    )

    assert len(errors.answers.lost) == 0, errors.answers.lost
    assert len(errors.answers.bad) == len(mine.bad) > 0


def test_the_decision_follows_the_samples_and_the_data_plane_the_decision(
    errors: RolledBack,
) -> None:
    print(
        f"the decision came {errors.behind_the_scrape:.2f} s after the scrape that allowed it, the"
        f" last request of the version {errors.behind_the_decision:.3f} s after the decision"
    )

    assert errors.behind_the_decision <= MOST_SECONDS_BEHIND_THE_DECISION
    assert 0 < errors.behind_the_scrape <= MOST_SECONDS_BEHIND_THE_SCRAPE


def test_a_version_that_hangs_is_rolled_back(hung: RolledBack) -> None:
    status = hung.object["status"]
    print(f"hung: {hung.answers.counts()}")

    assert status["stable"]["version"] == "1"
    assert list(hung.route[-1].shares) == [status["stable"]["revision"]]
    assert Counter(one.answer for one in hung.answers.lost).keys() == {GAVE_UP}
    assert len(hung.answers.bad) == 0


def test_a_wiped_status_costs_neither_roles_nor_weight(handled: Hands) -> None:
    assert [round(write.candidate_share, 2) for write in handled.wiped] == [0.2] * len(
        handled.wiped
    )
    assert len({write.record["candidate"] for write in handled.wiped}) == 1


def test_a_pause_moves_nothing(handled: Hands) -> None:
    assert handled.paused_route == []
    assert told(handled.paused).items() >= {"Ready": "False", "Reconciling": "True"}.items()
    assert conditions(handled.paused)["Reconciling"]["reason"] == "Paused"


def test_a_person_may_take_a_version_back_and_have_it_tried_again(handled: Hands) -> None:
    newest = handled.overridden["status"]["history"][0]

    assert newest["outcome"] == "RolledBack"
    assert WHY in newest["message"]
    assert handled.tried_again["status"]["candidate"]["version"] == "2"
    assert all(each["total"] == 0 for each in handled.tried_again["status"]["objectives"])


def test_a_new_version_replaces_the_candidate_and_leaves_stable_alone(handled: Hands) -> None:
    status = handled.replaced["status"]

    assert (status["stable"]["version"], status["candidate"]["version"]) == ("1", "3")
    assert all(each["total"] == 0 for each in status["objectives"])
    assert handled.promoted["status"]["stable"]["version"] == "3"


def test_no_user_loses_a_request_by_what_people_do(handled: Hands) -> None:
    print(f"hands: {handled.answers.counts()}")

    assert len(handled.answers.lost) == 0, handled.answers.lost
    assert len(handled.answers.bad) == 0
