"""Which pods are kept, and whom their changes wake."""

from typing import Any

import pytest

from model_rollouts.engine.pods import EXPLAIN_S, FIRST_LIST_S, MOST_FOREIGN, WAKE_S, Pods
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.store import Key
from model_rollouts.resources.names import MODEL_LABEL
from tests.engine.test_pod_facts import RUNNING, api_pod, model

KEY = Key("shop", "arrival")


class Watching:
    """Pods of one model, and a clock that stands."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.passes = KeyedQueue(self.clock, lambda: 1.0)
        self.pods = Pods(self.passes, self.clock, lambda: 1.0)

    def clock(self) -> float:
        """The time."""
        return self.now

    def woken(self) -> bool:
        """Whether a pass is due now; it is made."""
        key = self.passes.take()
        if key is not None:
            self.passes.done(key)
        return key is not None

    def followed(self, *pods: dict[str, Any], version: str = "100") -> "Watching":
        """With the pods of a first list."""
        self.pods.follow(KEY)
        for obj in pods:
            self.pods.put(obj)
        self.pods.listed(KEY, [obj["metadata"]["name"] for obj in pods], version)
        assert self.woken()
        self.now += WAKE_S
        return self

    def names(self) -> list[str] | None:
        """The pods that are known."""
        known = self.pods.of(KEY)
        return None if known is None else [pod.name for pod in known]


def pod(version: int, name: str = "arrival-x", ready: bool = False, **more: Any) -> dict[str, Any]:
    obj = api_pod(model(RUNNING))
    obj["metadata"] |= {"name": name, "uid": name, "resourceVersion": str(version)} | more
    obj["metadata"]["labels"] = {**obj["metadata"]["labels"], MODEL_LABEL: "arrival"}
    condition = {"type": "Ready", "lastTransitionTime": "2026-03-31T12:00:30Z"}
    obj["status"]["conditions"] = [{**condition, "status": "True" if ready else "False"}]
    return obj


@pytest.fixture
def watching() -> Watching:
    """Nobody is followed yet."""
    return Watching()


def test_nothing_of_a_model_that_is_not_followed_is_kept_and_nobody_wakes(
    watching: Watching,
) -> None:
    watching.pods.put(pod(1))

    assert len(watching.pods) == 0
    assert not watching.woken()
    assert watching.names() is None


def test_pods_are_not_known_before_all_were_listed(watching: Watching) -> None:
    watching.pods.follow(KEY)
    watching.pods.put(pod(1))

    assert watching.pods.unlisted.take() == KEY
    assert watching.names() is None
    assert not watching.woken()

    watching.pods.listed(KEY, ["arrival-x"], "100")

    assert watching.names() == ["arrival-x"]
    assert watching.woken()


def test_a_change_that_is_no_news_wakes_nobody(watching: Watching) -> None:
    watching.followed(pod(1))

    watching.pods.put(pod(2, annotations={"checksum": "other"}))
    assert not watching.woken()

    watching.pods.put(pod(3, ready=True))
    assert watching.woken()


def test_pods_that_flap_wake_their_model_once_a_second(watching: Watching) -> None:
    watching.followed(pod(1))
    passes = 0
    for version in range(2, 1_002):
        watching.pods.put(pod(version, ready=version % 2 == 0))
        passes += watching.woken()
        watching.now += 0.01

    assert 10 <= passes <= 11
    watching.now += WAKE_S
    watching.woken()
    assert not watching.woken()


def test_what_a_list_does_not_have_is_gone(watching: Watching) -> None:
    watching.followed(pod(1, "a"), pod(2, "b"))

    watching.pods.listed(KEY, ["b"], "101")

    assert watching.names() == ["b"]
    assert watching.woken()


def test_a_list_says_nothing_about_what_is_newer(watching: Watching) -> None:
    watching.followed(pod(1, "a"))
    watching.pods.put(pod(150, "b"))

    watching.pods.listed(KEY, ["a"], "120")

    assert watching.names() == ["a", "b"]


def test_what_went_while_it_was_listed_does_not_come_back(watching: Watching) -> None:
    watching.followed(pod(1, "a"))

    watching.pods.remove(pod(130, "a"))
    watching.pods.put(pod(1, "a"))

    assert watching.names() == []


def test_older_news_change_nothing(watching: Watching) -> None:
    watching.followed(pod(10, ready=True))

    watching.pods.put(pod(9))

    assert [each.is_ready for each in watching.pods.of(KEY) or ()] == [True]


def test_nothing_is_kept_of_a_model_that_is_followed_no_longer(watching: Watching) -> None:
    watching.followed(pod(1))

    watching.pods.forget(KEY)

    assert len(watching.pods) == 0
    assert watching.names() is None
    watching.pods.put(pod(2, ready=True))
    assert not watching.woken()


def test_events_of_a_pod_are_read_once_it_is_unready_for_a_while(watching: Watching) -> None:
    watching.followed(pod(1))

    assert watching.pods.unexplained.take() is None
    watching.now += EXPLAIN_S
    assert watching.pods.unexplained.take() == KEY
    (unready,) = watching.pods.unready(KEY)

    watching.pods.explain(KEY, unready, "Unhealthy", "Readiness probe failed: HTTP 503")
    watching.pods.explain(KEY, unready, "Unhealthy", "Readiness probe failed: HTTP 503")

    assert watching.woken()
    assert not watching.woken()
    assert [each.words for each in watching.pods.of(KEY) or ()] == [
        "Readiness probe failed: HTTP 503"
    ]


def test_a_name_that_nothing_has_told_of_is_foreign_once_a_list_does_not_have_it(
    watching: Watching,
) -> None:
    pods = watching.followed(pod(1)).pods
    begun_before = pods.doubted(KEY)
    while pods.unlisted.take():
        pods.unlisted.done(KEY)

    pods.doubt(KEY, ["arrival-x", "elsewhere", "late"])
    assert pods.unlisted.take() == KEY
    pods.listed(KEY, ["arrival-x"], "101", begun_before)
    assert pods.foreign(KEY) == frozenset()

    pods.put(pod(2, "late"))
    pods.listed(KEY, ["arrival-x"], "102", pods.doubted(KEY))
    assert pods.foreign(KEY) == {"elsewhere"}
    assert watching.woken()


def test_a_doubted_name_is_listed_for_once(watching: Watching) -> None:
    pods = watching.followed(pod(1)).pods
    while pods.unlisted.take():
        pods.unlisted.done(KEY)

    pods.doubt(KEY, ["elsewhere"])
    assert pods.unlisted.take() == KEY
    pods.unlisted.done(KEY)
    pods.doubt(KEY, ["elsewhere"])

    assert pods.unlisted.take() is None


def test_a_pod_of_a_foreign_name_that_comes_is_ours(watching: Watching) -> None:
    pods = watching.followed(pod(1)).pods
    pods.doubt(KEY, ["late"])
    pods.listed(KEY, ["arrival-x"], "101", pods.doubted(KEY))

    pods.put(pod(200, "late"))

    assert pods.foreign(KEY) == frozenset()


def test_so_many_foreign_names_are_kept(watching: Watching) -> None:
    pods = watching.followed(pod(1)).pods
    pods.doubt(KEY, [f"elsewhere-{n}" for n in range(MOST_FOREIGN + 5)])
    pods.listed(KEY, ["arrival-x"], "101", pods.doubted(KEY))

    assert len(pods.foreign(KEY)) == MOST_FOREIGN


def test_a_pass_that_comes_meanwhile_does_not_take_the_place_of_the_one_after_the_wait(
    watching: Watching,
) -> None:
    watching.pods.follow(KEY)
    watching.now += FIRST_LIST_S / 2
    watching.passes.add(KEY)
    assert watching.passes.take() == KEY
    watching.pods.follow(KEY)
    watching.passes.done(KEY)
    assert not watching.woken()

    watching.now += FIRST_LIST_S / 2
    assert watching.woken()


def test_pods_are_awaited_until_they_are_listed_refused_or_late(watching: Watching) -> None:
    pods = watching.pods
    assert pods.awaits(KEY)
    pods.follow(KEY)
    assert pods.awaits(KEY)
    watching.now += FIRST_LIST_S
    assert not pods.awaits(KEY)
    assert watching.woken()

    pods.listed(KEY, [], "100")
    assert not pods.awaits(KEY)
    pods.lose(KEY)
    # They were known, and will be again.
    assert pods.awaits(KEY)
    pods.refuse(KEY)
    assert not pods.awaits(KEY)


def test_a_refusal_wakes_what_waits_for_the_list(watching: Watching) -> None:
    watching.pods.follow(KEY)

    watching.pods.refuse(KEY)

    assert watching.woken()
    assert not watching.pods.awaits(KEY)
