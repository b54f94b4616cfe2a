"""The local provider: a whole Kubernetes from Go modules and Debian packages, without Docker."""

import os
import shutil
from collections.abc import Mapping, Sequence
from functools import partial

from e2e.cluster import credentials, debian, images, tools
from e2e.cluster.credentials import Credentials
from e2e.cluster.images import Image
from e2e.cluster.local import components, kwok
from e2e.cluster.local.components import API
from e2e.cluster.local.layout import API_SERVICE_ADDRESS, NODE_ADDRESS, default_layout
from e2e.cluster.local.node import Node
from e2e.cluster.progress import Step, StepError
from e2e.cluster.shell import run

# Programs of the machine, by the Debian package that has them.
MACHINE_PROGRAMS = {
    "buildah": "buildah",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "nsenter": "util-linux",
    "sysctl": "procps",
    "unshare": "util-linux",
}
DEBIAN_PACKAGES = ("containerd", "containernetworking-plugins", "runc")
GO_PROGRAMS = (*tools.API_SERVER, *tools.NODE, *tools.ADDONS)
ALL_IMAGES = (*images.NODE, *images.OURS)
API_NAMES = [
    *("kubernetes", "kubernetes.default", "kubernetes.default.svc"),
    *("kubernetes.default.svc.cluster.local", "localhost", NODE_ADDRESS, API_SERVICE_ADDRESS),
]


class LocalProvider:
    """A node in namespaces of this machine."""

    name = "local"
    node_address = NODE_ADDRESS
    brings_dns = False

    def __init__(self) -> None:
        self.images: Mapping[str, str] = {image.name: image.reference for image in images.NODE}
        self.layout = default_layout()
        self.kubeconfig = self.layout.kubeconfig
        self.node = Node(self.layout)

    def unable(self) -> str:
        """Why it cannot be used here; empty when it can."""
        if os.geteuid() != 0:
            return "it needs root (namespaces, cgroups)"
        if shutil.which("apt-get") is None:
            return "it needs Debian packages, and there is no apt-get"
        if shutil.which("go") is None:
            return "it needs Go, and there is no go command"
        for hidden in ("/run", "/var/lib"):
            if self.layout.state.is_relative_to(hidden):
                return f"MODEL_ROLLOUTS_STATE={self.layout.state} lies below {hidden}"
        return ""

    def create(self, audit: bool | None = None) -> Sequence[Step]:
        """The steps that make the cluster, or repair it."""
        if audit is None:
            audit = components.audits(self.node)
        # Only what is missing: a warm start should not read like a cold one.
        programs = [name for name in self.programs() if not tools.built([name])]
        of_go = [image for image in ALL_IMAGES if image.uses_go()]
        return [
            *self.parts(),
            *(Step(f"build {name}", partial(tools.build, name)) for name in programs),
            *(Step(f"image {image.name}", partial(self.build, image)) for image in of_go),
            Step("node (namespaces, cable)", self.node.create),
            Step("credentials", self._credentials),
            Step("etcd", lambda: components.etcd(self.node)),
            Step("API server", lambda: components.api_server(self.node, self._made, audit)),
            Step("containerd", self._containerd),
            Step("images on the node", self._import_all),
            Step("controllers", lambda: components.controller_manager(self.node, self._made)),
            Step("scheduler", lambda: components.scheduler(self.node, self._made)),
            Step("kubelet", lambda: components.kubelet(self.node, self._made)),
            Step("kube-proxy", lambda: components.kube_proxy(self.node, self._made)),
        ]

    def programs(self) -> Sequence[str]:
        """All that run on the node or set it up."""
        return GO_PROGRAMS

    def parts(self) -> Sequence[Step]:
        """Programs of Debian, and the images that are made of Debian and Python packages."""
        others = [image for image in ALL_IMAGES if not image.uses_go()]
        return [
            Step("programs of this machine", _machine_programs),
            Step("Debian packages", _debian_packages),
            *(Step(f"image {image.name}", partial(self.build, image)) for image in others),
        ]

    def build(self, image: Image) -> None:
        """Build `image` with buildah."""
        images.archive(image)

    def load(self, image: Image) -> None:
        """Build `image` with buildah and import it on the node."""
        self._import(image)

    def kill(self, container: str) -> None:
        """End the first process of a container by SIGKILL."""
        run(components.ctr(self.node, "tasks", "kill", "--signal", "SIGKILL", container))

    def pretend_nodes(self, count: int) -> str:
        """Run kwok with `count` pretended nodes for runs with thousands of pods."""
        return kwok.start(self.node, self._made, count)

    def delete(self) -> Sequence[Step]:
        """The steps after which nothing of the cluster is left."""
        return [
            Step("end all processes of the node", self._destroy),
            Step("remove the state directory", self._remove_state),
            Step("look for what is left", self._nothing_left),
        ]

    @property
    def _made(self) -> Credentials:
        return Credentials(self.layout.credentials)

    def _credentials(self) -> str:
        server = f"https://{API.host}:{API.port}"
        made = credentials.ensure(self.layout.credentials, server, API_NAMES)
        credentials.write_kubeconfig(made, "admin", server, self.kubeconfig)
        return f"kubeconfig {self.kubeconfig}"

    def _containerd(self) -> str:
        pause = next(image for image in images.NODE if image.name == "pause")
        return components.containerd(self.node, pause.reference)

    def _import_all(self) -> str:
        imported = [image.name for image in ALL_IMAGES if self._import(image)]
        return f"imported {', '.join(imported)}" if imported else "all there"

    def _import(self, image: Image) -> bool:
        tar = images.archive(image)
        # The archive's name holds the hash of its content; the label remembers it on the node.
        label = f"labels.content=={tar.stem}"
        if run(components.ctr(self.node, "images", "list", "-q", label)).strip():
            return False
        run(
            components.ctr(self.node, "images", "import", "--no-unpack", tar),
            log=self.layout.logs / "images.log",
        )
        run(
            components.ctr(self.node, "images", "label", image.reference, f"content={tar.stem}"),
        )
        return True

    def _destroy(self) -> str:
        return f"{self.node.destroy()} ended"

    def _remove_state(self) -> str | None:
        if not self.layout.state.exists():
            return "nothing there"
        shutil.rmtree(self.layout.state)
        return None

    def _nothing_left(self) -> str:
        found = self.node.leftovers()
        if found:
            raise StepError(
                f"still there: {', '.join(found)}", hint="run `make cluster-down` once more"
            )
        return "nothing"


def _machine_programs() -> str:
    if not _missing_packages():
        return "all there"
    with debian.package_manager():
        # Whoever had it before may have installed them.
        missing = _missing_packages()
        return _installed(missing) if missing else "all there"


def _missing_packages() -> list[str]:
    return sorted({pkg for name, pkg in MACHINE_PROGRAMS.items() if shutil.which(name) is None})


def _installed(missing: Sequence[str]) -> str:
    log = tools.BUILD_LOG.with_name("apt.log")
    # --no-remove: what the machine has must not be replaced behind its owner's back.
    command = ["apt-get", "install", "-y", "-q", "--no-remove", "--no-install-recommends"]
    hint = f"install {' '.join(missing)} yourself, then run this again"
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], log=log, hint=hint)
    run([*command, *missing], log=log, hint=hint, env=environment)
    return f"installed {', '.join(missing)}"


def _debian_packages() -> None:
    for package in DEBIAN_PACKAGES:
        debian.unpacked(package)
