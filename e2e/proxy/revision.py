"""One revision on the cluster, made by the builders as the operator will make it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster import images
from e2e.cluster.kubectl import Kubectl
from model_rollouts.resources.controller_revision import controller_revision, objects, render
from model_rollouts.resources.names import Owner
from model_rollouts.resources.pod import USER, ProxySettings
from model_rollouts.resources.revision import RevisionInput, new_name
from model_rollouts.routes.http_route import Backend, RouteSpec, http_route
from model_rollouts.routes.record import RouteRecord

MODEL = "arrival-delay"
REPLICAS = 2
SERVER = Path(__file__).with_name("rude_model.py")
IMAGES = {image.name: image.reference for image in (*images.OURS, *images.NODE)}

TEMPLATE = f"""\
spec:
  securityContext:
    runAsNonRoot: true
    seccompProfile: {{type: RuntimeDefault}}
  containers:
    - name: model
      image: {IMAGES["model-server"]}
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""


@dataclass(frozen=True)
class Revision:
    """A revision that serves, and the host under which the gateway has it."""

    name: str
    host: str


def start(kubectl: Kubectl, namespace: str, user: int = USER) -> Revision:
    """Apply a revision and its route, and wait until its pods are ready.

    Its containers run as `user`; with another one than the proxy's own the pod says it for all.
    """
    # Something must own the objects, or they would be collected as garbage.
    kubectl("create", "configmap", MODEL, "-n", namespace)
    uid = kubectl.get("configmap", MODEL, "-n", namespace)["metadata"]["uid"]
    owner = Owner("v1", "ConfigMap", MODEL, uid)
    template = yaml.safe_load(TEMPLATE)
    template["spec"]["containers"][0]["command"] = ["python3", "-c", SERVER.read_text()]
    template["spec"]["securityContext"]["runAsUser"] = user
    given = RevisionInput(version="3", port=8080, template=template)
    name, _ = new_name(MODEL, given, ())
    settings = ProxySettings(IMAGES["envoy"], user=USER if user == USER else None)
    rendered = render(MODEL, name, given, [300], settings, namespace=namespace)
    stored = controller_revision(
        MODEL, name, given, rendered, namespace=namespace, owner=owner, number=1
    )
    host = f"{namespace}.example.com"
    route = http_route(
        MODEL,
        RouteSpec(parent_refs=[{"name": "models", "namespace": "gateways"}], hostnames=[host]),
        [Backend(name, 100)],
        RouteRecord(name, None, "Full", "0%", 1, None, 1),
        namespace=namespace,
        owner=owner,
    )
    things: list[dict[str, Any]] = [stored, *objects(stored, owner, REPLICAS), route]
    kubectl.apply(yaml.safe_dump_all(things))
    kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=90s")
    return Revision(name, host)
