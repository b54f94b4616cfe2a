"""What a write of the route means is in its record: it holds whoever wrote, and who heard of it."""

from collections.abc import Callable
from typing import Any

import pytest

from model_rollouts.rollout.actions import Action, WriteRoute
from model_rollouts.rollout.memory import Memory
from tests.rollout import shadow_stories, test_exchange_stories, test_stories
from tests.rollout.bounded_cluster import Bounded
from tests.rollout.simulated_cluster import World


class AnswerLostError(Exception):
    """A write of the route was made, and its answer did not arrive."""


class Unheard(World):
    """A world in which no answer of a write of the route arrives."""

    def do(self, action: Action) -> None:
        """Carry out one action."""
        super().do(action)
        if isinstance(action, WriteRoute):
            raise AnswerLostError

    def reconcile(self) -> None:
        """Passes until nothing is left to do; the first write of the route ends each."""
        try:
            super().reconcile()
        except AnswerLostError:
            self.goes_on()

    def goes_on(self) -> None:
        """The pass after one that failed."""
        self.reconcile()


class Killed(Unheard):
    """A world in which the operator ends after each write of the route."""

    def goes_on(self) -> None:
        """Another operator begins."""
        self.restart()
        self.reconcile()


class InTurns(World):
    """A world with two operators, which know nothing of each other."""

    def __post_init__(self) -> None:
        """Both begin."""
        super().__post_init__()
        self.other: tuple[Memory, Any, Any] = (Memory(), None, None)

    def measure(self) -> None:
        """Both ask Prometheus."""
        for _ in range(2):
            super().measure()
            self._turn()

    def reconcile(self) -> None:
        """Each makes its passes; the one that was second is first the next time."""
        super().reconcile()
        self._turn()
        super().reconcile()

    def _turn(self) -> None:
        mine = self.memory, self.measures, self.rest
        (self.memory, self.measures, self.rest), self.other = self.other, mine


STORIES = (
    test_stories.promoted_and_rolled_back,
    test_stories.another_version_comes,
    test_stories.reverted_in_the_watch,
    test_stories.worse_in_the_watch,
    test_stories.by_hand,
    test_stories.edited_by_somebody_else,
    test_stories.given_back_in_the_route,
    shadow_stories.shadow_then_canary,
    shadow_stories.stable_suffers,
    shadow_stories.another_version_comes_in_shadow,
    test_exchange_stories.worse_in_the_exchange,
    test_exchange_stories.reverted_with_one_pod_warm,
)
"""Every kind of move is in one of them."""


def told_in(kind: type[World], story: Callable[[], World], patch: pytest.MonkeyPatch) -> World:
    """The story, told in another kind of world."""
    for module in (test_stories, shadow_stories):
        patch.setattr(module, "World", kind)
    patch.setattr(test_exchange_stories, "Bounded", type("Bounded", (kind, Bounded), {}))
    return story()


def by_operator(world: World) -> list[str]:
    """What the operator wrote, and when."""
    written = (line for line in world.log if line[7:].startswith("operator"))
    return [line for line in written if not line.endswith("starts")]


def history(world: World) -> list[dict[str, Any]]:
    """What the status tells of the rollouts that ended, with reasons and times."""
    found: list[dict[str, Any]] = world.status["history"]
    return found


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_whoever_wrote_and_whoever_heard_of_it_comes_to_the_same(
    story: Callable[[], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = story()
    for kind in (Unheard, Killed, InTurns):
        world = told_in(kind, story, monkeypatch)

        # Within a moment they may come in another order.
        assert sorted(by_operator(world)) == sorted(by_operator(undisturbed)), kind
        assert history(world) == history(undisturbed), kind
        assert "SplitNotObserved" not in "".join(world.log), kind
        if kind is Unheard:
            # To the last number: an operator that lives has lost nothing with the answer.
            assert world.status == undisturbed.status


def test_a_step_lasts_from_its_write_also_when_nobody_heard_of_it() -> None:
    """A long step neither shortens the next one nor contradicts its split."""
    world = Unheard(rate=10.0)
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(20)
    steps = {"steps": ["10%", "50%"], "minStepDuration": "20m"}
    world.edit(version="2", strategy__canary=steps, strategy__deadline="2h")
    world.until("Canary").run(1_100)
    assert world.weights["v2"] == 10
    world.run(120)
    assert world.weights["v2"] == 50
    world.run(1_050)

    assert world.weights["v2"] == 50
    assert "SplitNotObserved" not in "".join(world.log)
    world.run(180)
    assert world.weights == {"v2": 1}
