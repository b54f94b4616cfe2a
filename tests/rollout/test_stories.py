"""Whole rollouts as stories that people read: who did what, when and why."""

import random
from collections.abc import Callable

import pytest

from model_rollouts.decision import Dispersion
from model_rollouts.rollout.observed import Gateway
from tests.rollout import shadow_stories, suspension_stories
from tests.rollout.simulated_cluster import SPEC, World
from tests.rollout.story_files import is_told_again

GOOD_THEN_BAD = {"1": 0.002, "2": 0.002, "3": 0.05}


def first(**world: object) -> World:
    """A world in which version 1 serves all users, its watch over."""
    made = World(**world)  # type: ignore[arg-type]
    made.edit(version="1", strategy__watch={"duration": "10s"})
    made.until("Full").run(20)
    made.log.clear()
    made.writes.clear()
    return made


def promoted_and_rolled_back() -> World:
    """A first version, a good one, one with errors, and the good one again."""
    world = World(errors=GOOD_THEN_BAD)
    world.edit(version="1")
    world.until("Full").run(60)
    world.edit(version="2")
    world.until("Full").run(30)
    world.edit(version="3")
    world.until("RolledBack").run(30)
    world.edit(version="2")
    return world.until("Full").run(30)


def prometheus_is_away() -> World:
    """Nothing moves while nothing is known; then it goes on with all that was counted."""
    world = first()
    world.edit(version="2")
    world.until("Canary").run(15)
    world.prometheus_up = False
    world.run(120)
    world.prometheus_up = True
    return world.until("Full")


def another_version_comes() -> World:
    """A candidate is replaced in its canary, and what replaces it in the watch."""
    world = first()
    world.edit(version="2")
    world.until("Canary").run(15)
    world.edit(version="3")
    world.until("Full").run(10)
    world.edit(version="4")
    return world.until("Full")


def reverted_in_the_watch() -> World:
    """Git goes back while the version before is still warm: one write of the route."""
    world = first()
    world.edit(version="2", strategy__watch={"duration": "6h"})
    world.until("Full").run(30)
    world.edit(version="1")
    return world.until("Full").run(15)


def worse_in_the_watch() -> World:
    """A version that becomes bad after promotion gives its users back by itself."""
    world = first()
    world.edit(version="2", strategy__watch={"duration": "6h"})
    world.until("Full").run(60)
    world.errors["2"] = 0.05
    return world.until("RolledBack").run(15)


def the_deadline_comes() -> World:
    """Too little traffic to decide anything: undecided, and tried again on demand."""
    world = first(rate=0.4)
    world.edit(version="2", strategy__deadline="10m")
    world.until("Undecided").run(15)
    world.rate = 50
    world.edit(strategy__attempt=2)
    return world.until("Full")


def paused() -> World:
    """The clocks of deadlines stand."""
    world = first(rate=0.05)
    world.edit(version="2", strategy__deadline="10m")
    world.until("Canary").run(60)
    world.edit(paused=True)
    world.run(900)
    world.edit(paused=False)
    return world.until("Undecided")


def by_hand() -> World:
    """Overrides act on the version that they name, and are recorded."""
    world = first()
    world.edit(version="2")
    world.until("Canary").run(10)
    world.edit(strategy__override={"version": "2", "action": "Hold", "reason": "INC-1"})
    world.run(120)
    world.edit(strategy__override={"version": "2", "action": "Rollback", "reason": "INC-2"})
    world.until("RolledBack").run(10)
    world.edit(strategy__override={"version": "2", "action": "Promote", "reason": "INC-3"})
    return world.until("Full").run(10)


def promoted_by_hand_without_traffic() -> World:
    """What nobody asks cannot be judged, and is promoted by a person, Prometheus up or down."""
    world = first(rate=0.0)
    world.edit(version="2")
    world.until("Canary").run(90)
    world.prometheus_up = False
    world.run(10)
    world.edit(strategy__override={"version": "2", "action": "Promote", "reason": "INC-4"})
    return world.until("Full").run(10)


def immediate() -> World:
    """Not judged before, but watched after."""
    world = first(errors={"2": 0.3})
    world.edit(version="2", strategy__mode="Immediate", strategy__watch={"duration": "1h"})
    return world.until("RolledBack").run(10)


def never_ready() -> World:
    """No pod becomes ready: stalled, nobody noticed, and tried again on demand."""
    world = first(start_seconds={"2": 10_000.0})
    world.edit(version="2", strategy__progressDeadline="2m")
    world.until("Starting").run(180)
    world.start_seconds = {}
    world.edit(strategy__attempt=2)
    return world.until("Full")


def without_pods_in_the_canary() -> World:
    """All pods of the candidate go away while it has users, for longer than pods may take."""
    world = first()
    world.edit(version="2", strategy__progressDeadline="2m")
    world.until("Canary").run(10)
    world.broken.add("2")
    world.run(150)
    world.broken.clear()
    return world.until("Full").run(10)


def scraped_late() -> World:
    """A candidate gets no users before it can be judged, also while the last one is watched."""
    world = first()
    world.edit(version="2", strategy__watch={"duration": "6h"})
    world.until("Full").run(15)
    world.unscraped.add("3")
    world.edit(version="3")
    world.until("Starting").run(60)
    assert set(world.weights) == {"v2"}
    world.unscraped.clear()
    return world.until("Canary").run(10)


def scrape_stops() -> World:
    """Pods answer and nobody scrapes them: told after two intervals, and no count is lost."""
    world = first()
    world.edit(version="2")
    world.until("Canary").run(15)
    world.unscraped.add("2")
    world.run(60)
    world.unscraped.clear()
    return world.until("Full")


def refused_at_admission() -> World:
    """What only the operator can find out, in the order in which it is mended."""
    world = World(gateway=Gateway(missing=("gateways/models",)), refusal="image: required")
    world.edit(version="1")
    world.run(40)
    world.refusal = None
    world.run(40)
    world.gateway = Gateway(conflicts=("other/route",))
    world.run(40)
    world.gateway = Gateway()
    return world.until("Full").run(10)


def edited_by_somebody_else() -> World:
    """The route's weights, the status, the record and a Deployment are changed from outside."""
    world = first()
    world.edit(version="2", strategy__canary={"steps": ["10%", "50%"], "minStepDuration": "10m"})
    world.until("Canary").run(15)
    assert world.route is not None
    world.route["spec"]["rules"][0]["backendRefs"][1]["weight"] = 90
    world.tell("stranger", "changes the weight of the candidate to 90")
    world.run(15)
    del world.obj["status"]
    world.tell("stranger", "wipes the status")
    world.restart()
    world.run(15)
    world.route["metadata"]["annotations"] = {}
    world.tell("stranger", "removes the record")
    world.run(15)
    deployment = world.objects["Deployment", world.revision_of("1")]
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    world.changed(deployment)
    world.tell("stranger", "changes the image of v1")
    world.run(15)
    del world.objects["HTTPRoute", "arrival"]
    world.tell("stranger", "deletes the route")
    return world.run(15)


def given_back_in_the_route() -> World:
    """A person gives users to stable in the route itself, at last while no operator runs."""
    world = first()
    patient = {"steps": ["10%", "50%"], "minStepDuration": "10m"}
    world.edit(version="2", strategy__canary=patient, strategy__watch={"duration": "6h"})
    world.until("Canary").run(15)
    assert world.route is not None
    backends = world.route["spec"]["rules"][0]["backendRefs"]
    backends[0]["weight"], backends[1]["weight"] = 100, 0
    world.tell("stranger", "gives the candidate the weight 0")
    world.run(30)
    world.edit(strategy__attempt=2, strategy__canary=SPEC["strategy"]["canary"])
    world.until("Full").run(15)
    world.route["spec"]["rules"][0]["backendRefs"][0] |= {"name": world.revision_of("1")}
    world.tell("stranger", "gives nearly all users to v1")
    world.restart()
    return world.run(15)


LATENCY = {"name": "latency", "type": "Latency", "latency": {"within": "300ms", "share": "99%"}}
COUNTERS = {
    "name": "own",
    "type": "Counters",
    "counters": {"bad": {"metric": "my_wrong_total"}, "total": {"metric": "my_answers_total"}},
    "limits": {"good": "1%", "bad": "2%"},
}
ERRORS = SPEC["objectives"][0]


def slow_in_the_tail() -> World:
    """One answer in twenty takes eight times as long: the mean is fine, the p99 is not."""
    world = first(slow={"2": {0.4: 0.05}})
    world.edit(version="2", objectives=[ERRORS, LATENCY])
    return world.until("RolledBack").run(10)


def fast_enough() -> World:
    """A latency Gate is passed at every step, and proven under the load of all users."""
    world = first(slow={"2": {0.4: 0.002}})
    world.edit(version="2", objectives=[ERRORS, LATENCY])
    return world.until("Full").run(10)


def a_time_between_two_buckets() -> World:
    """A threshold that is written in a canary is no edge of what runs; the next version has it."""
    world = first(slow={"2": {0.31: 0.002}, "3": {0.31: 0.002}})
    world.edit(version="2")
    world.until("Canary").run(15)
    finer = {**LATENCY, "latency": {"within": "320ms", "share": "99%"}}
    world.edit(objectives=[ERRORS, finer])
    world.until("Full").run(10)
    world.edit(version="3")
    return world.until("Full").run(10)


def too_little_load() -> World:
    """A last step of 25 % never loads a pod as all users would; a larger one does."""
    world = first()
    world.edit(
        version="2",
        objectives=[ERRORS, LATENCY],
        strategy__canary={"steps": ["10%", "25%"], "minStepDuration": "30s"},
    )
    world.until("Canary").run(300)
    assert set(world.weights) == {"v1", "v2"}
    world.edit(strategy__canary={"steps": ["10%", "25%", "50%"], "minStepDuration": "30s"})
    return world.until("Full").run(10)


def objectives_change_in_a_canary() -> World:
    """Evidence begins anew, and the users stay where they are."""
    world = first()
    world.edit(version="2")
    world.until("Canary").run(50)
    assert world.weights == {"v1": 50, "v2": 50}
    world.edit(objectives=[ERRORS, LATENCY])
    world.run(5)
    assert world.weights == {"v1": 50, "v2": 50}
    return world.until("Full").run(10)


def wrong_by_its_own_count() -> World:
    """The proxy sees nothing wrong, the model's own counters do."""
    world = first(wrong={"1": 0.002, "2": 0.05})
    world.edit(version="2", objectives=[ERRORS, COUNTERS])
    return world.until("RolledBack").run(10)


def slow_in_the_watch() -> World:
    """A version whose tail grows after promotion gives its users back by itself."""
    world = first(slow={"2": {0.4: 0.002}})
    world.edit(version="2", objectives=[ERRORS, LATENCY], strategy__watch={"duration": "6h"})
    world.until("Full").run(60)
    world.slow["2"] = {0.4: 0.1}
    return world.until("RolledBack").run(15)


def burns_its_budget() -> World:
    """Errors that come in bursts prove little one by one; together they use up the budget.

    The override that had promoted the version still stands in the spec, and is not obeyed twice.
    """
    world = first(rate=20.0)
    world.dispersion = Dispersion(400.0, 400.0)
    objectives = [{**ERRORS, "availability": {"target": "99.9%"}}]
    world.edit(version="2", objectives=objectives, strategy__watch={"duration": "6h"})
    world.until("Canary").run(60)
    world.edit(strategy__override={"version": "2", "action": "Promote", "reason": "INC-5"})
    world.until("Full").run(600)
    world.errors["2"] = 0.05
    return world.until("RolledBack").run(120)


def a_fix_for_a_burning_service() -> World:
    """Stable misses its objective: what is better gets through, and stays."""
    world = first(errors={"1": 0.06, "2": 0.025})
    world.edit(version="2", strategy__watch={"duration": "30m"})
    world.until("Full").run(1_860)
    assert set(world.weights) == {"v2"}
    return world


def a_first_version_that_burns() -> World:
    """There is nothing to go back to: it is told, and the next version is not held up."""
    world = World(errors={"1": 0.06, "2": 0.002})
    world.edit(version="1", strategy__watch={"duration": "6h"})
    world.until("Full").run(120)
    world.edit(version="2")
    return world.until("Full").run(30)


def a_first_version_that_answers_503() -> World:
    """Users get no answers, in its watch and after it: not available, until a version answers."""
    world = World(errors={"1": 1.0, "2": 0.002})
    world.edit(version="1", strategy__watch={"duration": "2m"})
    world.until("Full").run(300)
    assert world.status["action"] == "Now"
    world.edit(version="2")
    return world.until("Full").run(30)


def pods_that_recover() -> World:
    """What lies outside of the version passes, and the first version is available again."""
    world = World(errors={"1": 1.0})
    world.edit(version="1", strategy__watch={"duration": "6h"})
    world.until("Full").run(60)
    world.errors["1"] = 0.002
    return world.run(2_400)


def it_begins_to_fail_hours_later() -> World:
    """Long after its watch a version answers nobody: told by the minute, and over as it began."""
    world = first(rate=10.0)
    world.run(3_600)
    world.errors["1"] = 1.0
    world.run(240)
    world.restart()
    world.run(60)
    world.errors["1"] = 0.002
    return world.run(2_400)


def it_misses_its_objective_for_hours() -> World:
    """Too little to be an outage, or a fast burn: what lasts is told as well, and ends."""
    world = first(rate=10.0)
    world.run(1_200)
    world.errors["1"] = 0.04
    world.run(2_400)
    world.errors["1"] = 0.002
    return world.run(2_400)


def stable_fails_in_a_canary() -> World:
    """While a candidate is judged, those who serve the others are looked at too."""
    world = first()
    world.edit(version="2")
    world.until("Canary").run(10)
    world.errors["1"] = 1.0
    return world.until("Full").run(30)


TOLD: tuple[Callable[[], World], ...] = (
    promoted_and_rolled_back,
    prometheus_is_away,
    another_version_comes,
    reverted_in_the_watch,
    worse_in_the_watch,
    the_deadline_comes,
    paused,
    by_hand,
    promoted_by_hand_without_traffic,
    immediate,
    never_ready,
    without_pods_in_the_canary,
    scraped_late,
    scrape_stops,
    refused_at_admission,
    edited_by_somebody_else,
    given_back_in_the_route,
    slow_in_the_tail,
    fast_enough,
    a_time_between_two_buckets,
    too_little_load,
    objectives_change_in_a_canary,
    wrong_by_its_own_count,
    slow_in_the_watch,
    burns_its_budget,
    a_fix_for_a_burning_service,
    a_first_version_that_burns,
    a_first_version_that_answers_503,
    pods_that_recover,
    it_begins_to_fail_hours_later,
    it_misses_its_objective_for_hours,
    stable_fails_in_a_canary,
)


@pytest.mark.parametrize("story", TOLD, ids=lambda story: story.__name__)
def test_the_story_is_the_one_that_was_read(story: Callable[[], World]) -> None:
    is_told_again(story)


@pytest.mark.parametrize("story", shadow_stories.TOLD, ids=lambda story: story.__name__)
def test_the_story_of_a_shadow_is_the_one_that_was_read(story: Callable[[], World]) -> None:
    is_told_again(story)


@pytest.mark.parametrize("story", suspension_stories.TOLD, ids=lambda story: story.__name__)
def test_the_story_of_a_suspension_is_the_one_that_was_read(story: Callable[[], World]) -> None:
    is_told_again(story)


@pytest.mark.parametrize("seed", range(8))
def test_an_operator_that_is_killed_anywhere_comes_to_the_same_end(seed: int) -> None:
    world = World(errors=GOOD_THEN_BAD, seed=seed)
    world.cuts = random.Random(seed)
    world.edit(version="1")
    world.until("Full")
    world.edit(version="2")
    world.until("Full")
    assert set(world.weights) == {"v2"}
    world.edit(version="3")
    world.until("RolledBack").run(30)

    assert set(world.weights) == {"v2"}
    assert world.pods()["v3"] == 0
    outcomes = [(past["version"], past["outcome"]) for past in world.status["history"]]
    assert outcomes == [("3", "RolledBack"), ("2", "Promoted"), ("1", "Promoted")]
