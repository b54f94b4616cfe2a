"""Whatever the weights become, and however often: no request is lost on the way."""

import itertools
import json
from functools import partial

from e2e.cluster import addons
from e2e.cluster.kubectl import Kubectl
from e2e.fixtures import Cluster
from e2e.smoke import servers
from e2e.waiting import wait_until
from model_rollouts.resources.names import Owner
from model_rollouts.routes import controllers
from model_rollouts.routes.http_route import Backend, RouteSpec, http_route
from model_rollouts.routes.record import RouteRecord

REQUESTS, RATE = 6_000, 250
STABLE, CANDIDATE = Backend("stable", 1), Backend("candidate", 1)
COURSE = (
    (Backend("stable", 9), CANDIDATE),
    (STABLE,),
    (STABLE, CANDIDATE),
    (CANDIDATE,),
    (STABLE,),
)
"""A first step and its rollback, a larger one and its promotion, and a revert."""
RECORD = RouteRecord("stable", None, "Full", "0%", 1, None, 1)
MOST_LOST_BY_CONTOUR = 2
"""Requests for each change of the route, at this rate."""
LEAST_CHANGES = 20
"""A route whose backends come and go loses a request in every seventh change or so at this rate."""


def test_no_request_is_lost_while_weights_change(cluster: Cluster, cluster_namespace: str) -> None:
    servers.start(cluster, cluster_namespace)
    uid = cluster.kubectl.get("namespace", cluster_namespace)["metadata"]["uid"]
    owner = Owner("v1", "Namespace", cluster_namespace, uid)
    change = partial(_change, cluster.kubectl, owner)
    servers.reached(cluster, cluster_namespace, {"1", "2"})
    change((STABLE,))
    accepted = partial(cluster.route_accepted, "model", cluster_namespace)
    wait_until(accepted, "the route was not accepted")

    servers.send(cluster, cluster_namespace, REQUESTS, RATE)
    changes = 0
    for backends in itertools.cycle(COURSE):
        if servers.have_ended(cluster, cluster_namespace):
            break
        change(backends)
        wait_until(accepted, "the route was not accepted")
        changes += 1
    told = servers.answered(cluster, cluster_namespace)

    print(f"{changes} changes of the route, clients saw {told}")
    assert changes >= LEAST_CHANGES
    if addons.chosen() is addons.Gateway.CONTOUR:
        # It tells its proxy of a backend and of where that is one after the other.
        assert told["statuses"].pop("503", 0) <= MOST_LOST_BY_CONTOUR * changes
        assert set(told["versions"]) <= {"1", "2", "none"}
    else:
        assert told["statuses"] == {"200": REQUESTS}
        assert set(told["versions"]) == {"1", "2"}
    assert set(told["statuses"]) == {"200"}


def _change(kubectl: Kubectl, owner: Owner, backends: tuple[Backend, ...]) -> None:
    gateway = addons.chosen()
    known = controllers.of([gateway.controller], {})
    spec = RouteSpec(
        [gateway.parent],
        [servers.host(owner.name)],
        marks_backends=known.marks_backends,
        keeps_places=known.keeps_places,
        most_weight=known.most_weight,
    )
    route = http_route("model", spec, backends, RECORD, namespace=owner.name, owner=owner)
    kubectl("apply", "-f", "-", stdin=json.dumps(route))
