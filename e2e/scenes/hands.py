"""A story of what people do in the middle of a rollout."""

from dataclasses import dataclass, replace

from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Object
from e2e.scenes.manifest import NAME, Wanted
from e2e.scenes.rollout import RouteWrite
from e2e.scenes.stage import Stage
from e2e.scenes.stories import first_version

WHY = "the customer asked for it"


@dataclass(frozen=True)
class Hands:
    """What followed from each change."""

    wiped: list[RouteWrite]
    """The route writes from before the status was wiped to the pause."""
    paused: Object
    paused_route: list[RouteWrite]
    """The route writes while it was paused."""
    overridden: Object
    tried_again: Object
    replaced: Object
    """The first status that tells of users for the version which replaced the candidate."""
    replaced_route: list[RouteWrite]
    promoted: Object
    answers: Answers


def hands(stage: Stage, rate: float = 20) -> Hands:
    """Status wiped, paused, resumed, overridden, tried again, replaced, promoted."""
    rollout = stage.rollout
    first = Wanted("1", target="90%", steps=("20%", "50%"))
    serving = first_version(stage, first, rate)
    traffic = serving.traffic

    def now() -> float:
        return traffic.so_far().last.sent

    since = now()
    second = replace(first, version="2", step_duration="60s")
    rollout.apply(second)
    rollout.wait_for_share(0.2, since=since)
    traffic.wait_for_more(10, "2")
    wiped_at = now()
    stage.cluster.kubectl(
        *("patch", "modeldeployment", NAME, "-n", stage.namespace, "--subresource=status"),
        *("--type=json", "-p", '[{"op": "remove", "path": "/status"}]'),
    )
    rollout.wait_for_phase("Canary", 1, since=wiped_at)
    traffic.wait_for_more(20, "2")

    paused_at = now()
    paused_generation = rollout.apply(replace(second, paused=True))
    paused = rollout.wait_for_phase("Paused", paused_generation).object
    # More requests than the rest of the rollout would take.
    traffic.wait_for_more(50, "2")
    paused_route = rollout.route_writes(paused_at)

    resumed_at = now()
    resumed = rollout.apply(second)
    rollout.wait_for_phase("Canary", resumed, since=resumed_at)
    order = {"version": "2", "action": "Rollback", "reason": WHY}
    generation = rollout.apply(replace(second, override=order))
    overridden = rollout.wait_for_phase("RolledBack", generation).object

    # A person looks at what happened before trying again; by then the pods are gone.
    rollout.wait_until_stopped("2")
    again_at = now()
    generation = rollout.apply(replace(second, attempt=2))
    tried_again = rollout.wait_for_phase("Canary", generation, since=again_at).object
    traffic.wait_for_more(10, "2")

    replaced_at = now()
    generation = rollout.apply(replace(first, version="3", attempt=2))
    replaced = rollout.wait_for_phase("Canary", generation, since=replaced_at).object
    rollout.wait_for_condition("Ready", seconds=240)
    promoted = rollout.wait_for_phase("Full", generation, since=replaced_at).object
    return Hands(
        [write for write in rollout.route_writes(since) if write.at < paused_at],
        paused,
        paused_route,
        overridden,
        tried_again,
        replaced,
        rollout.route_writes(replaced_at),
        promoted,
        traffic.stop().since(serving.settled),
    )
