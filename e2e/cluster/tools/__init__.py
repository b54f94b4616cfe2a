"""The Go programs of cluster and tests, pinned by a go.mod and built into the cache.

What the cluster and CI need is pinned by the go.mod in this folder. What only a slow lane needs has
a go.mod of its own, in `stores/` and `gateways/`: what it pins is no business of others.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from e2e.cluster.filling import filled
from e2e.cluster.paths import CACHE
from e2e.cluster.shell import run

MODULE = Path(__file__).parent
STORES = MODULE / "stores"
GATEWAYS = MODULE / "gateways"
BUILD_LOG = CACHE / "logs" / "go-build.log"


@dataclass(frozen=True)
class Package:
    """A main package of one of the pinned modules.

    Attributes:
        path: what `go build` is given.
        tags: build tags, which leave out what the cluster does not need.
        module: the folder of the go.mod that pins it.
    """

    path: str
    tags: str = ""
    module: Path = MODULE


PACKAGES = {
    "contour": Package(
        "github.com/projectcontour/contour/cmd/contour", module=GATEWAYS / "contour"
    ),
    "coredns": Package("github.com/coredns/coredns"),
    "envoy-gateway": Package("github.com/envoyproxy/gateway/cmd/envoy-gateway"),
    "etcd": Package("go.etcd.io/etcd/server/v3"),
    "helm": Package("helm.sh/helm/v3/cmd/helm"),
    "kind": Package("sigs.k8s.io/kind"),
    "kube-apiserver": Package("k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": Package("k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-proxy": Package("k8s.io/kubernetes/cmd/kube-proxy"),
    "kube-scheduler": Package("k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubectl": Package("k8s.io/kubernetes/cmd/kubectl"),
    "kubelet": Package("k8s.io/kubernetes/cmd/kubelet"),
    "kwok": Package("sigs.k8s.io/kwok/cmd/kwok"),
    "pause": Package("modelrollouts.dev/e2e/tools/pause"),
    # The other discoveries bring the clients of a dozen clouds.
    "prometheus": Package(
        "github.com/prometheus/prometheus/cmd/prometheus", "remove_all_sd,enable_kubernetes_sd"
    ),
    "victoria-metrics": Package(
        "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",
        module=STORES / "victoria-metrics",
    ),
}

STORES_OF_SAMPLES = ("victoria-metrics",)
API_SERVER = ("etcd", "kube-apiserver", "kubectl")
NODE = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns", "pause")
ADDONS = ("prometheus", "helm", "envoy-gateway")


def binary(name: str) -> Path:
    """Return the path of the Go program `name`, building it when needed.

    Raises:
        StepError: Go is missing or the build failed.
    """
    return filled(_place(name), partial(_build, name))


def build(name: str) -> str:
    """Build the Go program `name` unless it is there; return what was done."""
    if built([name]):
        return "there already"
    binary(name)
    return ""


def built(names: Iterable[str]) -> bool:
    """Whether every program in `names` lies ready in the cache."""
    return all(_place(name).exists() for name in names)


@cache
def module_directory(module: str, pinned_in: Path = MODULE) -> Path:
    """Return the directory of the sources of Go module `module`, fetching them when needed."""
    told = run(["go", "mod", "download", "-json", module], cwd=pinned_in, hint=_NEEDS_GO)
    return Path(json.loads(told)["Dir"])


@cache
def version(module: str) -> str:
    """Return the version of Go module `module` that the go.mod pins."""
    return run(
        ["go", "list", "-m", "-f", "{{.Version}}", module], cwd=MODULE, hint=_NEEDS_GO
    ).strip()


_NEEDS_GO = "install Go 1.26 or newer (it fetches a newer toolchain by itself unless told not to)"


def _place(name: str) -> Path:
    return _directory(PACKAGES[name].module) / name


@cache
def _directory(module: Path) -> Path:
    pinned = hashlib.sha256()
    for path in (module / "go.mod", module / "go.sum", module / "pause" / "main.go"):
        pinned.update(path.read_bytes() if path.exists() else b"")
    return CACHE / "tools" / pinned.hexdigest()[:12]


def _build(name: str, unfinished: Path) -> None:
    package = PACKAGES[name]
    flags = _flags_of_versions() if package.module == MODULE else "-s -w"
    run(
        [
            *("go", "build", "-trimpath", "-ldflags", flags, "-tags", package.tags),
            *("-o", str(unfinished), package.path),
        ],
        cwd=package.module,
        env={"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"},
        log=BUILD_LOG,
        hint=_NEEDS_GO,
        timeout=1800,
    )


def _flags_of_versions() -> str:
    kubernetes = version("k8s.io/kubernetes")
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    component = "k8s.io/component-base/version"
    # Without these the Kubernetes programs call themselves v0.0.0 and clients refuse features.
    # Go numbers Prometheus' module v0.313.5 where Prometheus says 3.13.5.
    _, series, patch = version("github.com/prometheus/prometheus").removeprefix("v").split(".")
    return (
        f"-s -w -X {component}.gitVersion={kubernetes}"
        f" -X {component}.gitMajor={major} -X {component}.gitMinor={minor}"
        f" -X github.com/prometheus/common/version.Version={series[0]}.{series[1:]}.{patch}"
    )
