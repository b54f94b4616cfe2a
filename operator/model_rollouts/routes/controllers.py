"""What gateways do that Gateway API leaves open, a row for each controller.

A GatewayClass says which features it supports, at best. How large a weight may be, whether a filter
may stand on a backend and whether a backend may come and go is said nowhere: it was measured or
read, as each row tells. A controller that is in no row is taken to do what Gateway API asks of all.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from model_rollouts.routes.features import (
    BACKEND_TIMEOUT,
    MIRROR,
    MIRROR_PERCENT,
    MIRRORS,
    REQUEST_TIMEOUT,
)

MOST_WEIGHT = 1_000_000
"""Gateway API's bound of a backendRef's weight."""

_MIRROR = frozenset({MIRROR, MIRROR_PERCENT})
_MIRRORS = _MIRROR | {MIRRORS}
_TIMEOUTS = frozenset({REQUEST_TIMEOUT, BACKEND_TIMEOUT})
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Controller:
    """What is known of the gateways of one controller.

    `most_weight` is the largest weight that a backend may have. `features` are what it supports
    where its GatewayClass claims nothing; None when that is not known. `marks_backends` says that a
    filter on a backend is taken, `keeps_places` that a rule must keep its two backends while their
    weights change: such a gateway names clusters by the place of a backend.
    """

    title: str
    most_weight: int = MOST_WEIGHT
    features: frozenset[str] | None = None
    marks_backends: bool = False
    keeps_places: bool = False


ANY = Controller("the Gateway")
"""Nothing is known of it."""

# Features: conformance reports that the implementations have sent to Gateway API, v1.4.1 to v1.6.
# Weights: the limits that each load balancer documents. What was measured here says so.
CONTROLLERS: Mapping[str, Controller] = {
    # Measured: its class claims nothing, and users get 500 while a backend comes or goes.
    "gateway.envoyproxy.io/gatewayclass-controller": Controller(
        "Envoy Gateway",
        features=_MIRRORS | _TIMEOUTS,
        marks_backends=True,
        keeps_places=True,
    ),
    "istio.io/gateway-controller": Controller("Istio", features=_MIRRORS | _TIMEOUTS),
    "io.cilium/gateway-controller": Controller("Cilium", features=_MIRRORS | _TIMEOUTS),
    "kgateway.dev/kgateway": Controller("kgateway", features=_MIRRORS | _TIMEOUTS),
    "gateway.nginx.org/nginx-gateway-controller": Controller(
        "NGINX Gateway Fabric", features=_MIRRORS
    ),
    # Measured: it mirrors all requests, whatever share the route names, and accepts the route.
    "projectcontour.io/gateway-controller": Controller(
        "Contour", features=frozenset({MIRROR}) | _TIMEOUTS
    ),
    # It mirrors by objects of its own kinds, which are no part of a route.
    "traefik.io/gateway-controller": Controller("Traefik", features=_NOTHING),
    "konghq.com/kic-gateway-controller": Controller("Kong", most_weight=65_535, features=_NOTHING),
    "konghq.com/gateway-operator": Controller("Kong", most_weight=65_535, features=_NOTHING),
    "networking.gke.io/gateway": Controller("GKE Gateway", most_weight=1_000, features=_MIRROR),
    "gateway.k8s.aws/alb": Controller(
        "AWS Load Balancer Controller", most_weight=999, features=_NOTHING
    ),
    # The parent of its routes is a Service.
    "linkerd.io/policy-controller": Controller("Linkerd", features=_TIMEOUTS),
}


def of(names: Iterable[str], most_weights: Mapping[str, int]) -> Controller:
    """What a route may use whose parents have controllers of these `names`.

    `most_weights` are what the administrator says of weights, by name. Several parents share one
    route, so that the least of them decides; places are kept where one of them needs it.
    """
    found = [
        replace(row, most_weight=most_weights.get(name, row.most_weight))
        for name in sorted(set(names))
        for row in (CONTROLLERS.get(name, ANY),)
    ]
    if not found:
        return ANY
    return Controller(
        " and ".join(dict.fromkeys(each.title for each in found)),
        min(each.most_weight for each in found),
        _shared([each.features for each in found]),
        all(each.marks_backends for each in found),
        any(each.keeps_places for each in found),
    )


def _shared(claims: Collection[frozenset[str] | None]) -> frozenset[str] | None:
    known = [each for each in claims if each is not None]
    return frozenset.intersection(*known) if len(known) == len(claims) else None
