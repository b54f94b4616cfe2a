"""Two releases of the operator on one rollout, one after the other or in turns."""

import json

from model_rollouts.resources.names import RECORD_ANNOTATION
from tests.rollout.simulated_cluster import World


def test_what_another_release_recorded_stays_through_every_write() -> None:
    world = World()
    world.edit(version="1")
    world.until("Full").run(10)
    assert world.route is not None
    record = json.loads(world.route["metadata"]["annotations"][RECORD_ANNOTATION])
    text = json.dumps({"later": {"known": "to it"}, **record})
    world.route["metadata"]["annotations"][RECORD_ANNOTATION] = text
    world.edit(version="2")
    world.until("Full").run(10)

    kept = json.loads(world.route["metadata"]["annotations"][RECORD_ANNOTATION])
    assert kept["later"] == {"known": "to it"}
    assert kept["stable"] == world.revision_of("2")
    assert "RouteRepaired" not in "".join(world.log)
