"""Two records of the roles, on the route and in the status: whichever is lost, nothing else is."""

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.api.status import Status
from model_rollouts.rollout.actions import Action, Scale, WriteRoute
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state import revisions
from model_rollouts.rollout.state.recorded_roles import read_roles
from tests.rollout.bounded_cluster import Bounded
from tests.rollout.simulated_cluster import World

LONG = {"duration": "6h"}


class Kept(Bounded):
    """A world that keeps a copy of each route that was written."""

    def __post_init__(self) -> None:
        """None is written yet."""
        super().__post_init__()
        self.copies_of_route: list[dict[str, Any]] = []

    def do(self, action: Action) -> None:
        """Carry out one action."""
        super().do(action)
        if isinstance(action, WriteRoute):
            self.copies_of_route.append(copy.deepcopy(self.objects["HTTPRoute", "arrival"]))

    def again(self) -> "Kept":
        """The same world a second time."""
        # What does not change need not be copied.
        shared = (self.memory, self.measures, self.past, self.given_out)
        twin = copy.deepcopy(self, {id(each): each for each in shared})
        twin.past, twin.given_out = list(self.past), dict(self.given_out)
        return twin


def first(**world: Any) -> Kept:
    """Version 1 serves all users, its watch over."""
    made = Kept(**world)
    made.edit(version="1", replicas=4, strategy__watch={"duration": "10s"})
    made.until("Full").run(20)
    return made


def starting() -> Kept:
    world = first(start_seconds={"2": 9_999.0})
    world.edit(version="2")
    return world.until("Starting")


def in_shadow() -> Kept:
    world = first()
    world.edit(version="2", strategy__shadow={"sideEffects": "None", "minDuration": "20m"})
    world.until("Shadow").run(120)
    assert world.mirror == 100
    return world


def in_canary() -> Kept:
    world = first()
    world.edit(version="2", strategy__canary={"steps": ["10%", "50%"], "minStepDuration": "20m"})
    return world.until("Canary").run(10)


def on_the_second_step() -> Kept:
    world = first()
    world.edit(version="2")
    world.until("Canary").run(45)
    assert world.weights["v2"] == 50
    world.edit(strategy__canary={"steps": ["10%", "50%"], "minStepDuration": "20m"})
    return world.run(10)


def paused() -> Kept:
    world = on_the_second_step()
    world.edit(paused=True)
    return world.run(10)


def in_the_exchange() -> Kept:
    world = first()
    world.edit(version="2", strategy__maxExtraReplicas=1, strategy__watch=LONG)
    world.until("Canary")
    while world.weights["v2"] / sum(world.weights.values()) < 0.5:
        world.run(5)
    world.edit(paused=True)
    return world.run(10)


def watched() -> Kept:
    world = first()
    world.edit(version="2", strategy__watch=LONG)
    return world.until("Full").run(30)


def settled() -> Kept:
    world = first()
    world.edit(version="2", strategy__watch={"duration": "10s"})
    return world.until("Full").run(60)


def rolled_back() -> Kept:
    world = first(errors={"2": 0.3})
    world.edit(version="2")
    return world.until("RolledBack").run(30)


def rolled_back_in_the_watch() -> Kept:
    world = watched()
    world.errors["2"] = 0.3
    return world.until("RolledBack").run(30)


def undecided() -> Kept:
    world = first(rate=0.4)
    world.edit(version="2", strategy__deadline="2m", strategy__attempt=2)
    return world.until("Undecided").run(30)


def rolled_back_by_hand() -> Kept:
    world = on_the_second_step()
    override = {"version": "2", "action": "Rollback", "reason": "INC-1"}
    world.edit(strategy__override=override)
    world.until("RolledBack").run(10)
    return world


def leaving() -> Kept:
    """Stable has one pod for a quarter of the users, and gets no more."""
    world = first()
    world.edit(version="2", strategy__maxExtraReplicas=1, strategy__watch=LONG)
    world.until("Full").run(30)
    world.errors["2"] = 0.3
    world.start_seconds = {"1": 9_999.0}
    return world.until("RolledBack").run(30)


PHASES = (
    starting,
    in_shadow,
    in_canary,
    on_the_second_step,
    paused,
    in_the_exchange,
    watched,
    settled,
    rolled_back,
    rolled_back_in_the_watch,
    undecided,
    rolled_back_by_hand,
    leaving,
)


def without_record(world: Kept) -> None:
    """The record goes, and users stay."""
    assert world.route is not None
    world.route["metadata"]["annotations"] = {}
    world.changed(world.route)


def deleted(world: Kept) -> None:
    del world.objects["HTTPRoute", "arrival"]


def without_status(world: Kept) -> None:
    del world.obj["status"]


def put_back(world: Kept, number: int) -> None:
    """An older copy of the route takes its place, as `kubectl replace` and a restore do."""
    older = copy.deepcopy(world.copies_of_route[number])
    older["metadata"]["generation"] = world.objects["HTTPRoute", "arrival"]["metadata"][
        "generation"
    ]
    world.changed(older)
    world.objects["HTTPRoute", "arrival"] = older


def the_one_before(world: Kept) -> None:
    put_back(world, -2)


def the_first_one(world: Kept) -> None:
    put_back(world, 0)


LOSSES = (without_record, deleted, without_status, the_one_before, the_first_one)


def roles(world: World) -> Roles:
    """The roles of today, without how often and when the route was written."""
    children = world.seen().children
    found = read_roles(children, revisions.read(children), world.deployment.status)
    return found._replace(sequence=0, write=None)


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
def test_whatever_is_lost_the_roles_stay(phase: Callable[[], Kept]) -> None:
    undisturbed = phase()
    before, weights = roles(undisturbed), undisturbed.weights
    told, sequence = undisturbed.status["history"], read_sequence(undisturbed)
    for loss, killed in itertools.product(LOSSES, (False, True)):
        world = undisturbed.again()
        loss(world)
        if killed:
            world.restart()
        world.reconcile()
        served = dict(world.answers)
        world.run(30)
        lost = f"{loss.__name__}, killed: {killed}\n" + "\n".join(world.log[-12:])

        assert roles(world) == before, lost
        assert world.weights == weights, lost
        assert read_sequence(world) >= sequence + (loss is not without_status), lost
        if loss is not without_status:
            assert world.status["history"] == told, lost
        elif before.phase.has_ended:
            assert world.status["history"] == told[:1], lost
        if before.phase.has_ended and not before.weight:
            assert world.answers["2"] == served["2"], lost


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
@pytest.mark.parametrize("loss", [without_record, deleted], ids=lambda loss: loss.__name__)
def test_without_any_record_what_is_told_and_who_has_users_tells(
    phase: Callable[[], Kept], loss: Callable[[World], None]
) -> None:
    """A release that knew of no record in the status wrote it last."""
    world = phase()
    before, weights, told = roles(world), world.weights, world.status["history"]
    loss(world)
    del world.status["record"]
    world.restart()
    world.reconcile()
    served = dict(world.answers)
    world.run(30)
    lost = "\n".join(world.log[-12:])

    assert known(roles(world)) == known(before), lost
    assert world.weights == weights, lost
    assert world.status["history"] == told, lost
    if before.phase.has_ended and not before.weight:
        assert roles(world).attempt == before.attempt, lost
        assert world.answers["2"] == served["2"], lost


@pytest.mark.parametrize("killed", [False, True])
def test_a_first_version_that_never_was_ready_does_not_become_stable(killed: bool) -> None:
    """Its pods stay beside those of its fix, which is a first version like it."""
    world = World(start_seconds={"1": 99_999.0})
    world.edit(version="1")
    world.until("Starting").run(30)
    world.refuses = lambda action: isinstance(action, Scale) and not action.replicas
    world.edit(version="2")
    world.run(15)
    assert world.pods() == {"v1": 2, "v2": 2}
    assert roles(world).stable is None
    world.refuses = None
    if killed:
        world.restart()
    world.until("Full")

    assert world.weights == {"v2": 1}
    assert [past["version"] for past in world.status["history"]] == ["2"]


def known(of: Roles) -> Roles:
    """What can be known of roles that nobody recorded."""
    return of._replace(verdict=None, attempt=1, since=None)


def read_sequence(world: World) -> int:
    """The sequence that the route records."""
    assert world.route is not None
    children = world.seen().children
    return read_roles(children, revisions.read(children), Status()).sequence


def failed(world: World) -> list[Any]:
    """The objectives that the status says failed, with their numbers."""
    return [each for each in world.status["objectives"] if each.get("verdict") == "Fail"]


def test_what_failed_stays_told_through_a_restart_and_a_pause() -> None:
    world = rolled_back()
    told, message = failed(world), world.status["message"]
    assert told

    world.restart()
    world.edit(paused=True)
    world.run(10)
    world.edit(paused=False)
    world.run(10)

    assert failed(world) == told
    assert world.status["message"] == message


def test_an_operator_that_counted_otherwise_leaves_what_is_told_of_the_end() -> None:
    """Two that tell it each in its own numbers write in turn for ever."""
    world = rolled_back()
    told, writes = failed(world), len(world.log)
    ended = world.memory.ended
    assert ended is not None
    fewer = replace(ended, state=ended.judge.start())
    world.memory = replace(world.memory, ended=fewer)

    world.run(60)

    assert failed(world) == told
    assert len(world.log) == writes
