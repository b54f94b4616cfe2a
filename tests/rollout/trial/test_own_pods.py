"""The names of pods that stay with a trial, and what is counted by them."""

import json
from dataclasses import replace

import pytest

from model_rollouts.metrics.pods import Owner
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.pods import Pod
from model_rollouts.rollout.trial import own_pods, stored_evidence
from model_rollouts.rollout.trial.stored_evidence import LONGEST
from tests.rollout.made_up import V2, V3, judged, steady
from tests.rollout.simulated_cluster import World

NOTHING = Observed({})


def pods(revision: str, *ends: str, ready: bool = True) -> tuple[Pod, ...]:
    return tuple(
        Pod(f"{revision}-{end}", end, revision, 1_000.0, ready_since=1_001.0 if ready else None)
        for end in ends
    )


def names(revision: str, *ends: str) -> list[str]:
    return [f"{revision}-{end}" for end in ends]


def test_what_went_stays_and_what_is_of_another_revision_does_not() -> None:
    before = own_pods.seen((), (*pods(V2, "a", "b"), *pods(V3, "c", "d")), (V3, V2))

    after = own_pods.seen(before, (*pods(V2, "b"), *pods(V3, "e", "d"), *pods("other", "f")), (V3,))

    assert list(before) == [*names(V3, "c", "d"), *names(V2, "a", "b")]
    assert list(after) == names(V3, "e", "d", "c")


def test_what_is_not_known_now_was_known_before() -> None:
    before = tuple(names(V3, "c", "d"))

    assert own_pods.seen(before, None, (V3, V2)) == before


def test_so_many_names_are_kept_and_those_of_the_trial_first() -> None:
    many = pods(V2, *(f"s{n}" for n in range(500)))

    kept = own_pods.seen(tuple(names(V3, "gone")), (*many, *pods(V3, "c")), (V3, V2))

    assert len(kept) == own_pods.MOST_PODS
    assert list(kept[:2]) == names(V3, "c", "gone")


@pytest.mark.parametrize(
    ("observed", "kept", "owner"),
    [
        pytest.param(NOTHING, V3, None, id="may not be read"),
        pytest.param(replace(NOTHING, pods=()), "", None, id="no pod was ever seen"),
        pytest.param(replace(NOTHING, awaits_pods=True), V3, Owner.UNKNOWN, id="lost for now"),
        pytest.param(
            replace(NOTHING, pods=pods(V3, "a")), V3, Owner.UNKNOWN, id="not listed since"
        ),
        pytest.param(
            replace(NOTHING, pods=pods(V3, "a"), foreign_pods=frozenset(names(V3, "x"))),
            V3,
            Owner.FOREIGN,
            id="listed since",
        ),
        pytest.param(replace(NOTHING, pods=pods(V3, "a", "x")), V3, Owner.OURS, id="there"),
    ],
)
def test_whose_samples_count(observed: Observed, kept: str, owner: Owner | None) -> None:
    known = own_pods.known(observed, tuple(names(kept, "a") if kept else ()), (V3,))

    assert (None if known is None else known.owner(V3, f"{V3}-x")) is owner
    if known is not None:
        assert known.owner(V3, f"{V3}-a") is Owner.OURS


def test_only_ready_pods_have_to_be_scraped() -> None:
    observed = replace(NOTHING, pods=(*pods(V3, "a"), *pods(V3, "b", ready=False)))

    known = own_pods.known(observed, tuple(names(V3, "a", "b")), (V3,))

    assert known is not None
    assert [each.ready_ms for each in known.there] == [1_001_000, None]


def test_the_names_come_back_with_the_evidence_and_are_short() -> None:
    memory = replace(judged(steady(5)), pods=tuple(names(V3, "7x2kq", "p9z4m", "without")))

    text = stored_evidence.encode(memory) or ""
    bare = stored_evidence.encode(replace(memory, pods=())) or ""
    assert memory.trial is not None
    again = stored_evidence.decode(text, V3, 1, memory.trial.judge.rules)

    assert again.pods == memory.pods
    assert stored_evidence.pods(text) == memory.pods
    assert stored_evidence.decode(bare, V3, 1, memory.trial.judge.rules).pods == ()
    assert len(text) - len(bare) < len(V3) + 6 * 3 + 20


@pytest.mark.parametrize("damaged", [None, [], "a", 7, {"a": 1}, {"a": ["b"]}])
def test_what_cannot_be_read_is_no_name(damaged: object) -> None:
    assert own_pods.from_json(damaged) == ()


def test_names_that_do_not_fit_cost_no_evidence() -> None:
    memory = replace(judged(steady(5)), pods=tuple(f"{'m' * 60}{n}-aaaaa" for n in range(200)))
    assert memory.trial is not None

    text = stored_evidence.encode(memory) or ""

    assert len(text) <= LONGEST
    assert "pods" not in json.loads(text)
    again = stored_evidence.decode(text, V3, 1, memory.trial.judge.rules)
    assert again.trial == memory.trial


class Blinded(World):
    """A cluster whose pods may not be listed yet, for as long as a test says."""

    lists = True

    def seen(self) -> Observed:
        """Without pods until they are listed."""
        found = super().seen()
        return found if self.lists else replace(found, pods=None, awaits_pods=True)


def test_after_a_restart_pods_that_went_meanwhile_still_count() -> None:
    world = Blinded()
    world.edit(version="1")
    world.until("Full")
    world.edit(version="2")
    world.until("Canary").run(30)
    candidate = world.status["candidate"]["revision"]
    before = set(world.measures.rollout.pods.by_name)

    world.restart()
    world.told_pods = {}
    world.pods_known = lambda: pods(candidate, "new")
    world.run(10)

    known = world.measures.rollout.pods
    assert known.owner(candidate, f"{candidate}-0") is Owner.OURS
    assert known.owner(candidate, f"{candidate}-new") is Owner.OURS
    assert before <= known.gone | known.by_name.keys()


@pytest.mark.parametrize("remembers", [True, False], ids=["names kept", "of an earlier release"])
def test_counting_waits_for_the_first_list_unless_names_are_kept(remembers: bool) -> None:
    world = Blinded()
    world.edit(version="1")
    world.until("Full")
    world.edit(version="2")
    world.until("Canary").run(30)
    if not remembers:
        kept = json.loads(world.status["evidence"])
        del kept["pods"]
        world.status["evidence"] = json.dumps(kept)
    world.restart()
    world.lists = False

    world.reconcile()
    assert (world.measures is not None) is remembers

    world.lists = True
    world.reconcile()
    assert world.measures is not None
    assert world.measures.rollout.pods is not None


def test_a_pod_that_is_not_known_is_asked_for() -> None:
    memory = Memory(unknown_pods=(f"{V3}-a", f"{V3}-x", f"{V3}-y"))
    observed = replace(NOTHING, pods=pods(V3, "a"), foreign_pods=frozenset(names(V3, "y")))

    assert own_pods.doubted(observed, memory.unknown_pods) == (f"{V3}-x",)
