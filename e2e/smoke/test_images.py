"""The operator's image starts on the cluster under the restrictions that it will run with."""

from importlib.metadata import version

import pytest

from e2e.cluster import images
from e2e.fixtures import Cluster

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: operator}}
spec:
  restartPolicy: Never
  securityContext: {{runAsNonRoot: true, {user}seccompProfile: {{type: RuntimeDefault}}}}
  containers:
    - name: operator
      image: {image}
      imagePullPolicy: IfNotPresent
      args: [--version]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {{drop: [ALL]}}
"""


@pytest.mark.parametrize(
    "user", ["", "runAsUser: 1000660000, "], ids=["its own user", "a user of the platform"]
)
def test_the_operators_image_runs_under_restricted_pod_security(
    cluster: Cluster, cluster_namespace: str, user: str
) -> None:
    kubectl, namespace = cluster.kubectl, f"--namespace={cluster_namespace}"
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", cluster_namespace, enforce)
    (image,) = (image for image in images.OURS if image.name == "operator")

    kubectl("apply", namespace, "-f", "-", stdin=POD.format(image=image.reference, user=user))
    done = "--for=jsonpath={.status.phase}=Succeeded"
    kubectl("wait", "pod/operator", namespace, done, "--timeout=90s")

    assert version("model-rollouts") in kubectl("logs", "operator", namespace)
