"""When a status is written: transitions at once, counts now and then, an idle object never."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.status import Status
from model_rollouts.rollout.memory import Clocks, Memory, Written
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.status.status import status_body, status_due, status_written, tell
from model_rollouts.rollout.status.summary import StatusInput
from tests.rollout.made_up import NOON, V2, judged, past, situation, standing, steady

NOW = NOON + 600
CANARY = situation(Phase.CANARY, 0.25, trial=judged(steady(60, (10, 0), (30, 0))).trial)
MOVED_ON = replace(CANARY, trial=judged(steady(61, (10, 0), (30, 0))).trial)


def status(given: StatusInput, before: Status | None = None) -> Status:
    memory = Memory(clocks=given.clocks, trial=given.trial)
    return tell(given, memory, before or Status(), NOW)


def wrote(given: StatusInput, refreshes: int = 0, at: float = NOW) -> Memory:
    """The memory after the status of `given` was written."""
    return Memory(written=Written(status_body(status(given)), at, refreshes))


def test_what_was_never_written_is_due() -> None:
    assert status_due(status(CANARY), Memory(), NOW) == NOW


def test_what_cannot_be_read_is_written_again() -> None:
    unreadable = Memory(written=Written({"phase": "Dreaming"}, NOW))

    assert status_due(status(CANARY), unreadable, NOW + 1) == NOW + 1


@pytest.mark.parametrize(
    "given",
    [CANARY, situation(Phase.FULL), situation(Phase.ROLLED_BACK), situation(Phase.PAUSED)],
    ids=lambda given: given.phase,
)
def test_nothing_new_is_never_due(given: StatusInput) -> None:
    before = status(given)

    again = tell(given, Memory(clocks=given.clocks, trial=given.trial), before, NOW + 1e6)

    assert status_due(again, wrote(given), NOW + 1e6) is None


def changed(**more: Any) -> StatusInput:
    return replace(CANARY, **more)


def _generation() -> StatusInput:
    deployment = CANARY.deployment
    metadata = deployment.metadata.model_copy(update={"generation": 8})
    return changed(deployment=deployment.model_copy(update={"metadata": metadata}))


@pytest.mark.parametrize(
    "given",
    [
        changed(phase=Phase.ROLLED_BACK),
        changed(weight=0.5),
        changed(step=2),
        changed(holds=(Hold(Reason.NO_TRAFFIC, "Quiet.", "quiet"),)),
        changed(stable=standing(V2, 3, 3), desired=3),
        changed(candidate=standing("arrival-4444444444", 1, 1)),
        changed(trial=judged(steady(60, (200, 10), (600, 0))).trial),
        changed(history=(past(Outcome.PROMOTED, "went well", V2),)),
        changed(watching=True),
        _generation(),
    ],
    ids=[
        "phase",
        "weight",
        "step",
        "hold",
        "replicas",
        "candidate",
        "verdict",
        "history",
        "watch",
        "generation",
    ],
)
def test_a_transition_is_due_at_once(given: StatusInput) -> None:
    assert status_due(status(given), wrote(CANARY, refreshes=9), NOW + 1) == NOW + 1


def test_a_stage_of_the_mirror_is_due_at_once() -> None:
    shadow = situation(Phase.SHADOW)
    one, ten = (replace(shadow, roles=shadow.roles._replace(mirror_percent=m)) for m in (1, 10))

    assert status_due(status(ten), wrote(one, refreshes=9), NOW + 1) == NOW + 1
    assert status_due(status(one), wrote(one, refreshes=9), NOW + 1) is None


@pytest.mark.parametrize(
    ("refreshes", "after"),
    [(0, 120), (1, 180), (2, 270), (6, 1366.875), (7, 1800), (10**6, 1800)],
)
def test_counts_wait_longer_each_time(refreshes: int, after: float) -> None:
    assert status_due(status(MOVED_ON), wrote(CANARY, refreshes), NOW + 1) == NOW + after


def test_another_sentence_is_told_before_other_numbers_in_the_same() -> None:
    told = status(CANARY)
    before = Memory(
        written=Written(status_body(told.model_copy(update={"message": "Canary."})), NOW)
    )

    assert status_due(told, before, NOW + 1) == NOW + 75


def unanswered(answer: str) -> StatusInput:
    """A version whose checks are not answered but so."""
    hold = Hold(Reason.CHECKING, f"Not answered yet{answer}.", f"not answered yet{answer}")
    return situation(Phase.ADMISSION, holds=(hold,))


AWAY = ": read Gateway shop/public: HTTP 500: etcd is away"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(unanswered(""), unanswered(AWAY), id="a check"),
        pytest.param(CANARY, changed(unseen="HTTPRoutes are not listed."), id="a list"),
        pytest.param(changed(unseen="HTTPRoutes are not listed."), CANARY, id="a list again"),
    ],
)
@pytest.mark.parametrize("refreshes", [0, 9])
def test_what_the_api_server_answers_is_told_soon_and_in_no_storm(
    before: StatusInput, after: StatusInput, refreshes: int
) -> None:
    assert status_due(status(after), wrote(before, refreshes), NOW + 1) == NOW + 10
    assert status_due(status(after), wrote(before, refreshes), NOW + 60) == NOW + 60


def test_what_has_waited_long_enough_is_due_now() -> None:
    assert status_due(status(MOVED_ON), wrote(CANARY), NOW + 130) == NOW + 130


def ticked(given: StatusInput) -> StatusInput:
    """The same situation with clocks that went on."""
    clocks = replace(given.clocks, as_of=given.clocks.as_of + 60, phase=given.clocks.phase + 60)
    return replace(given, clocks=clocks)


@pytest.mark.parametrize(
    ("given", "news"),
    [
        (situation(Phase.STARTING), True),
        (CANARY, True),
        (
            situation(
                Phase.STARTING,
                holds=(
                    Hold(Reason.PROGRESS_DEADLINE_EXCEEDED, "Not ready.", "not ready", stalls=True),
                ),
            ),
            False,
        ),
        (situation(Phase.PAUSED, 0.25), False),
        (situation(Phase.ROLLED_BACK), False),
        (situation(Phase.FULL), False),
    ],
    ids=["starting", "canary", "stalled", "paused", "rolled back", "full"],
)
def test_a_clock_that_ticks_is_news_only_while_it_counts(given: StatusInput, news: bool) -> None:
    """A hundred objects that wait for people must not be written every half an hour."""
    later = status(ticked(given), status(given))

    assert (status_due(later, wrote(given), NOW + 60) is not None) == news


def test_the_words_of_an_idle_object_do_not_move_with_the_clock() -> None:
    watched = situation(Phase.FULL, watching=True, clocks=Clocks("Full", NOON, phase=0.1))
    told = status(watched).message

    assert status(ticked(watched)).message == told


def test_a_write_without_a_transition_counts_as_a_refresh() -> None:
    first = status_written(Memory(), status(CANARY), NOW)
    second = status_written(first, status(MOVED_ON), NOW + 30)
    third = status_written(second, status(situation(Phase.ROLLED_BACK)), NOW + 40)

    assert [each.written and each.written.refreshes for each in (first, second, third)] == [0, 1, 0]
    assert status_due(status(MOVED_ON), second, NOW + 30) is None
    assert status_due(status(CANARY), second, NOW + 31) == NOW + 30 + 180


def test_what_somebody_else_replaces_is_written_again_at_once_and_then_ever_more_slowly() -> None:
    """Two operators that see different things would write in turn as fast as they can."""
    mine, theirs = status(CANARY), status(situation(Phase.PAUSED))
    memory, now, gaps = status_written(Memory(), mine, NOW), NOW, []
    for _ in range(8):
        assert memory.written is not None
        memory = replace(memory, written=replace(memory.written, status=status_body(theirs)))
        due = status_due(mine, memory, now)
        assert due is not None
        gaps.append(due - now)
        now = due
        memory = status_written(memory, mine, now)

    assert gaps[0] == 0
    assert gaps[1] == pytest.approx(15)
    assert all(later > earlier for earlier, later in itertools.pairwise(gaps))
    # What is new is told at once all the same.
    assert status_due(status(situation(Phase.ROLLED_BACK)), memory, now) == now


def test_which_pods_there_are_is_written_soon_however_often_counts_were() -> None:
    memory = Memory(clocks=CANARY.clocks, trial=CANARY.trial, pods=(f"{V2}-a",))
    replaced = replace(memory, pods=(f"{V2}-b", f"{V2}-a"))
    before = tell(CANARY, memory, Status(), NOW)
    wrote_it = Memory(written=Written(status_body(before), NOW, refreshes=9))

    assert status_due(before, wrote_it, NOW + 1) is None
    assert status_due(tell(CANARY, replaced, before, NOW), wrote_it, NOW + 1) == NOW + 10


def test_the_order_of_pods_is_no_news() -> None:
    memory = Memory(clocks=CANARY.clocks, trial=CANARY.trial, pods=(f"{V2}-a", f"{V2}-b"))
    turned = replace(memory, pods=(f"{V2}-b", f"{V2}-a"))
    before = tell(CANARY, memory, Status(), NOW)
    wrote_it = Memory(written=Written(status_body(before), NOW))

    due = status_due(tell(CANARY, turned, before, NOW), wrote_it, NOW + 1)
    assert due is None or due > NOW + 10
