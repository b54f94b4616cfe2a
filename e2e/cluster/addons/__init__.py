"""What every cluster gets on top of Kubernetes: DNS, Envoy Gateway with one Gateway, Prometheus."""

import hashlib
import json
import shutil
import string
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster import tools
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


def prometheus_url(provider: Provider) -> str:
    """The address of Prometheus on this machine."""
    return f"http://{provider.node_address}:{PROMETHEUS_PORT}"


def _apply(provider: Provider, name: str) -> None:
    images = {f"{key.replace('-', '_')}_image": value for key, value in provider.images.items()}
    text = string.Template((HERE / name).read_text()).substitute(images)
    Kubectl(provider.kubeconfig).apply(text)


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
