"""Few pods to spare, and whatever happens: users have enough of them, and none is asked for more.

`Bounded` looks at each action; here is what happens to it.
"""

import random
from collections.abc import Callable

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model_rollouts.rollout.actions import Scale, WriteRoute
from model_rollouts.rollout.observed import Gateway
from model_rollouts.rollout.plan import make_plan
from tests.api.objects import LATENCY
from tests.rollout.bounded_cluster import Bounded
from tests.rollout.simulated_cluster import NOON, SETTINGS

Event = Callable[[Bounded], object]

OFF = {"percent": 0}
SHADOW = {"sideEffects": "None", "minDuration": "10s", "minRequests": 100}


def asks(**changes: object) -> Event:
    """Somebody applies another spec."""
    return lambda world: world.edit(**changes)


def decides(action: str) -> Event:
    """Somebody decides about the version that is asked for, once it is stored."""

    def override(world: Bounded) -> None:
        version = world.obj["spec"]["model"]["version"]
        if f"v{version}" in world.pods():
            asked = {"version": version, "action": action, "reason": "INC-1"}
            world.edit(strategy__override=asked)

    return override


def serves(share: float) -> Event:
    """What is asked for answers with this share of errors from now on."""
    return lambda world: world.errors.update({world.obj["spec"]["model"]["version"]: share})


def loses_its_record(world: Bounded) -> None:
    """Somebody takes the annotations off the route."""
    assert world.route is not None
    world.route["metadata"]["annotations"] = {}


def world_is(**conditions: bool) -> Event:
    """Prometheus, or the gateway, works or does not."""
    return lambda world: vars(world).update(conditions)


EVENTS: dict[str, Event] = {
    "time passes": lambda world: world.run(30),
    "much time passes": lambda world: world.run(90),
    "the operator ends": Bounded.restart,
    "the record is lost": loses_its_record,
    "more replicas": asks(replicas=6),
    "fewer replicas": asks(replicas=3),
    "one replica": asks(replicas=1),
    "another bound": asks(strategy__maxExtraReplicas=3),
    "a lower bound": asks(strategy__maxExtraReplicas=1),
    "no pod to spare": asks(strategy__maxExtraReplicas=0),
    "no bound": asks(strategy__maxExtraReplicas=None),
    "version 2": asks(version="2"),
    "version 3": asks(version="3"),
    "version 1": asks(version="1"),
    "it fails": serves(0.5),
    "it is well": serves(0.002),
    "promoted by hand": decides("Promote"),
    "rolled back by hand": decides("Rollback"),
    "nobody decides": asks(strategy__override=None),
    "at once": asks(strategy__mode="Immediate"),
    "step by step": asks(strategy__mode="Progressive"),
    "with copies": asks(strategy__shadow=SHADOW),
    "without copies": asks(strategy__shadow=OFF),
    "again": lambda world: world.edit(
        strategy__attempt=world.obj["spec"]["strategy"].get("attempt", 1) + 1
    ),
    "paused": asks(paused=True),
    "goes on": asks(paused=False),
    "Prometheus is away": world_is(prometheus_up=False),
    "Prometheus is back": world_is(prometheus_up=True),
    "the gateway is slow": world_is(gateway_accepts=False),
    "the gateway is well": world_is(gateway_accepts=True),
}


def begun(chance: random.Random | None = None, **more: object) -> Bounded:
    """Version 1 serves all users on four pods with one to spare, and version 2 comes."""
    world = Bounded(errors={"1": 0.002, "2": 0.002, "3": 0.002})
    strategy: dict[str, object] = {
        "maxExtraReplicas": 1,
        "shadow": OFF,
        "canary": {"steps": ["10%", "50%"], "minStepDuration": "5s"},
        "watch": {"duration": "2m"},
        "progressDeadline": "2h",
    }
    world.edit(version="1", replicas=4, strategy=strategy | more)
    world.until("Full").run(15)
    world.chance = chance
    world.edit(version="2")
    return world


def at_last(world: Bounded) -> Bounded:
    """Nothing happens any more, and nobody is in the way."""
    world.chance = world.cuts = None
    world.prometheus_up = world.gateway_accepts = True
    world.edit(paused=False, strategy__override=None)
    return world.run(600)


@given(
    st.sampled_from(["2", "1"]),
    st.sampled_from([OFF, SHADOW]),
    st.lists(st.sampled_from(sorted(EVENTS)), min_size=2, max_size=10),
    st.integers(0, 1000),
)
# The record is lost with the verdict in it, at a share that the ready pods carry already.
@example("1", OFF, ["Prometheus is away", "the record is lost"], 767)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_users_have_pods_and_one_version_has_all_of_them_at_last(
    first: str, shadow: dict[str, object], events: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    # Half of the time it begins where two versions have users already, or copies of requests.
    mode = "Progressive" if first == "2" else "Immediate"
    world = begun(chance, mode=mode, shadow=shadow).run(120 if first == "2" else 0)
    world.cuts = chance
    for event in events:
        EVENTS[event](world)
        world.run(5 * chance.randint(1, 4))

    at_last(world)

    (serving,) = world.weights
    assert world.status["phase"] in ("Full", "RolledBack", "Undecided"), world.status["message"]
    assert world.pods()[serving] == world.users
    assert sum(world.pods().values()) <= world.most


def test_a_rollback_never_lands_on_fewer_pods_than_serve_now() -> None:
    """Without a bound the version before has all its pods, unless something happened to them."""
    world = begun(maxExtraReplicas=None)
    world.until("Full").run(30)
    world.broken.add("1")
    world.errors["2"] = 0.5
    world.until("RolledBack").run(30)

    assert set(world.weights) == {"v2"}
    assert world.status["message"].startswith(
        "Version 2 was rolled back: it used its error budget too fast"
    )
    assert [(each["type"], each["reason"]) for each in world.status["conditions"]] == [
        ("Available", "StableReady"),
        ("Ready", "Exchanging"),
        ("Reconciling", "Exchanging"),
    ]

    world.broken.clear()
    world.run(15)

    assert set(world.weights) == {"v1"}
    assert world.pods() == {"v1": 4, "v2": 0}


def test_pods_with_users_stay_when_another_version_is_applied_to_a_paused_rollout() -> None:
    world = begun(maxExtraReplicas=None)
    world.until("Canary").run(10)
    before = world.weights
    world.edit(paused=True)
    world.edit(version="3")
    world.run(30)

    assert world.weights == before
    assert (world.pods()["v1"], world.pods()["v2"]) == (4, 1)
    assert world.status["candidate"]["version"] == "2"
    assert world.status["message"].startswith("Paused: version 2 still serves 10 % of users,")


def test_pods_with_users_stay_while_a_change_of_the_route_is_refused() -> None:
    world = begun(maxExtraReplicas=None, canary={"steps": ["50%"], "minStepDuration": "10m"})
    world.until("Canary").run(10)
    before = world.pods()
    world.gateway = Gateway(conflicts=("other/route",))
    world.edit(route__hostnames=["taken.example.com"])
    world.run(30)

    assert world.weights == {"v1": 50, "v2": 50}
    assert world.pods() == before == {"v1": 4, "v2": 4}


def test_stable_follows_its_replicas_while_a_version_is_not_admitted() -> None:
    world = begun()
    world.until("Full").run(150)
    world.gateway = Gateway(conflicts=("other/route",))
    world.edit(version="3", replicas=6)
    world.run(30)

    assert world.status["phase"] == "Admission"
    assert world.pods() == {"v1": 0, "v2": 6}


def test_a_first_version_that_is_replaced_before_it_serves_makes_room() -> None:
    world = Bounded(start_seconds={"1": 10_000.0})
    world.edit(version="1", replicas=4, strategy__maxExtraReplicas=1)
    world.until("Starting").run(30)
    world.edit(version="2")
    world.until("Full", 120)

    assert world.pods() == {"v1": 0, "v2": 4}


def test_what_is_decided_does_not_wait_for_load() -> None:
    """A person decides; that no pod is loaded as it will be is told before, and not after."""
    world = begun(canary={"steps": ["10%"], "minStepDuration": "5s"})
    world.edit(objectives=[*world.obj["spec"]["objectives"], LATENCY])
    world.until("Canary").run(120)
    assert "LowLoad" in reasons(world)
    decides("Promote")(world)
    told = set[str]()
    for _ in range(60):
        world.run(5)
        told |= reasons(world)

    assert "Exchanging" in told
    assert "LowLoad" not in told
    assert (world.status["phase"], set(world.weights)) == ("Full", {"v2"})


def reasons(world: Bounded) -> set[str]:
    """Those of all conditions."""
    return {each["reason"] for each in world.status["conditions"]}


def test_a_number_of_pods_that_nobody_has_noticed_yet_makes_none_unready() -> None:
    """A Deployment that was scaled a moment ago has a status from before."""
    world = begun()
    while world.weights != {"v1": 75, "v2": 25}:
        world.run(5)
    candidate = world.revision_of("2")
    before = world.ready(candidate)
    world.do(Scale(candidate, world.asked()[candidate]))

    found = make_plan(world.seen(), world.memory, NOON + world.time, SETTINGS)

    assert before > 0
    assert not [action for action in found.actions if isinstance(action, WriteRoute)]


def test_pods_that_are_ending_are_not_counted_as_free() -> None:
    world = begun()
    while world.weights != {"v1": 75, "v2": 25}:
        world.run(5)
    stable = world.deployments()[world.revision_of("1")]
    candidate = world.deployments()[world.revision_of("2")]
    candidate["spec"]["replicas"] = candidate["status"]["replicas"] = 1

    def scales() -> list[Scale]:
        found = make_plan(world.seen(), world.memory, NOON + world.time, SETTINGS)
        return [action for action in found.actions if isinstance(action, Scale)]

    stable["status"]["replicas"] = 4
    assert scales() == []

    stable["status"]["replicas"] = 3
    assert scales() == [Scale(world.revision_of("2"), 2)]
