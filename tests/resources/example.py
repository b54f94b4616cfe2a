"""One ModelDeployment as a user would write it, for the tests of this room."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import yaml

from model_rollouts.resources.capture import Capture, Observer
from model_rollouts.resources.controller_revision import controller_revision, render
from model_rollouts.resources.names import Owner
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.resources.revision import Artifact, RevisionInput, new_name

MODEL = "arrival-delay"
NAMESPACE = "flights"
OWNER = Owner("modelrollouts.dev/v1alpha1", "ModelDeployment", MODEL, "5d1c6f6e-2f0b-4a51")
SETTINGS = ProxySettings(image="docker.io/envoyproxy/envoy@sha256:" + "0" * 64)
OBSERVER = Observer("model-rollouts-observer-{shard}.rollouts.svc:9800", "(a certificate)\n")
WITH_OBSERVER = replace(SETTINGS, observer=OBSERVER)
CAPTURED = Capture(sample=Fraction(1, 10), slice_header="x-tenant")
THRESHOLDS_MS = (300, 380)

TEMPLATE = """\
metadata:
  labels: {team: flights}
spec:
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: model
      image: registry.example.com/arrival-delay:3
      ports: [{containerPort: 8080}]
      readinessProbe: {httpGet: {path: /v2/health/ready, port: 8080}}
      resources: {requests: {cpu: "1", memory: 1Gi}}
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
"""


def template() -> Any:
    """A fresh pod template that restricted pod security accepts."""
    return yaml.safe_load(TEMPLATE)


def revision_input(**changes: Any) -> RevisionInput:
    """The input of the example, with `changes`."""
    fields = {
        "version": "3",
        "port": 8080,
        "template": template(),
        "artifact": Artifact("s3://models/arrival/3", "sha256:" + "a" * 64),
    }
    return RevisionInput(**{**fields, **changes})


def stored(given: RevisionInput | None = None, settings: ProxySettings = SETTINGS) -> Any:
    """The ControllerRevision of the example."""
    given = given or revision_input()
    name, _ = new_name(MODEL, given, {})
    rendered = render(MODEL, name, given, THRESHOLDS_MS, settings, namespace=NAMESPACE)
    return controller_revision(
        MODEL, name, given, rendered, namespace=NAMESPACE, owner=OWNER, number=1
    )
