"""Two revisions and their route made by the builders, without an operator.

With these the scenes' instruments are tried on a known truth.
"""

from typing import Any

import yaml

from e2e.cluster import images
from e2e.cluster.kubectl import Kubectl
from e2e.scenes.manifest import NAME, PORT, Wanted
from model_rollouts.resources.controller_revision import controller_revision, objects, render
from model_rollouts.resources.names import Owner
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.resources.revision import RevisionInput, new_name
from model_rollouts.routes.http_route import Backend, RouteSpec, http_route
from model_rollouts.routes.record import RouteRecord

(_PROXY,) = (image for image in images.NODE if image.name == "envoy")


class ByHand:
    """The objects of one namespace, reached under `host`."""

    def __init__(self, kubectl: Kubectl, namespace: str, host: str) -> None:
        """Make their owner: without one they would be collected as garbage."""
        self._kubectl, self._namespace, self._host = kubectl, namespace, host
        kubectl("create", "configmap", NAME, "-n", namespace)
        uid = kubectl.get("configmap", NAME, "-n", namespace)["metadata"]["uid"]
        self._owner = Owner("v1", "ConfigMap", NAME, uid)
        self._writes = 0

    def start(self, wanted: Wanted) -> str:
        """Start a revision, wait until its pods are ready, and return its name."""
        template = wanted.manifest(self._namespace, self._host)["spec"]["template"]
        given = RevisionInput(version=wanted.version, port=PORT, template=template)
        name, _ = new_name(NAME, given, ())
        rendered = render(
            NAME, name, given, [300], ProxySettings(_PROXY.reference), namespace=self._namespace
        )
        stored = controller_revision(
            NAME, name, given, rendered, namespace=self._namespace, owner=self._owner, number=1
        )
        things: list[dict[str, Any]] = [stored, *objects(stored, self._owner, wanted.replicas)]
        self._kubectl.apply(yaml.safe_dump_all(things))
        where = ("-n", self._namespace)
        self._kubectl("rollout", "status", f"deployment/{name}", *where, "--timeout=90s")
        return name

    def route(self, stable: str, candidate: str, percent: int) -> None:
        """Write the route: `candidate` gets `percent` of the users."""
        self._writes += 1
        route = http_route(
            NAME,
            RouteSpec(
                parent_refs=[{"name": "models", "namespace": "gateways"}], hostnames=[self._host]
            ),
            [Backend(stable, 100 - percent), Backend(candidate, percent)],
            RouteRecord(stable, candidate, "Canary", f"{percent}%", 1, None, self._writes),
            namespace=self._namespace,
            owner=self._owner,
        )
        self._kubectl.apply(yaml.safe_dump(route))
