"""kwok: pretended nodes and pods on the real API server, for runs with thousands of them."""

from e2e.cluster import tools
from e2e.cluster.credentials import Credentials
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.local.components import healthy
from e2e.cluster.local.layout import NODE_ADDRESS
from e2e.cluster.local.node import Node

PORT = 10247
ANNOTATION = "kwok.x-k8s.io/node"

NODE = """\
apiVersion: v1
kind: Node
metadata:
  name: {name}
  annotations: {{{annotation}: fake}}
  labels: {{type: kwok, kubernetes.io/hostname: {name}}}
spec:
  # Real pods must not land on a node that only pretends.
  taints: [{{key: {annotation}, value: fake, effect: NoSchedule}}]
status:
  allocatable: &much {{cpu: "64", memory: 256Gi, pods: "250"}}
  capacity: *much
"""


def start(node: Node, credentials: Credentials, nodes: int) -> str:
    """Run kwok and make `nodes` pretended nodes; return what was done."""
    done = node.program(
        "kwok",
        tools.binary("kwok"),
        f"--kubeconfig={credentials.kubeconfig('admin')}",
        f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
        "--manage-all-nodes=false",
        # Pretended pods get addresses that no real pod can get.
        "--cidr=10.247.0.0/16",
        *_stages(),
        f"--server-address={NODE_ADDRESS}:{PORT}",
        "--node-lease-duration-seconds=40",
        ready=lambda: healthy(f"http://{NODE_ADDRESS}:{PORT}/healthz"),
    )
    manifests = [NODE.format(name=f"kwok-{i}", annotation=ANNOTATION) for i in range(nodes)]
    kubectl = Kubectl(node.layout.kubeconfig)
    kubectl.apply("---\n".join(manifests))
    kubectl("wait", "node", "-l", "type=kwok", "--for=condition=Ready", "--timeout=120s")
    return done


def _stages() -> list[str]:
    """The stages of pretended life that kwok's own module carries, as options."""
    stages = tools.module_directory("sigs.k8s.io/kwok") / "kustomize" / "stage"
    folders = ("node/fast", "node/heartbeat-with-lease", "pod/fast")
    files = [path for folder in folders for path in sorted((stages / folder).glob("*.yaml"))]
    return [f"--config={path}" for path in files if path.name != "kustomization.yaml"]
