"""An operator that is killed at the worst moments changes nothing of how a rollout ends."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from e2e.scenes.conftest import OpenStage
from e2e.scenes.crashes import (
    EVIDENCE,
    IN_A_PROMOTION,
    IN_A_ROLLBACK,
    ROUTE,
    STATUS,
    Survived,
    killed_at_points,
    killed_at_random,
)
from e2e.scenes.manifest import Wanted

GOOD = Wanted("2")
BAD = Wanted("3", {"ERRORS": "0.05"})
RANDOM_KILLS = 20

Playing = dict[str, Future[Survived]]


@pytest.fixture(scope="module")
def playing(open_stage: OpenStage) -> Iterator[Playing]:
    """Both stories with named points, begun."""

    def play(candidate: Wanted, points: tuple[str, ...]) -> Survived:
        with open_stage(f"killed-{candidate.version}") as stage:
            return killed_at_points(stage, candidate, points)

    with ThreadPoolExecutor() as pool:
        yield {
            "good": pool.submit(play, GOOD, IN_A_PROMOTION),
            "bad": pool.submit(play, BAD, IN_A_ROLLBACK),
        }


def assert_nothing_was_done_twice(survived: Survived, version: str) -> None:
    """Whatever the rollout came to: one set of objects, one way, and counts that are true."""
    sequence = [write.record["sequence"] for write in survived.route]
    answers = survived.answers.of(version)
    history = survived.object["status"]["history"]
    print(f"killed at {survived.killed_at}; {survived.answers.counts()}")

    assert len(survived.answers.lost) == 0, survived.answers.lost
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))
    assert [past["version"] for past in history].count(version) == 1
    assert list(survived.pods_started.values()) == [1]
    assert (survived.deployments, survived.revisions) == (2, 2)
    for at, total in survived.counted:
        given = len(answers.where(lambda one, at=at: one.came <= at))  # type: ignore[misc]
        assert total <= given, f"{total} requests judged when users had made {given}"


def assert_promoted(survived: Survived) -> None:
    """The good version serves everybody, by the steps that were asked for."""
    status = survived.object["status"]

    assert (status["phase"], status["stable"]["version"]) == ("Full", "2")
    assert [round(write.candidate_share, 2) for write in survived.route[:2]] == [0.1, 0.5]
    assert list(survived.route[-1].shares) == [status["stable"]["revision"]]
    assert len(survived.answers.bad) == 0


def assert_rolled_back(survived: Survived) -> None:
    """The bad version serves nobody."""
    status = survived.object["status"]

    assert (status["phase"], status["stable"]["version"]) == ("RolledBack", "1")
    assert list(survived.route[-1].shares) == [status["stable"]["revision"]]


def test_a_promotion_survives_a_kill_at_every_named_point(playing: Playing) -> None:
    survived = playing["good"].result()

    assert set(survived.killed_at) == {EVIDENCE, ROUTE, STATUS}
    assert_promoted(survived)
    assert_nothing_was_done_twice(survived, GOOD.version)


def test_a_rollback_survives_a_kill_at_every_named_point(playing: Playing) -> None:
    survived = playing["bad"].result()

    # A rollback writes no evidence before its route.
    assert set(survived.killed_at) == {ROUTE, STATUS}
    assert_rolled_back(survived)
    assert_nothing_was_done_twice(survived, BAD.version)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_promotion_survives_kills_at_random(open_stage: OpenStage, seed: int) -> None:
    with open_stage("random-good") as stage:
        survived = killed_at_random(stage, GOOD, RANDOM_KILLS, seed)

    assert_promoted(survived)
    assert_nothing_was_done_twice(survived, GOOD.version)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_rollback_survives_kills_at_random(open_stage: OpenStage, seed: int) -> None:
    with open_stage("random-bad") as stage:
        survived = killed_at_random(stage, BAD, RANDOM_KILLS, seed)

    assert_rolled_back(survived)
    assert_nothing_was_done_twice(survived, BAD.version)
