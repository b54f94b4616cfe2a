"""What every cluster gets on top of Kubernetes: DNS, Envoy Gateway with one Gateway, Prometheus."""

import hashlib
import json
import os
import shutil
import string
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from e2e.cluster import images, tools
from e2e.cluster.filling import filled
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.paths import CACHE
from e2e.cluster.progress import Step
from e2e.cluster.provider import Provider
from e2e.cluster.shell import run

HERE = Path(__file__).parent
GATEWAY_NAMESPACE = "envoy-gateway-system"
PROMETHEUS_PORT = 30090
LOG = CACHE / "logs" / "addons.log"
_CONTOUR = "github.com/projectcontour/contour"


class Gateway(Enum):
    """A gateway that scenes are played with: controller, namespace, and the host that pods ask."""

    ENVOY_GATEWAY = (
        "gateway.envoyproxy.io/gatewayclass-controller",
        "gateways",
        f"models-gateway.{GATEWAY_NAMESPACE}.svc.cluster.local",
    )
    CONTOUR = (
        "projectcontour.io/gateway-controller",
        "contour",
        "envoy.contour.svc.cluster.local",
    )

    @property
    def controller(self) -> str:
        """The name of its controller."""
        return self.value[0]

    @property
    def parent(self) -> dict[str, str]:
        """What a route refers to."""
        return {"name": "models", "namespace": self.value[1]}

    @property
    def url(self) -> str:
        """Where pods reach it."""
        return f"http://{self.address}"

    @property
    def address(self) -> str:
        """The name of its Service, for pods; its port is 80."""
        return self.value[2]


def chosen() -> Gateway:
    """The gateway that the environment asks for: GATEWAY=contour, or Envoy Gateway."""
    return Gateway.CONTOUR if os.environ.get("GATEWAY") == "contour" else Gateway.ENVOY_GATEWAY


def install(provider: Provider) -> Sequence[Step]:
    """Return the steps that install everything; what is started early is waited for last."""
    kubectl = Kubectl(provider.kubeconfig)
    dns = [] if provider.brings_dns else [Step("DNS", lambda: _apply(provider, "coredns.yaml"))]
    return [
        *dns,
        Step("Prometheus", lambda: _apply(provider, "prometheus.yaml")),
        Step("Envoy Gateway", lambda: _envoy_gateway(provider)),
        Step("Gateway `models`", lambda: _apply(provider, "gateway.yaml")),
        Step("everything is ready", lambda: _wait(kubectl)),
    ]


def contour(provider: Provider) -> Sequence[Step]:
    """Return the steps that add a second gateway, which `Gateway.CONTOUR` is."""
    return [
        Step("image contour", lambda: provider.load(images.CONTOUR)),
        Step("Contour", lambda: _contour(provider)),
    ]


def prometheus_url(provider: Provider) -> str:
    """The address of Prometheus on this machine."""
    return f"http://{provider.node_address}:{PROMETHEUS_PORT}"


def _apply(provider: Provider, name: str) -> None:
    known = {**provider.images, "contour": images.CONTOUR.reference}
    named = {f"{key.replace('-', '_')}_image": value for key, value in known.items()}
    written = (HERE / name).read_text()
    digest = hashlib.sha256(written.encode()).hexdigest()[:12]
    text = string.Template(written).substitute(named, digest=digest)
    Kubectl(provider.kubeconfig).apply(text)


def _contour(provider: Provider) -> None:
    kubectl = Kubectl(provider.kubeconfig)
    sources = tools.module_directory(_CONTOUR, tools.GATEWAYS / "contour")
    kubectl.apply((sources / "examples" / "contour" / "01-crds.yaml").read_text())
    _apply(provider, "contour.yaml")
    for name in ("contour", "envoy"):
        kubectl("rollout", "status", f"deployment/{name}", "-n", "contour", "--timeout=120s")
    kubectl(
        "wait", "gateway/models", "-n", "contour", "--for=condition=Programmed", "--timeout=120s"
    )


def _envoy_gateway(provider: Provider) -> str:
    values = json.dumps(
        {
            "global": {
                "images": {
                    "envoyGateway": {
                        "image": provider.images["envoy-gateway"],
                        "pullPolicy": "IfNotPresent",
                    },
                    "envoyProxy": {"image": provider.images["envoy"]},
                }
            },
            "topologyInjector": {"enabled": False},
        }
    )
    chart = _chart()
    helm = [str(tools.binary("helm")), "--kubeconfig", str(provider.kubeconfig)]
    helm += ["-n", GATEWAY_NAMESPACE]
    # Helm would run the chart's certificate job again each time; skip it when nothing changed.
    mark = hashlib.sha256(f"{chart}{values}".encode()).hexdigest()[:12]
    listed = json.loads(run([*helm, "list", "-o", "json", "--deployed", "-l", f"values={mark}"]))
    if listed:
        return "there already"
    run(
        [
            *(*helm, "upgrade", "--install", "envoy-gateway", str(chart), "--create-namespace"),
            *("--labels", f"values={mark}", "--values", "-"),
        ],
        stdin=values,
        log=LOG,
        hint="`make cluster-down` and `make cluster` start from nothing",
    )
    return f"installed {tools.version('github.com/envoyproxy/gateway')}"


def _chart() -> Path:
    """Return the chart that lies in Envoy Gateway's module, with its two blanks filled."""
    version = tools.version("github.com/envoyproxy/gateway")
    return filled(CACHE / "charts" / f"gateway-helm-{version}", _copy_chart)


def _copy_chart(unfinished: Path) -> None:
    source = tools.module_directory("github.com/envoyproxy/gateway") / "charts" / "gateway-helm"
    shutil.copytree(source, unfinished)
    # Files in the module cache are read-only, and so are copies of them.
    for path in [unfinished, *unfinished.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    template = unfinished / "values.tmpl.yaml"
    # Both are always given as values; the defaults only have to be valid.
    values = template.read_text().replace("${GatewayImage}", '""')
    values = values.replace("${GatewayImagePullPolicy}", "IfNotPresent")
    template.with_name("values.yaml").write_text(values)


def _wait(kubectl: Kubectl) -> str:
    for namespace in ("kube-system", "monitoring", GATEWAY_NAMESPACE):
        kubectl("rollout", "status", "deployment", "-n", namespace, "--timeout=120s")
    kubectl(
        "wait", "gateway/models", "-n", "gateways", "--for=condition=Programmed", "--timeout=120s"
    )
    # The proxy's Deployment appears only once the Gateway is accepted.
    kubectl("rollout", "status", "deployment", "-n", GATEWAY_NAMESPACE, "--timeout=120s")
    return ""
