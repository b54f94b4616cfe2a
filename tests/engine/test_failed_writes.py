"""A write that fails stops what depends on it and nothing else, and what is known stays known."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, MODEL_DEPLOYMENT, Kind
from model_rollouts.engine import executor
from model_rollouts.engine.failures import (
    LONGEST_ANSWER,
    MOST_TOLD,
    STILL_UNDER_WAY,
    Failures,
)
from model_rollouts.engine.reconciler import OUTDATED_TRIES, RESTLESS
from model_rollouts.rollout.actions import (
    Action,
    Apply,
    Create,
    Delete,
    Emit,
    Move,
    Scale,
    Severity,
    WriteRoute,
    WriteStatus,
)
from model_rollouts.rollout.memory import Memory, Written
from model_rollouts.rollout.observed import Failure, Observed
from model_rollouts.rollout.plan import Plan
from tests.engine import planners
from tests.engine.memory_cluster import error
from tests.engine.passes import KEY, Passes
from tests.engine.planners import bare
from tests.engine.test_ticker import measured

NAME = "arrival-0123456789"
STATUS = {"phase": "Canary", "message": "2 of 2."}
KNOWN, DONE = Memory(last_request_ms=1), Memory(last_request_ms=1, unscraped_since=5.0)
REFUSALS = [error(code) for code in (403, 409, 413, 422, 500)] + [error(None, "timed out")]
TOLD = Emit(Severity.NORMAL, "Advanced", "Advance", "Version 2 now gets 10 % of users.")

Actions = Callable[[Any], tuple[Action, ...]]


def service(model: Any, name: str) -> Any:
    """A Service."""
    return bare(model, "v1", "Service", name, spec={"ports": []})


def write_route(observed: Observed, weight: int = 5, *, protects: bool = False) -> WriteRoute:
    """A write of the route as it is seen."""
    known = observed.children.route
    assert known is not None
    version = known["metadata"]["resourceVersion"]
    body = planners.route(observed.obj, weight)
    return WriteRoute(body, version, Move.ADVANCE, protects=protects)


class Wanting:
    """Serves first, as `planners.plan`; then wants what a test says, until it was all done."""

    def __init__(
        self,
        wanted: Callable[[Observed], tuple[Action, ...]],
        done: Memory = DONE,
        is_last: bool = False,
    ) -> None:
        self.wanted = wanted
        self.done = done
        self.is_last = is_last
        self.wants = False

    def __call__(self, observed: Observed, memory: Memory, now: float) -> Plan:
        """The plan that it makes."""
        if not self.wants or memory.unscraped_since is not None:
            return planners.plan(observed, memory, now) if not self.wants else Plan((), memory)
        return Plan(
            self.wanted(observed),
            KNOWN,
            done=self.done,
            measures=measured(),
            is_last=self.is_last,
        )


def wanting(
    wanted: Callable[[Observed], tuple[Action, ...]], done: Memory = DONE, *, is_last: bool = False
) -> Passes:
    """A world that serves, and whose next plan is that one."""
    planner = Wanting(wanted, done, is_last)
    world = Passes(planner).model().run(1)
    planner.wants = True
    world.cluster.requests.clear()
    world.events.clear()
    world.queue.add(KEY)
    return world


def writes(world: Passes) -> list[str]:
    """Verb and kind of every write, in their order."""
    each = [request.split() for request in world.cluster.requests]
    return [f"{verb} {kind}" for verb, kind, _ in each if verb != "get"]


def told(world: Passes) -> list[str]:
    """The reasons of all events."""
    return [event.reason for event in world.events]


def of_workloads(observed: Observed) -> tuple[Action, ...]:
    """One action of each sort that depends on no other."""
    model = observed.obj
    stored = {**planners.stored(model), "metadata": service(model, "x")["metadata"]}
    is_there = "x" in [each["metadata"]["name"] for each in observed.children.revisions]
    return (
        *(() if is_there else (Create(stored),)),
        Apply(planners.deployment(model, 2)),
        Scale(NAME, 3),
        Delete("Service", "old"),
        WriteStatus(STATUS),
        TOLD,
    )


EACH = ["create ControllerRevision", "apply Deployment", "scale Deployment", "delete Service"]


@pytest.mark.parametrize("answer", REFUSALS, ids=str)
@pytest.mark.parametrize("failing", EACH)
def test_what_fails_keeps_no_other_from_being_done(failing: str, answer: ApiError) -> None:
    world = wanting(of_workloads)
    world.cluster.faults[failing] = answer
    world.run()

    tried = writes(world)
    assert {*EACH, "status ModelDeployment"} <= set(tried)
    assert world.cluster.objects["ModelDeployment", "arrival"]["status"] == STATUS
    assert told(world) == ["Advanced"] * tried.count("status ModelDeployment")
    (failure,) = world.session().failures.told()
    assert failure.what.startswith(failing)
    assert (failure.answer.removesuffix(", 5 times in a row"), failure.times) == (answer.answer, 1)
    assert failure.is_refusal == answer.is_refusal


@pytest.mark.parametrize("failing", [*EACH, "status ModelDeployment", "apply HTTPRoute"])
def test_what_is_known_and_measured_survives_every_failed_write(failing: str) -> None:
    world = wanting(lambda observed: (*of_workloads(observed), write_route(observed)))
    world.cluster.faults[failing] = error(500)
    world.run()
    session = world.session()
    assert (session.memory, session.measures) == (KNOWN, measured())

    world.cluster.faults.clear()
    world.run(1)
    assert session.memory == DONE


@pytest.mark.parametrize(
    ("failing", "is_known"),
    [("scale Deployment", True), ("status ModelDeployment", False), (None, True)],
)
def test_a_status_that_was_written_is_known_whatever_else_failed(
    failing: str | None, is_known: bool
) -> None:
    # Otherwise its numbers would be due again in the next pass, for as long as that fails.
    written = Written(STATUS, at=7.0, refreshes=3)
    world = wanting(
        lambda seen: (WriteStatus(STATUS), Scale(NAME, 3)), replace(DONE, written=written)
    )
    if failing is not None:
        world.cluster.faults[failing] = error(500)
    world.run()

    kept = world.session().memory.written
    assert (kept == replace(written, status=None)) is is_known


@pytest.mark.parametrize(("is_last", "plans"), [(True, 1), (False, 2)])
def test_no_pass_follows_a_plan_that_tells_numbers_alone(is_last: bool, plans: int) -> None:
    world = wanting(lambda seen: (WriteStatus(STATUS),), is_last=is_last)
    world.seen.clear()
    world.run()

    assert writes(world) == ["status ModelDeployment"]
    assert len(world.seen) == plans


def test_a_pass_follows_numbers_that_could_not_be_told() -> None:
    world = wanting(lambda seen: (WriteStatus(STATUS),), is_last=True)
    world.cluster.faults["status ModelDeployment"] = error(500)
    world.run()
    world.cluster.faults.clear()
    world.run(5)

    assert writes(world) == ["status ModelDeployment"] * 2
    assert world.cluster.objects["ModelDeployment", "arrival"]["status"] == STATUS


def test_evidence_that_is_not_written_keeps_the_route_from_being_written() -> None:
    world = wanting(lambda seen: (WriteStatus(STATUS), write_route(seen), TOLD, Scale(NAME, 3)))
    world.cluster.faults["status ModelDeployment"] = error(500)
    world.run()

    assert writes(world) == ["status ModelDeployment"]
    assert told(world) == []


def test_nothing_follows_a_route_that_was_not_written() -> None:
    world = wanting(lambda seen: (write_route(seen), TOLD, WriteStatus(STATUS), Scale(NAME, 3)))
    world.cluster.faults["apply HTTPRoute"] = error(500)
    world.run()

    assert writes(world) == ["apply HTTPRoute"]
    assert told(world) == []


def test_a_plan_from_an_old_state_is_made_again_after_all_else_was_tried() -> None:
    world = wanting(lambda seen: (Scale(NAME, 3), WriteStatus(STATUS)))
    # Somebody has deleted the Deployment, and changed the ModelDeployment; nobody told yet.
    gone = world.cluster.objects.pop(("Deployment", NAME))
    world.cluster.put(world.cluster.objects["ModelDeployment", "arrival"])
    world.run()

    assert writes(world)[:2] == ["scale Deployment", "status ModelDeployment"]
    assert (
        world.store.get(MODEL_DEPLOYMENT, *KEY)
        == world.cluster.objects["ModelDeployment", "arrival"]
    )
    assert world.cluster.objects["ModelDeployment", "arrival"]["status"] == STATUS
    assert not world.store.has(DEPLOYMENT, "shop", gone["metadata"]["name"])


def test_what_failed_in_a_pass_is_not_tried_again_in_it() -> None:
    world = wanting(lambda seen: (Scale(NAME, 3), WriteStatus(STATUS)))
    world.cluster.faults["scale Deployment"] = error(500)
    world.cluster.faults["status ModelDeployment"] = error(409)
    world.run()

    assert writes(world).count("scale Deployment") == 1
    # Nothing had changed that it could be planned anew from.
    assert writes(world).count("status ModelDeployment") == 1
    assert {each.times for each in world.session().failures.told()} == {1}


def test_a_plan_that_is_always_outdated_is_told() -> None:
    world = wanting(lambda seen: (Scale(NAME, 3), WriteStatus(STATUS)))
    world.cluster.faults["scale Deployment"] = error(500)
    world.cluster.faults["status ModelDeployment"] = error(409)
    world.cluster.restless = ("ModelDeployment", "arrival")
    world.run()

    assert writes(world).count("scale Deployment") == 1
    assert writes(world).count("status ModelDeployment") == OUTDATED_TRIES
    failures = {each.what: each for each in world.session().failures.told()}
    assert {each.times for each in failures.values()} == {1}
    assert "5 times in a row" in failures["write the status of ModelDeployment shop/arrival"].answer


def test_a_failure_is_counted_in_a_row_told_to_plans_and_forgotten_when_it_is_done() -> None:
    world = wanting(lambda seen: (Scale(NAME, 3),))
    world.cluster.faults["scale Deployment"] = error(500, "webhook is away\n" + 2_000 * "x")
    world.run(100)
    times = [each.failures[0].times for each in world.seen if each.failures]
    last = world.seen[-1].failures[0]

    assert times == list(range(1, len(times) + 1))
    assert (times[-1] >= 2, last.lasts) == (True, True)
    assert last.what == f"scale Deployment shop/{NAME}"
    assert last.answer.startswith("HTTP 500: webhook is away x")
    assert len(last.answer) == LONGEST_ANSWER
    # What the status can tell is no event of the engine.
    assert world.events == []

    world.cluster.faults.clear()
    world.run(70)
    assert world.session().failures.told() == ()


def test_a_failure_of_what_no_plan_asks_for_any_more_is_forgotten() -> None:
    wanted: list[Action] = [Scale(NAME, 3)]
    world = wanting(lambda seen: tuple(wanted))
    world.cluster.faults["scale Deployment"] = error(500)
    world.run(5)
    assert world.seen[-1].failures

    wanted[:] = [Delete("Service", "old")]
    world.run(70)
    assert world.seen[-1].failures == ()


def test_a_plan_of_the_route_alone_forgets_no_other_failure() -> None:
    """It leaves all other objects to the next plan, and asks for none of them."""
    of_route: list[bool] = [False]
    world = wanting(lambda seen: (write_route(seen),) if of_route[0] else (Scale(NAME, 3),))
    world.cluster.faults["scale Deployment"] = error(500)
    world.run(5)
    times = world.session().failures.told()[0].times

    world.cluster.faults["apply HTTPRoute"] = error(500)
    of_route[0] = True
    world.run(70)
    failed = {each.what: each.times for each in world.session().failures.told()}

    assert failed[f"scale Deployment shop/{NAME}"] == times >= 2
    assert "apply HTTPRoute shop/arrival" in failed


def test_the_latest_failures_are_told_and_not_too_many() -> None:
    names = [f"old-{number}" for number in range(MOST_TOLD + 3)]
    world = wanting(lambda seen: tuple(Delete("Service", name) for name in names))
    world.cluster.faults["delete Service"] = error(403)
    world.run()

    told = world.session().failures.told()
    assert [each.what for each in told] == [
        f"delete Service shop/{name}" for name in names[: -MOST_TOLD - 1 : -1]
    ]


@pytest.mark.parametrize(
    ("failing", "what"),
    [
        ("status ModelDeployment", "write the status of ModelDeployment shop/arrival"),
        ("apply HTTPRoute", "apply HTTPRoute shop/arrival"),
    ],
)
def test_what_the_status_cannot_tell_is_an_event(failing: str, what: str) -> None:
    world = wanting(lambda seen: (write_route(seen), WriteStatus(STATUS)))
    world.cluster.faults[failing] = error(500, "webhook is away")
    world.run()
    assert "WriteRefused" not in told(world), "once may be chance"

    world.run(550)
    (event,) = (each for each in world.events if each.reason == "WriteRefused")
    assert event.severity == "Warning"
    assert event.note.startswith(f"Cannot {what}: HTTP 500: webhook is away. ")
    assert "admission webhooks" in event.note
    assert event.regarding["metadata"]["name"] == "arrival"
    world.run(100)
    assert told(world).count("WriteRefused") == 2, "it lasts for more than ten minutes"
    assert told(world).count("WriteRefused") < len(writes(world)) / 4


def test_an_answer_is_told_although_it_was_told_that_there_was_none_yet() -> None:
    answered, waiting = (
        Failure("write the status", answer, times=2)
        for answer in ("HTTP 500: the webhook is away", STILL_UNDER_WAY)
    )
    failures = Failures()
    told = [failures.event_due(each, 0.0) for each in (waiting, waiting, answered, answered)]

    assert told == [True, False, True, False]
    assert not failures.event_due(waiting, 1.0), "the answer says more"
    assert failures.event_due(waiting, 601.0)


def gaps(world: Passes, request: str, seconds: float) -> list[float]:
    """Seconds between the tries of a request, in halves."""
    times: list[float] = []

    async def note(verb: str, kind: Kind, name: str) -> None:
        if f"{verb} {kind.name}" == request:
            times.append(world.now)

    world.cluster.hook = note
    world.run(seconds)
    return [round(2 * (after - before)) / 2 for before, after in pairwise(times)]


def test_a_protective_write_is_tried_every_few_seconds_and_others_less_often() -> None:
    protective = wanting(lambda seen: (write_route(seen, protects=True), WriteStatus(STATUS)))
    other = wanting(lambda seen: (write_route(seen), WriteStatus(STATUS)))
    for world in (protective, other):
        world.cluster.faults["apply HTTPRoute"] = error(500)

    assert gaps(protective, "apply HTTPRoute", 30) == [0.5, 1, 2, 4, 5, 5, 5, 5]
    assert gaps(other, "apply HTTPRoute", 130) == [0.5, 1, 2, 4, 8, 16, 32, 60]


def test_what_failed_delays_no_protective_pass() -> None:
    protects = False
    world = wanting(
        lambda seen: (write_route(seen, protects=True),) if protects else (Scale(NAME, 3),)
    )
    world.cluster.faults["scale Deployment"] = error(500)
    world.run(100)
    # A minute of backoff has just begun when counts come that say that a version is bad.
    protects = True
    world.queue.add(KEY, urgent=True)
    world.cluster.requests.clear()
    world.run(5)

    assert "apply HTTPRoute" in writes(world)


def reserved(world: Passes) -> None:
    """A pass by a worker that is there for what protects."""
    world.queue.add(KEY, urgent=True)
    assert world.queue.take(urgent=True) == KEY
    asyncio.run(world.reconciler.step(KEY, protects_only=True))


def test_a_reserved_worker_carries_out_what_protects() -> None:
    world = wanting(lambda seen: (write_route(seen, protects=True), WriteStatus(STATUS)))
    reserved(world)

    assert writes(world) == ["apply HTTPRoute", "status ModelDeployment"]
    assert world.session().memory == DONE


def test_a_reserved_worker_hands_on_what_does_not_and_its_backoff() -> None:
    world = wanting(lambda seen: (Scale(NAME, 3),))
    world.cluster.faults["scale Deployment"] = error(500)
    world.run(20)
    due = world.queue.next_due()
    world.cluster.requests.clear()
    world.now += 5
    reserved(world)

    assert writes(world) == []
    assert (world.session().memory, world.session().measures) == (KNOWN, measured())
    assert world.queue.next_due() == due


def lasting(names: list[str]) -> Callable[[Observed], tuple[Action, ...]]:
    """Wants what every action can be, and what is there no more."""

    def wanted(seen: Observed) -> tuple[Action, ...]:
        fresh = service(seen.obj, "fresh")
        every = (*of_workloads(seen), Apply(fresh), write_route(seen, protects=True))
        return tuple(each for each in every if names == [] or type(each).__name__ in names)

    return wanted


@pytest.mark.parametrize("answer", REFUSALS, ids=str)
@pytest.mark.parametrize("failing", [*EACH, "apply Service", "status ModelDeployment"])
@pytest.mark.parametrize("restless", [False, True])
def test_no_answer_makes_an_action_be_tried_without_a_pause(
    failing: str, answer: ApiError, *, restless: bool
) -> None:
    """Whether the object is there or not, and also when somebody changes it all the time."""
    world = wanting(lasting([]))
    world.cluster.faults[failing] = answer
    kind = failing.split()[1]
    found = (name for of, name in world.cluster.objects if of == kind)
    if restless and (name := next(found, None)) is not None:
        world.cluster.restless = (kind, name)
    times: list[float] = []

    async def note(verb: str, of: Kind, name: str) -> None:
        if f"{verb} {of.name}" == failing:
            times.append(world.now)

    world.cluster.hook = note
    for _ in range(30):
        # Something happens all the time, and every time a plan is made.
        world.queue.add(KEY)
        world.run(1)

    # Of one object after 0.5, 1, 2, 4, 8 and 16 seconds.
    most = 6 * (OUTDATED_TRIES if restless else 1)
    assert 4 <= len(times) <= most


@pytest.mark.parametrize("action", ["create ControllerRevision", "apply Service"])
def test_a_conflict_about_what_is_not_there_is_a_failure(action: str) -> None:
    """Nothing has changed that it could be planned anew from."""
    world = wanting(lasting(["Create", "Apply"]))
    world.cluster.faults[action] = error(409)
    asyncio.run(world.reconciler.step(world.queue.take() or KEY))

    assert writes(world).count(action) == 1
    (failure,) = world.session().failures.told()
    assert (failure.what.startswith(action), failure.answer) == (True, "HTTP 409: injected")


def test_nothing_waits_for_what_fails_for_ever() -> None:
    wanted: list[Action] = [Scale(NAME, 3)]
    world = wanting(lambda seen: tuple(wanted))
    world.cluster.faults["scale Deployment"] = error(422)
    world.run(100)
    # A minute of backoff has just begun when something else is to be done.
    wanted.append(WriteStatus(STATUS))
    world.cluster.requests.clear()
    world.queue.add(KEY)
    world.run()

    assert {*writes(world)} == {"status ModelDeployment"}
    assert [each.what for each in world.session().failures.told()] == [
        f"scale Deployment shop/{NAME}"
    ]


def test_what_is_done_again_beside_a_failure_is_slowed_down() -> None:
    """What a write means to later plans is known once all of them are done."""
    world = wanting(lambda seen: (Delete("Service", "old"), Scale(NAME, 3)))
    world.cluster.faults["scale Deployment"] = error(422)
    world.run(30)

    assert writes(world).count("delete Service") < 15


def test_a_write_of_the_route_that_gets_no_answer_is_told_while_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "LATE_S", 0.001)
    world = wanting(lambda seen: (write_route(seen, protects=True),))
    untold: list[str] = []

    async def story() -> None:
        async def hang(verb: str, kind: Kind, name: str) -> None:
            if kind is HTTP_ROUTE:
                while "WriteRefused" not in told(world):
                    await asyncio.sleep(0)
                untold.extend(writes(world))

        world.cluster.hook = hang
        await world.ran(0)

    asyncio.run(story())
    (event,) = world.events
    assert event.note.startswith("Cannot apply HTTPRoute shop/arrival so far: no answer yet. ")
    assert untold == ["apply HTTPRoute"]
    assert world.session().memory == DONE


def test_an_unforeseen_error_of_one_action_is_told_like_others() -> None:
    world = wanting(lambda seen: (Delete("Unheard", "of"), WriteStatus(STATUS)))
    world.run()

    assert {*writes(world)} == {"status ModelDeployment"}
    (failure,) = world.session().failures.told()
    assert failure.what == "delete Unheard shop/of"
    assert "KeyError" in failure.answer


def test_a_write_that_hangs_holds_up_no_other_workload_for_ever() -> None:
    names = ["a", "b", "c"]
    world = wanting(lambda seen: tuple(Delete("Service", name) for name in names))

    async def hang(verb: str, kind: Kind, name: str) -> None:
        if name in ("a", "b"):
            world.now += executor.SLOW_S
            raise error(None, "timed out")
        names.remove(name)

    world.cluster.hook = hang
    tried = []
    for _ in range(3):
        world.cluster.requests.clear()
        begun = world.now
        world.queue.forgive(KEY)
        world.queue.add(KEY)
        asyncio.run(world.reconciler.step(world.queue.take() or KEY))
        tried.append([request.split()[-1] for request in world.cluster.requests])
        assert world.now - begun == executor.SLOW_S

    assert tried == [["a"], ["b"], ["c", "a"]]


def test_who_annotates_the_route_for_ever_does_not_keep_it_from_being_written() -> None:
    world = wanting(lambda seen: (write_route(seen, protects=True), WriteStatus(STATUS)))

    async def annotate(verb: str, kind: Kind, name: str) -> None:
        if (verb, kind) == ("apply", HTTP_ROUTE):
            route = world.cluster.objects["HTTPRoute", "arrival"]
            notes = {**route["metadata"]["annotations"], "seen": str(world.cluster.version)}
            world.cluster.put({**route, "metadata": {**route["metadata"], "annotations": notes}})

    world.cluster.hook = annotate
    world.run()

    route = world.cluster.objects["HTTPRoute", "arrival"]
    assert route["spec"]["rules"][0]["backendRefs"][0]["weight"] == 5
    assert world.session().memory == DONE


def test_an_edit_of_the_route_while_it_is_written_is_planned_with() -> None:
    weights: list[int] = []

    def planned(seen: Observed) -> tuple[Action, ...]:
        assert seen.children.route is not None
        rule = seen.children.route["spec"]["rules"][0]
        weights.append(rule["backendRefs"][0]["weight"])
        return (write_route(seen),)

    world = wanting(planned)

    async def edit(verb: str, kind: Kind, name: str) -> None:
        if (verb, kind) == ("apply", HTTP_ROUTE):
            world.cluster.hook = None
            world.cluster.put(planners.route(world.cluster.objects["ModelDeployment", name], 77))

    world.cluster.hook = edit
    world.run()

    assert weights == [1, 77]


def test_plans_without_end_are_told_and_slowed_down_and_nothing_is_forgotten() -> None:
    restless = Passes(
        lambda observed, memory, now: Plan(
            (Delete("Service", "old"), Scale(NAME, 1)), KNOWN, measures=measured()
        )
    ).model()
    restless.cluster.put(
        planners.deployment(restless.cluster.objects["ModelDeployment", "arrival"], 1)
    )
    restless.run(30)

    (failure,) = restless.session().failures.told()
    assert failure.answer == (
        f"{RESTLESS} plans in a row had something to do, the last: scale Deployment shop/{NAME}"
    )
    assert failure.lasts
    assert RESTLESS < len(restless.seen) < RESTLESS + 10
    assert (restless.session().memory, restless.session().measures) == (KNOWN, measured())

    restless.planner = lambda observed, memory, now: Plan((), memory)
    restless.run(60)
    assert restless.session().failures.told() == ()


def test_a_plan_that_cannot_be_made_is_told_and_forgets_nothing() -> None:
    world = wanting(lambda seen: (Scale(NAME, 3),))
    world.cluster.faults["scale Deployment"] = error(500)
    world.run(1)
    planner, known = world.planner, world.session().failures.told()

    def broken(observed: Observed, memory: Memory, now: float) -> Plan:
        raise ZeroDivisionError("by 0")

    world.planner = broken
    world.run(300)
    session = world.session()
    assert (session.memory, session.measures) == (KNOWN, measured())
    assert session.failures.told() == known
    (event,) = world.events
    assert (event.severity, event.reason) == ("Warning", "PlanFailed")
    assert "ZeroDivisionError: by 0" in event.note

    world.planner = planner
    world.cluster.faults.clear()
    world.run(60)
    assert session.memory == DONE


def test_a_child_that_cannot_be_adopted_is_a_child_all_the_same() -> None:
    world = wanting(lambda seen: (Scale(NAME, 3),))
    orphan = world.cluster.objects["Deployment", NAME]
    del orphan["metadata"]["ownerReferences"]
    world.told(world.cluster.put(orphan))
    world.queue.add(KEY)
    world.cluster.faults["adopt Deployment"] = error(500)
    world.run(2)

    seen = world.seen[-1]
    assert (list(seen.children.deployments), seen.children.strangers) == ([NAME], frozenset())
    assert world.cluster.objects["Deployment", NAME]["spec"]["replicas"] == 3
    assert [each.what for each in seen.failures] == [f"adopt Deployment shop/{NAME}"]

    world.cluster.faults.clear()
    world.run(10)
    assert world.cluster.objects["Deployment", NAME]["metadata"]["ownerReferences"]
    assert world.session().failures.told() == ()


def test_what_protects_does_not_wait_for_an_adoption() -> None:
    world = wanting(lambda seen: (write_route(seen, protects=True),))
    orphan = world.cluster.objects["Deployment", NAME]
    del orphan["metadata"]["ownerReferences"]
    world.told(world.cluster.put(orphan))
    world.cluster.faults["adopt Deployment"] = error(None, "timed out")
    world.run()

    assert writes(world)[:2] == ["apply HTTPRoute", "adopt Deployment"]
    assert world.session().memory == DONE


def test_a_write_that_hangs_is_left_to_end_once_others_are_in_a_hurry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked for once at a time, and what came of it is told to who wants it next."""
    monkeypatch.setattr(executor, "PATIENCE_S", 0.001)
    world = wanting(lambda seen: ())
    model = world.store.get(MODEL_DEPLOYMENT, *KEY)
    assert model is not None
    client: Any = world.cluster

    async def story() -> None:
        answered, ended = asyncio.Event(), asyncio.Event()

        async def hang(verb: str, kind: Kind, name: str) -> None:
            if verb == "scale":
                await answered.wait()
                ended.set()

        world.cluster.hook = hang
        world.cluster.faults["scale Deployment"] = error(403)
        writer = executor.Executor(
            client, world.store, record=world.events.append, clock=world.clock
        )

        async def tried() -> Any:
            return await writer.carry_out(model, (Scale(NAME, 3),), hurried=lambda: True)

        before = writes(world).count("scale Deployment")
        for _ in range(2):
            (left,) = (await tried()).undone
            assert (left.answer, left.is_refusal) == (STILL_UNDER_WAY, False)
        assert writes(world).count("scale Deployment") == before + 1

        answered.set()
        await ended.wait()
        await asyncio.sleep(0)
        (refused,) = (await tried()).undone
        assert (refused.answer, refused.is_refusal) == ("HTTP 403: injected", True)
        assert writes(world).count("scale Deployment") == before + 1

        del world.cluster.faults["scale Deployment"]
        assert (await tried()).is_whole

    asyncio.run(story())
