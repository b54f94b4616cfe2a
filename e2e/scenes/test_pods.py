"""What happens to pods in whole rollouts: what a version cannot help is told, and no verdict.

What is its fault is found also where no objective asks for it.

The stories play at the same time, each on a stage of its own, under one operator.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest

from e2e.scenes.causes import CAUSES, apply_all, wait_for_causes
from e2e.scenes.conftest import OpenStage, OpenTogether
from e2e.scenes.disturbed import (
    Drained,
    InPlace,
    Scarce,
    Unreached,
    drained,
    only_pod,
    scarce,
    two_pods,
    unreached,
)
from e2e.scenes.failing import NOTHING_BUT_GUARDS, Fallen, fallen
from e2e.scenes.rollout import conditions
from e2e.scenes.stage import Stage

WORDS = {
    "image": "image cannot be pulled: ",
    "unschedulable": "cannot be scheduled: 0/",
    "crash-loop": "model ends with exit code 1: ValueError: these are no weights",
    "out-of-memory": "model runs out of memory (exit code 137)",
    "probe": "readiness probe failed: HTTP probe failed with statuscode: 500",
    "secret": 'cannot be set up: secret "no-such-secret" not found',
    "volume": "cannot be set up: MountVolume.SetUp failed for volume",
    "quota": "pods cannot be created: exceeded quota: scarce, requested: ",
    "pod-security": 'pods cannot be created: violates PodSecurity "restricted:latest": privileged',
}
SECONDS_UNREACHED = 60.0
"""The most that users have of a candidate that the gateway does not reach."""
PODS_THAT_CRASH = replace(NOTHING_BUT_GUARDS, replicas=10, target="80%")
"""Half of them are the candidate's: the others take its users while one starts again."""
SECONDS_BEHIND = 1.0
"""The most that users notice of a write of the route after it."""

Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Playing:
    """The stories under way."""

    causes: Future[dict[str, str]]
    scarce: Future[Scarce]
    drained: Future[Drained]
    unreached: Future[Unreached]
    only_pod: Future[InPlace]
    two_pods: Future[InPlace]
    refuses: Future[Fallen]
    slow: Future[Fallen]
    crashes: Future[Fallen]


TITLES = ("causes", "scarce", "drained", "unreached", "only", "two", "refuses", "slow", "crashes")
AT_A_TIME = 4
"""Stories that fit on a node of two cores, where each pod asks for a tenth of one."""


@pytest.fixture(scope="module")
def playing(open_together: OpenTogether) -> Iterator[Playing]:
    """All stories, begun; the longest first."""
    with open_together(*TITLES) as stages, ThreadPoolExecutor(AT_A_TIME) as pool:

        def play(title: str, story: Callable[[Stage], Facts]) -> Future[Facts]:
            def on_stage() -> Facts:
                with stages[title] as stage:
                    return story(stage)

            return pool.submit(on_stage)

        yield Playing(
            scarce=play("scarce", scarce),
            two_pods=play("two", two_pods),
            causes=play("causes", causes),
            unreached=play("unreached", unreached),
            # What is usual at stable is measured while the node is busy already, and stable may be
            # slow in a third of its answers until a version with as many more is no worse.
            slow=play("slow", lambda stage: fallen(stage, SLOW="0.6")),
            drained=play("drained", drained),
            crashes=play("crashes", lambda stage: fallen(stage, CRASHES="0.02")),
            refuses=play("refuses", lambda stage: fallen(stage, REFUSES="0.3")),
            only_pod=play("only", only_pod),
        )


def causes(stage: Stage) -> dict[str, str]:
    """Versions that do not start, each for another cause; what is told of each."""
    apply_all(stage)
    return wait_for_causes(stage, WORDS)


def test_each_status_says_why_its_pods_do_not_start(playing: Playing) -> None:
    assert set(WORDS) == set(CAUSES)

    for name, message in playing.causes.result().items():
        print(f"{name}: {message}")
        assert message.startswith("Starting version 1: 0 of 1 pods ready (")
        assert message.endswith("; no version serves yet.")


def test_a_step_that_a_quota_holds_up_says_so_and_comes_once_there_is_room(
    playing: Playing,
) -> None:
    story = playing.scarce.result()
    print(f"scarce: {story.told['message']}")

    assert story.told["phase"] == "Canary"
    assert conditions({"status": story.told})["Available"]["status"] == "True"
    assert [round(weight, 2) for weight in story.weights] == [0.2, 0.5]
    assert len(story.answers.lost) == len(story.answers.bad) == 0, story.answers.lost


def test_a_drained_node_takes_the_users_in_one_write_and_gives_them_back(playing: Playing) -> None:
    story = playing.drained.result()
    off, on = story.route
    print(f"drained: users off {off.at - story.at:.2f} s and on {on.at - story.at:.2f} s after it")

    assert story.evicted
    assert [round(write.candidate_share, 2) for write in story.route] == [0, 0.4]
    assert story.phases == {"Canary"}


def test_a_drained_node_costs_no_evidence(playing: Playing) -> None:
    story = playing.drained.result()

    assert len(story.judged) >= len(story.route)
    assert story.judged[0] > 0
    assert story.judged == sorted(story.judged)


def test_the_budget_keeps_stable_while_the_candidate_is_away(playing: Playing) -> None:
    story = playing.drained.result()
    off, _ = story.route
    lost = story.answers.lost
    print(f"drained: {story.answers.counts()}")

    assert not story.stable_evicted
    assert len(lost.where(lambda one: not story.at <= one.sent <= off.at + SECONDS_BEHIND)) == 0


def test_a_candidate_that_is_not_reached_loses_its_users_without_a_verdict(
    playing: Playing,
) -> None:
    story = playing.unreached.result()
    users = story.ended.at - story.begun.at
    print(f"unreached: {users:.1f} s with users; {story.answers.counts()}")
    after = story.answers.since(story.ended.at + SECONDS_BEHIND)

    assert users <= SECONDS_UNREACHED
    assert story.status["phase"] == "Canary"
    assert len(story.answers.of("2")) == 0
    assert len(after.lost) == 0, after.lost


def test_the_only_pod_is_replaced_with_an_outage_that_is_told_before(playing: Playing) -> None:
    story = playing.only_pod.result()
    lost = story.answers.lost
    print(f"in place, 1 pod: {story.told} {lost.exposure:.1f} s; {story.answers.counts()}")

    assert story.told_at < story.ended_at
    assert "no version serves for about" in story.told
    assert "ReplacingInPlace" in story.unavailable
    assert story.most_pods == 1
    assert story.promoted["status"]["stable"]["version"] == "2"
    assert len(lost) > 0
    assert len(lost.where(lambda one: one.sent < story.ended_at)) == 0
    assert len(lost.since(story.promoted_at + SECONDS_BEHIND)) == 0


def test_several_pods_are_replaced_in_place_and_users_notice_nothing(playing: Playing) -> None:
    story = playing.two_pods.result()
    print(f"in place, 2 pods: {story.told}")

    assert story.told_at < story.ended_at
    assert "1 pod of 2 serve all users while the rollout lasts" in story.told
    assert story.unavailable == set()
    assert story.most_pods == 2
    assert story.promoted["status"]["stable"]["version"] == "2"
    assert len(story.answers.lost) == 0, story.answers.lost


def assert_rolled_back(story: Fallen) -> None:
    """Stable has all users, and they lost nothing but what the bad version failed."""
    status = story.object["status"]
    print(
        f"{story.exposure:.1f} s with users: {status['history'][0]['message']}"
        f" {story.answers.counts()}"
    )

    assert (status["phase"], status["stable"]["version"]) == ("RolledBack", "1")
    assert list(story.route[-1].shares) == [status["stable"]["revision"]]
    assert len(story.answers.of("1").bad) == 0


def test_a_version_that_refuses_what_stable_accepts_is_rolled_back(playing: Playing) -> None:
    story = playing.refuses.result()

    assert_rolled_back(story)
    assert story.failed == ["client-errors"]
    assert len(story.answers.lost) == 0, story.answers.lost


def test_a_longer_tail_is_rolled_back_without_an_objective(playing: Playing) -> None:
    story = playing.slow.result()

    assert_rolled_back(story)
    assert story.failed == ["latency-against-stable"]
    assert len(story.answers.lost) == len(story.answers.bad) == 0, story.answers.lost


def test_a_version_that_crashes_in_a_loop_is_rolled_back(playing: Playing) -> None:
    story = playing.crashes.result()

    assert_rolled_back(story)
    assert "they crash in a loop, exit code 3" in story.object["status"]["history"][0]["message"]


@pytest.mark.slow
def test_a_version_whose_pods_crash_one_at_a_time_is_rolled_back(open_stage: OpenStage) -> None:
    """Most of its users are answered all the while, so that no promise of theirs decides."""
    with open_stage("crashes-seldom") as stage:
        story = fallen(stage, PODS_THAT_CRASH, seconds=600, CRASHES="0.01")

    assert_rolled_back(story)
    assert story.failed == ["restarts"]
    assert len(story.answers.lost) < len(story.answers.of("2")) / 10
