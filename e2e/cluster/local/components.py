"""The programs that make the node a Kubernetes cluster: what each is told, and when it is ready."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import yaml

from e2e.cluster import control_plane, debian, tools
from e2e.cluster.control_plane import Endpoint
from e2e.cluster.credentials import Credentials
from e2e.cluster.local import layout as at
from e2e.cluster.local import process
from e2e.cluster.local.node import Node

ETCD = Endpoint(at.NODE_ADDRESS, 2379)
ETCD_PEER = Endpoint(at.NODE_ADDRESS, 2380)
API = Endpoint(at.NODE_ADDRESS, at.API_PORT)
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

CONTAINERD_CONFIG = """\
version = 2
root = "{root}"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE a lower OOM score cannot be set, and every pod would fail at birth.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_programs}"
    conf_dir = "{cni_config}"
"""

# `ptp` routes between pods instead of bridging them, so that an answer from a pod on the same node
# passes the address translation of Services without the br_netfilter module.
CNI_CONFIG = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "ptp",
            "mtu": 1500,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni",
                "ranges": [[{"subnet": at.NODE_POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def etcd(node: Node) -> str:
    """Run etcd; its data survive a restart of the node."""
    command = control_plane.etcd(node.layout.state / "etcd", ETCD, ETCD_PEER)
    return node.program("etcd", *command, ready=lambda: control_plane.etcd_ready(ETCD))


def api_server(node: Node, credentials: Credentials, audit: bool) -> str:
    """Run the API server, with the audit log at Metadata level when `audit`."""
    log = _audit_log(node) if audit else None
    command = control_plane.api_server(credentials, ETCD, API, at.SERVICE_RANGE, log)
    return node.program(
        "kube-apiserver",
        *command,
        ready=lambda: control_plane.api_server_ready(credentials, API),
    )


def audits(node: Node) -> bool:
    """Whether the API server was last started with an audit log."""
    return f"--audit-log-path={_audit_log(node)}" in process.recorded_argv(
        node.layout.run, "kube-apiserver"
    )


def _audit_log(node: Node) -> Path:
    return node.layout.logs / "audit.log"


def controller_manager(node: Node, credentials: Credentials) -> str:
    """Run the controllers, each with the rights of its own service account."""
    _, key = credentials.serving
    return node.program(
        "kube-controller-manager",
        tools.binary("kube-controller-manager"),
        *_as(credentials, "controller-manager"),
        f"--root-ca-file={credentials.ca}",
        f"--service-account-private-key-file={key}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        f"--bind-address={at.NODE_ADDRESS}",
        ready=lambda: healthy(f"https://{at.NODE_ADDRESS}:10257/healthz"),
    )


def scheduler(node: Node, credentials: Credentials) -> str:
    """Run the scheduler."""
    return node.program(
        "kube-scheduler",
        tools.binary("kube-scheduler"),
        *_as(credentials, "scheduler"),
        "--leader-elect=false",
        f"--bind-address={at.NODE_ADDRESS}",
        ready=lambda: healthy(f"https://{at.NODE_ADDRESS}:10259/healthz"),
    )


def containerd(node: Node, pause_image: str) -> str:
    """Run a containerd of our own: own root, own state, own socket, all invisible outside."""
    layout = node.layout
    programs = debian.unpacked("containerd") / "usr" / "bin"
    cni = layout.config / "cni"
    cni.mkdir(parents=True, exist_ok=True)
    (cni / "10-pods.conflist").write_text(json.dumps(CNI_CONFIG, indent=2))
    # The runtime looks for its shim and for runc along PATH.
    links = layout.state / "bin"
    links.mkdir(exist_ok=True)
    for program in (programs / "containerd-shim-runc-v2", debian.program("runc", "runc")):
        link = links / program.name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    config = layout.config / "containerd.toml"
    config.write_text(
        CONTAINERD_CONFIG.format(
            root=layout.state / "containerd",
            socket=CONTAINERD_SOCKET,
            pause=pause_image,
            runc=links / "runc",
            cni_programs=debian.unpacked("containernetworking-plugins") / "usr" / "lib" / "cni",
            cni_config=cni,
        )
    )
    return node.program(
        "containerd",
        programs / "containerd",
        f"--config={config}",
        ready=lambda: _succeeds(ctr(node, "version")),
    )


def ctr(node: Node, *arguments: str | Path) -> list[str]:
    """Return the command that runs containerd's own client in Kubernetes' namespace."""
    client = debian.program("containerd", "ctr")
    return node.inside(client, "-a", CONTAINERD_SOCKET, "-n", "k8s.io", *arguments)


def kubelet(node: Node, credentials: Credentials) -> str:
    """Run the kubelet, which registers the node."""
    layout = node.layout
    resolv = layout.config / "resolv.conf"
    resolv.write_text("")
    config: dict[str, object] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(credentials.ca)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{at.CGROUP}",
        # Without it the containers would not be below our cgroup, and could not be found there.
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [at.DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        # Pods come and go by the dozen in tests: let the disk be, and the logs small.
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "containerLogMaxSize": "5Mi",
        "makeIPTablesUtilChains": False,
        "maxPods": 110,
        "podLogsDir": str(layout.state / "pod-logs"),
        "resolvConf": str(resolv),
        "serializeImagePulls": False,
    }
    return node.program(
        "kubelet",
        tools.binary("kubelet"),
        f"--config={_written(layout.config / 'kubelet.yaml', config)}",
        f"--kubeconfig={credentials.kubeconfig('kubelet')}",
        f"--root-dir={layout.state / 'kubelet'}",
        f"--cert-dir={layout.credentials / 'kubelet'}",
        f"--hostname-override={at.NODE_NAME}",
        f"--node-ip={at.NODE_ADDRESS}",
        ready=lambda: _node_ready(credentials),
        within=90,
    )


def kube_proxy(node: Node, credentials: Credentials) -> str:
    """Run kube-proxy, which gives Services their addresses inside the node."""
    config: dict[str, object] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "bindAddress": at.NODE_ADDRESS,
        "healthzBindAddress": f"{at.NODE_ADDRESS}:10256",
        "metricsBindAddress": f"{at.NODE_ADDRESS}:10249",
        "clientConnection": {"kubeconfig": str(credentials.kubeconfig("kube-proxy"))},
        "clusterCIDR": at.POD_RANGE,
        "hostnameOverride": at.NODE_NAME,
        # Zero leaves the machine's connection tracking as it is.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    return node.program(
        "kube-proxy",
        tools.binary("kube-proxy"),
        f"--config={_written(node.layout.config / 'kube-proxy.yaml', config)}",
        ready=lambda: healthy(f"http://{at.NODE_ADDRESS}:10256/healthz"),
    )


def _as(credentials: Credentials, user: str) -> list[str]:
    kubeconfig = credentials.kubeconfig(user)
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
    ]


def _written(path: Path, config: Mapping[str, object]) -> Path:
    text = yaml.safe_dump(config, sort_keys=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    # kube-proxy ends itself when its file is written, also with the same content.
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def healthy(url: str) -> bool:
    """Whether `url` answers that all is well."""
    try:
        # Health only: these two serve a certificate that they made themselves.
        return httpx.get(url, timeout=2, trust_env=False, verify=False).is_success  # noqa: S501
    except httpx.HTTPError:
        return False


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=30).returncode == 0


def _node_ready(credentials: Credentials) -> bool:
    kubeconfig = credentials.kubeconfig("admin")
    kubectl = [str(tools.binary("kubectl")), f"--kubeconfig={kubeconfig}"]
    condition = '{.status.conditions[?(@.type=="Ready")].status}'
    told = subprocess.run(
        [*kubectl, "get", "node", at.NODE_NAME, "-o", f"jsonpath={condition}"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    return told.stdout == "True"
