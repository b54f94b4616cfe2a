"""Stories of versions that are judged on copies of requests before they get users."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from model_rollouts.resources.capture import Observer
from model_rollouts.rollout.observed import Gateway
from tests.rollout.simulated_cluster import SETTINGS, World

SHADOW: dict[str, Any] = {"sideEffects": "None", "minDuration": "1m"}
COMPARES: list[dict[str, Any]] = [
    {"name": "errors", "type": "Availability", "availability": {"target": "99%"}},
    {
        "name": "answers",
        "type": "Disagreement",
        "disagreement": {"of": "Label"},
        "limits": {"good": "1%", "bad": "2%"},
    },
]
NO_MIRROR = Gateway(features=frozenset({"HTTPRoute"}))


def first(**world: object) -> World:
    """A world in which version 1 has served all users for a while, its watch over."""
    made = World(**world)  # type: ignore[arg-type]
    made.edit(version="1", strategy__watch={"duration": "10s"}, strategy__shadow=SHADOW)
    made.until("Full").run(300)
    made.log.clear()
    made.writes.clear()
    return made


def shadowed(percent: int = 1, **world: object) -> World:
    """A world in which version 2 gets copies of `percent` of the requests."""
    made = first(**world)
    made.edit(version="2")
    made.until("Shadow")
    return mirrored(made, percent)


def mirrored(world: World, percent: int) -> World:
    """The world once so many percent of the requests are copied."""
    for _ in range(200):
        if world.mirror == percent:
            return world
        world.run(5)
    raise AssertionError(f"never {percent} %:\n" + "\n".join(world.log[-15:]))


def shadow_then_canary() -> World:
    """A good version goes all the way, and a bad one ends before a user saw it."""
    world = first(errors={"1": 0.002, "2": 0.002, "3": 0.05})
    world.edit(version="2")
    world.until("Full").run(15)
    world.edit(version="3")
    world.until("RolledBack").run(15)
    assert world.answers.get("3", 0) == 0
    assert world.copies["3"] > 0
    return world


def too_young_for_a_plan() -> World:
    """Nobody knew the traffic when it began: its plan comes once requests have been counted."""
    world = shadowed(young=True)
    assert "plan" not in world.obj["status"]
    for _ in range(20):
        world.run(5)
        if "plan" in world.obj["status"]:
            break
    assert world.obj["status"]["phase"] == "Shadow"
    assert world.obj["status"]["plan"] == "shadow about 110 s, canary about 80 s at 50 req/s"
    return world.until("Full")


def stable_suffers() -> World:
    """Copies of all requests are too many: one stage back, judged there, promoted."""
    world = first(errors={"1": 0.002, "2": 0.002}, suffers={100: 0.03})
    world.edit(version="2")
    return world.until("Full")


def stable_suffers_from_any_copy() -> World:
    """Down to none; there it stays until a person lets it go on, and the history says so."""
    world = first(errors={"1": 0.002, "2": 0.002}, suffers={1: 0.05})
    world.edit(version="2")
    world.until("Shadow").run(180)
    assert world.mirror == 0
    override = {"version": "2", "action": "SkipShadow", "reason": "INC-7"}
    world.edit(strategy__override=override)
    return world.until("Full")


def tried_again_after_stable_suffered() -> World:
    """A new attempt climbs again, with stable's past in mind."""
    world = first(suffers={1: 0.05})
    world.edit(version="2")
    world.until("Shadow").run(60)
    world.suffers = {}
    world.edit(replicas=3, strategy__attempt=2)
    return world.until("Canary")


def the_gateway_drops_copies() -> World:
    """No copy arrives: told, and never an endless silent wait."""
    world = first(copied=0.0)
    world.edit(version="2")
    world.until("Shadow").run(180)
    world.edit(strategy__shadow={"percent": 0})
    return world.until("Canary").run(10)


def the_gateway_refuses_copies() -> World:
    """It claims nothing, and serves no route with a mirror: the mirror goes at once."""
    world = first(refuses_copies=True)
    world.edit(version="2")
    world.until("Shadow").run(60)
    world.edit(strategy__shadow={"percent": 0})
    return world.until("Canary").run(10)


def the_gateway_cannot_copy() -> World:
    """Known before anything runs."""
    world = first(gateway=NO_MIRROR)
    world.edit(version="2")
    world.run(30)
    world.edit(strategy__shadow={"percent": 0})
    return world.until("Canary").run(10)


def paused_in_shadow() -> World:
    """The mirror stays as it is, and every clock stands."""
    world = shadowed(10)
    world.edit(paused=True)
    world.run(900)
    world.edit(paused=False)
    return world.until("Canary")


def another_version_comes_in_shadow() -> World:
    """Its copies end with the same write."""
    world = shadowed(10)
    world.edit(version="3")
    return world.until("Canary")


def stable_comes_back_in_shadow() -> World:
    """The spec names stable again."""
    world = shadowed(10)
    world.edit(version="1")
    return world.until("Full").run(10)


def known_good_needs_no_shadow() -> World:
    """A version that served everybody is not judged again."""
    world = shadowed(1)
    world.until("Full").run(30)
    world.edit(version="1")
    return world.until("Full").run(10)


def the_deadline_comes_in_shadow() -> World:
    """Copies alone never give users to a version."""
    world = first(rate=0.2)
    world.edit(version="2", strategy__deadline="20m")
    return world.until("Undecided").run(10)


def meddled_with_in_shadow() -> World:
    """The mirror, the status, the record and the shadow Service are changed from outside."""
    world = shadowed(10)
    assert world.route is not None
    world.route["spec"]["rules"][0]["filters"][0]["requestMirror"]["percent"] = 90
    world.tell("stranger", "has 90 % of the requests copied")
    world.run(10)
    del world.obj["status"]
    world.tell("stranger", "wipes the status")
    world.restart()
    world.run(10)
    world.route["metadata"]["annotations"] = {}
    world.tell("stranger", "removes the record")
    world.run(10)
    del world.objects["Service", f"{world.revision_of('2')}-shadow"]
    world.tell("stranger", "deletes the shadow Service of v2")
    world.run(10)
    del world.objects["HTTPRoute", "arrival"]
    world.tell("stranger", "deletes the route")
    world.restart()
    world.run(10)
    return world.until("Canary")


def under_the_load_of_a_peak() -> World:
    """On fewer pods than stable has; more of them before users come."""
    world = World(rate=90.0, errors={"1": 0.002, "2": 0.002})
    shadow = {**SHADOW, "peakFactor": "2", "minDuration": "3m"}
    canary = {"steps": ["50%"], "minStepDuration": "30s"}
    world.edit(version="1", replicas=6, strategy__shadow=shadow, strategy__canary=canary)
    world.until("Full").run(300)
    world.log.clear()
    world.edit(version="2")
    return world.until("Canary")


def fewer_copies_are_asked_for() -> World:
    """A lower share takes effect at once, and is judged there."""
    world = shadowed(100)
    world.edit(strategy__shadow={**SHADOW, "percent": 20})
    return world.until("Canary")


OBSERVED = replace(SETTINGS, proxy=replace(SETTINGS.proxy, observer=Observer("o-{shard}:9800", "")))


def compared(
    role: str = "Guard", sample: float = 0.5, against: str = "Stable", **world: Any
) -> World:
    """A world in which answers to mirrored requests are compared, a share of `sample` of them."""
    made = World(**{"compared": sample, "settings": OBSERVED, **world})
    errors, answers = COMPARES
    if against != "Stable":
        answers = {**answers, "disagreement": {**answers["disagreement"], "against": against}}
    made.edit(
        version="1",
        capture={"sample": f"{sample:.0%}"},
        objectives=[errors, {**answers, "role": role}],
        strategy__watch={"duration": "10s"},
        strategy__shadow=SHADOW,
    )
    made.until("Full").run(360)
    made.log.clear()
    made.writes.clear()
    return made


def it_answers_otherwise() -> World:
    """As fast as stable and without an error, and wrong: it ends before a user saw it."""
    world = compared(differing={"2": 0.004, "3": 0.2})
    world.edit(version="2")
    world.until("Full").run(15)
    world.edit(version="3")
    world.until("RolledBack").run(15)
    assert world.answers.get("3", 0) == 0
    return world


def stable_is_never_sure() -> World:
    """Stable differs from itself as often: it is no fault, and twice as often is one."""
    world = compared(
        against="Self",
        sample=1.0,
        rate=200.0,
        unsteady={"1": 0.2, "2": 0.2},
        differing={"2": 0.2, "3": 0.5},
    )
    world.edit(version="2", strategy__shadow={**SHADOW, "minDuration": "3m"})
    world.until("Full").run(15)
    world.edit(version="3")
    world.until("RolledBack").run(15)
    assert world.answers.get("3", 0) == 0
    return world


def the_observer_is_away() -> World:
    """Nothing moves until it is back, users notice nothing, and then the rollout goes on."""
    world = compared(differing={"2": 0.004})
    world.edit(version="2")
    world.until("Shadow")
    mirrored(world, 10)
    world.observer_up = False
    world.run(600)
    assert world.status["phase"] == "Shadow"
    assert world.answers.get("2", 0) == 0
    world.observer_up = True
    return world.until("Canary").run(10)


def answers_are_hardly_compared() -> World:
    """What was hardly compared has not passed, and a person can let it go on."""
    world = compared(compared=0.0)
    world.edit(version="2")
    world.until("Shadow").run(900)
    assert world.status["phase"] == "Shadow"
    override = {"version": "2", "action": "SkipShadow", "reason": "INC-7"}
    world.edit(strategy__override=override)
    return world.until("Canary").run(10)


def records_are_lost() -> World:
    """Nobody knows what was in them."""
    world = compared(lost=0.1, differing={"2": 0.004})
    world.edit(version="2")
    world.until("Shadow").run(900)
    assert world.status["phase"] == "Shadow"
    world.lost = 0.0
    return world.until("Canary").run(10)


def answers_are_a_gate() -> World:
    """It waits for enough pairs in shadow, and what they showed stands in the canary."""
    world = compared("Gate", sample=0.05, differing={"2": 0.004})
    world.edit(version="2")
    world.until("Full").run(15)
    return world


TOLD: tuple[Callable[[], World], ...] = (
    shadow_then_canary,
    too_young_for_a_plan,
    stable_suffers,
    stable_suffers_from_any_copy,
    tried_again_after_stable_suffered,
    the_gateway_drops_copies,
    the_gateway_refuses_copies,
    the_gateway_cannot_copy,
    paused_in_shadow,
    another_version_comes_in_shadow,
    stable_comes_back_in_shadow,
    known_good_needs_no_shadow,
    the_deadline_comes_in_shadow,
    meddled_with_in_shadow,
    under_the_load_of_a_peak,
    fewer_copies_are_asked_for,
    it_answers_otherwise,
    stable_is_never_sure,
    the_observer_is_away,
    answers_are_hardly_compared,
    records_are_lost,
    answers_are_a_gate,
)
