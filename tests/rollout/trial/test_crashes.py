"""Crashes of the model are counted once, by whoever looks and however often."""

import json
from dataclasses import replace

import pytest

from model_rollouts.decision import Counts
from model_rollouts.rollout.memory import Crashes, Lived
from model_rollouts.rollout.pods import Ended, Pod, Trouble
from model_rollouts.rollout.trial.crashes import MOST_PODS, counts, from_json, seen, taken, to_json
from tests.rollout.made_up import NOON, V2, V3, trial

OF_TRIAL = trial()
ARMS = {"candidate": V3, "stable": V2}
CANDIDATE = Pod("a", "uid-a", V3, began=NOON + 1)
STABLE = Pod("b", "uid-b", V2, began=NOON - 3600, restarts=7)


def looked(*looks: tuple[float, tuple[Pod, ...] | None], since: Crashes | None = None) -> Crashes:
    """What is known after looks at pods, each so many seconds after the trial began."""
    for at, pods in looks:
        since = seen(since, pods, OF_TRIAL, NOON + at)
    assert since is not None
    return since


def crashed(pod: Pod, restarts: int, **more: object) -> Pod:
    return replace(pod, restarts=restarts, ended=Ended(1, "Error"), **more)  # type: ignore[arg-type]


def test_each_crash_and_each_minute_counts_once() -> None:
    found = looked(
        (1, (CANDIDATE, STABLE)),
        (31, (crashed(CANDIDATE, 1), STABLE)),
        (31, (crashed(CANDIDATE, 1), STABLE)),
        (61, (crashed(CANDIDATE, 3), crashed(STABLE, 8))),
    )

    assert counts(found, ARMS) == {
        "candidate": Counts.events(1.0, 3),
        "stable": Counts.events(1.0, 1),
    }
    assert counts(taken(found), ARMS) == {}
    after = looked((121, (crashed(CANDIDATE, 3), crashed(STABLE, 8))), since=taken(found))
    assert counts(after, ARMS)["candidate"] == Counts.events(1.0, 0)


def test_a_pod_that_came_with_the_trial_has_all_of_its_restarts_in_it() -> None:
    found = looked((61, (crashed(CANDIDATE, 2), STABLE)))

    assert counts(found, ARMS) == {
        "candidate": Counts.events(1.0, 2),
        "stable": Counts.events(0.0, 0),
    }


def test_what_is_gone_keeps_its_count() -> None:
    replaced = replace(CANDIDATE, name="c", uid="uid-c", began=NOON + 40)

    found = looked((1, (CANDIDATE,)), (31, (crashed(CANDIDATE, 2),)), (61, (replaced,)))

    assert counts(found, ARMS)["candidate"] == Counts.events(0.5 + 21 / 60, 2)
    assert set(found.pods) == {"uid-c"}


def test_unknown_pods_are_no_data() -> None:
    blind = looked((1, (CANDIDATE,)), (31, None))

    assert counts(blind, ARMS)["candidate"] == Counts.events(0.0, 0)
    again = looked((61, (crashed(CANDIDATE, 1),)), since=blind)
    assert counts(again, ARMS)["candidate"] == Counts.events(1.0, 1)
    assert counts(looked((1, None)), ARMS) == {}
    assert counts(None, ARMS) == {}


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(crashed(CANDIDATE, 1, disruption="EvictionByEvictionAPI"), id="evicted"),
        pytest.param(crashed(CANDIDATE, 1, deleted=True), id="scaled away"),
        pytest.param(replace(CANDIDATE, trouble=Trouble.UNSCHEDULABLE), id="has no machine"),
        pytest.param(replace(CANDIDATE, trouble=Trouble.IMAGE), id="has no image"),
    ],
)
def test_what_the_cluster_does_to_a_pod_is_not_the_models(pod: Pod) -> None:
    found = looked((1, (CANDIDATE,)), (61, (pod,)))

    assert counts(found, ARMS)["candidate"] == Counts.events(0.0, 0)
    # When it is well again, what happened meanwhile is over.
    well = replace(pod, disruption="", deleted=False, trouble=None)
    after = looked((121, (well,)), since=found)
    assert counts(after, ARMS)["candidate"] == Counts.events(1.0, 0)


def test_a_machine_that_starts_again_is_no_crash_of_the_model() -> None:
    rebooted = replace(CANDIDATE, restarts=1, ended=Ended(255, "Unknown"))

    found = looked((1, (CANDIDATE,)), (61, (rebooted,)))

    assert counts(found, ARMS)["candidate"] == Counts.events(1.0, 0)
    after = looked((121, (crashed(rebooted, 2),)), since=found)
    assert counts(after, ARMS)["candidate"].bad_at_least == 1


def test_out_of_memory_is_a_crash() -> None:
    killed = replace(CANDIDATE, restarts=1, ended=Ended(137, "OOMKilled"))

    found = looked((1, (CANDIDATE,)), (61, (killed,)))

    assert counts(found, ARMS)["candidate"] == Counts.events(1.0, 1)


def test_an_operator_that_starts_again_counts_nothing_twice() -> None:
    before = looked((1, (CANDIDATE, STABLE)), (31, (crashed(CANDIDATE, 2), STABLE)))

    kept = from_json(json.loads(json.dumps(to_json(before))))

    look = (91, (crashed(CANDIDATE, 3), crashed(STABLE, 9)))
    assert kept is not None
    assert counts(looked(look, since=kept), ARMS) == counts(looked(look, since=before), ARMS)
    assert counts(kept, ARMS)["candidate"].bad_at_least == 2


def test_too_many_pods_are_seen_for_the_first_time_again() -> None:
    many = tuple(
        crashed(replace(CANDIDATE, uid=f"uid-{index}"), 1) for index in range(MOST_PODS + 1)
    )
    before = taken(looked((1, many)))
    assert before is not None

    kept = from_json(json.loads(json.dumps(to_json(before))))

    after = looked((61, many), since=kept)
    assert kept is not None
    assert not kept.all_known
    assert counts(after, ARMS)["candidate"] == Counts.events(0.0, 0)
    again = looked((121, tuple(crashed(each, 2) for each in many)), since=taken(after))
    assert counts(again, ARMS)["candidate"] == Counts.events(len(many), len(many))


@pytest.mark.parametrize(
    "damaged",
    [None, [], ["x", {}, {}], [1.0, {"a": -1}, {}], [1.0, {"a": 0.5}, {}], [1.0, {}, {"r": [1]}]],
)
def test_what_cannot_be_read_is_nothing(damaged: object) -> None:
    assert from_json(damaged) is None


def test_lives_add_up() -> None:
    assert Lived(1.0, 2) + Lived(0.5, 1) == Lived(1.5, 3)
