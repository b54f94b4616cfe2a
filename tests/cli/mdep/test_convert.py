"""`convert`: what becomes of other tools' resources, and what is said of the rest."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_rollouts.cli.mdep.offline import problems
from tests.cli.mdep.conftest import Command

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: arrival, namespace: flights}
spec:
  replicas: 3
  progressDeadlineSeconds: 600
  strategy: {type: RollingUpdate}
  selector: {matchLabels: {app: arrival}}
  template:
    metadata: {labels: {app: arrival}}
    spec:
      containers:
        - {name: sidecar, image: "registry.example.com/log:1"}
        - name: server
          image: registry.example.com/arrival:2.1
          ports: [{containerPort: 9000}]
"""
ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: arrival}
spec:
  replicas: 2
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: arrival}
  strategy:
    canary:
      maxSurge: 1
      analysis: {templates: [{templateName: success-rate}]}
      steps:
        - setWeight: 20
        - pause: {duration: 5m}
        - setWeight: 40
        - pause: {}
        - setWeight: 100
"""
CANARY = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: arrival, namespace: flights}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: arrival}
  autoscalerRef: {kind: HorizontalPodAutoscaler, name: arrival}
  service:
    port: 9000
    gatewayRefs: [{name: public, namespace: gateways}]
    hosts: [arrival.flights.com]
    match: [{uri: {prefix: /v2}}]
  analysis:
    interval: 1m
    threshold: 5
    maxWeight: 50
    stepWeight: 5
    metrics:
      - {name: request-success-rate, thresholdRange: {min: 99}}
      - {name: request-duration, thresholdRange: {max: 500}}
      - {name: queue-length, thresholdRange: {max: 3}}
    webhooks: [{name: load-test, url: "http://load"}]
"""
INFERENCE_SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: arrival}
spec:
  predictor:
    minReplicas: 2
    maxReplicas: 8
    canaryTrafficPercent: 10
    serviceAccountName: models
    model:
      modelFormat: {name: sklearn}
      runtime: kserve-sklearnserver
      storageUri: s3://models/arrival/v7
      resources: {limits: {memory: 1Gi}}
  transformer: {containers: [{name: t}]}
"""
RUNTIME = """
apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata: {name: kserve-sklearnserver}
spec: {containers: [{name: kserve-container, image: "kserve/sklearnserver:v0.15"}]}
"""


def converted(mdep: Command, *files: str) -> tuple[dict[str, Any], str]:
    """The one ModelDeployment of the files, and its text in one line."""
    result = mdep("convert", "-", input="---".join(files))
    assert result.exit_code == 0, result.output
    (found,) = yaml.safe_load_all(result.stdout)
    # Comments stand where they do not hide the field that they are about.
    return found, " ".join(result.stdout.replace("#", " ").split())


@pytest.mark.parametrize(
    ("files", "places"),
    [
        ((DEPLOYMENT,), {"spec.template.spec.containers"}),
        ((ROLLOUT, DEPLOYMENT), {"spec.template.spec.containers"}),
        ((CANARY, DEPLOYMENT), {"spec.template.spec.containers"}),
        ((INFERENCE_SERVICE, RUNTIME), {"spec.template.spec.containers"}),
        ((INFERENCE_SERVICE,), {"spec.template.spec.containers"}),
    ],
    ids=["Deployment", "Rollout", "Canary", "InferenceService", "without its runtime"],
)
def test_what_is_left_to_be_done_is_the_digest(
    mdep: Command, files: tuple[str, ...], places: set[str]
) -> None:
    """All else is a resource that the API server takes."""
    found, text = converted(mdep, *files)

    assert {each.field for each in problems(found)} == places
    assert "Write the digest" in text


def test_a_deployment_keeps_its_pods(mdep: Command) -> None:
    found, text = converted(mdep, DEPLOYMENT)

    assert found["metadata"] == {"name": "arrival", "namespace": "flights"}
    spec = found["spec"]
    assert (spec["replicas"], spec["port"], spec["model"]) == (3, 9000, {"version": "2.1"})
    assert [each["name"] for each in spec["template"]["spec"]["containers"]] == ["sidecar", "model"]
    assert spec["strategy"]["progressDeadline"] == "600s"
    assert "- spec.strategy: users are moved here, and not pods" in text
    assert "the name 'server' of the container" in text


def test_weights_of_a_rollout_become_steps(mdep: Command) -> None:
    found, text = converted(mdep, ROLLOUT, DEPLOYMENT)

    assert found["spec"]["strategy"]["canary"] == {
        "steps": ["20%", "40%"],
        "minStepDuration": "300s",
    }
    assert "steps[3].pause without an end" in text
    assert "AnalysisTemplate success-rate: write what it promises as spec.objectives" in text
    assert "- spec.strategy.canary.maxSurge" in text


def test_metrics_of_flagger_become_objectives(mdep: Command) -> None:
    found, text = converted(mdep, CANARY, DEPLOYMENT)

    spec = found["spec"]
    assert spec["objectives"] == [
        {
            "name": "request-success-rate",
            "type": "Availability",
            "availability": {"target": "99%"},
        },
        {
            "name": "request-duration",
            "type": "Latency",
            "latency": {"within": "500ms", "share": "99%"},
        },
    ]
    assert spec["strategy"]["canary"]["steps"][0::7] == ["5%", "50%"]
    assert len(spec["strategy"]["canary"]["steps"]) == 8
    assert spec["route"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways"}],
        "hostnames": ["arrival.flights.com"],
        "matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}],
    }
    for lost in ("queue-length", "spec.analysis.webhooks", "spec.autoscalerRef", "10 steps"):
        assert lost in text


def test_a_predictor_becomes_a_pod(mdep: Command) -> None:
    found, text = converted(mdep, INFERENCE_SERVICE, RUNTIME)

    spec = found["spec"]
    assert (spec["model"]["version"], spec["runtime"], spec["replicas"]) == ("v7", "KServe", 2)
    pods = spec["template"]["spec"]
    assert pods["serviceAccountName"] == "models"
    assert pods["containers"] == [
        {
            "name": "model",
            "image": "kserve/sklearnserver:v0.15",
            "resources": {"limits": {"memory": "1Gi"}},
        }
    ]
    for lost in (
        "no storage initializer",
        "canaryTrafficPercent",
        "spec.transformer",
        "maxReplicas",
    ):
        assert lost in text


def test_what_refers_to_nothing_says_what_to_add(mdep: Command) -> None:
    _, text = converted(mdep, CANARY)

    assert "spec.targetRef: add the Deployment 'arrival' to the files" in text
    assert "No container was found" in text


def test_a_list_of_kubectl_is_many(mdep: Command) -> None:
    items = [yaml.safe_load(each) for each in (DEPLOYMENT, INFERENCE_SERVICE)]
    items[1]["metadata"]["name"] = "other"

    result = mdep("convert", "-", input=yaml.safe_dump({"kind": "List", "items": items}))

    names = [each["metadata"]["name"] for each in yaml.safe_load_all(result.stdout)]
    assert names == ["arrival", "other"]


def test_what_is_not_converted_is_told(mdep: Command, tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    path.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n")

    result = mdep("convert", str(path))

    assert result.exit_code == 1
    assert "write files with InferenceService, Rollout, Canary, Deployment" in result.stderr
