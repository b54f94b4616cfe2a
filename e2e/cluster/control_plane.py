"""Command lines of etcd and the API server, the same for the local cluster and the test fixture."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from e2e.cluster import tools
from e2e.cluster.credentials import Credentials

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
"""


@dataclass(frozen=True)
class Endpoint:
    """An address and a port that a program listens on."""

    host: str
    port: int


def etcd(data: Path, client: Endpoint, peer: Endpoint) -> list[str]:
    """Return the command line of etcd with its data in `data`."""
    serves = f"http://{client.host}:{client.port}"
    peers = f"http://{peer.host}:{peer.port}"
    return [
        str(tools.binary("etcd")),
        f"--data-dir={data}",
        f"--listen-client-urls={serves}",
        f"--advertise-client-urls={serves}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        # Test data: what a crash of the whole machine would lose is not worth waiting for.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(
    credentials: Credentials,
    store: Endpoint,
    serves: Endpoint,
    service_range: str,
    audit_log: Path | None = None,
) -> list[str]:
    """Return the command line of the API server.

    Args:
        credentials: its certificates and the tokens it accepts.
        store: where etcd serves clients.
        serves: where it listens; the address is also the one it tells others.
        service_range: addresses of Services, in CIDR form.
        audit_log: where one line per request goes, at Metadata level; None switches that off.
    """
    certificate, key = credentials.serving
    client = credentials.kubelet_client
    argv = [
        str(tools.binary("kube-apiserver")),
        f"--etcd-servers=http://{store.host}:{store.port}",
        f"--bind-address={serves.host}",
        f"--advertise-address={serves.host}",
        f"--secure-port={serves.port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={credentials.ca}",
        f"--token-auth-file={credentials.tokens}",
        f"--kubelet-client-certificate={client}",
        f"--kubelet-client-key={client}",
        # The kubelet's name resolves nowhere: exec, logs and port-forward go by address.
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        f"--service-cluster-ip-range={service_range}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--allow-privileged=true",
        "--profiling=false",
    ]
    if audit_log is not None:
        policy = audit_log.with_name("audit-policy.yaml")
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text(AUDIT_POLICY)
        argv += [f"--audit-policy-file={policy}", f"--audit-log-path={audit_log}"]
    return argv


def etcd_ready(client: Endpoint) -> bool:
    """Whether etcd answers that it is healthy."""
    try:
        url = f"http://{client.host}:{client.port}/health"
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def api_server_ready(credentials: Credentials, serves: Endpoint) -> bool:
    """Whether the API server answers that it is ready."""
    try:
        return httpx.get(
            f"https://{serves.host}:{serves.port}/readyz",
            headers={"Authorization": f"Bearer {credentials.token('admin')}"},
            verify=ssl.create_default_context(cafile=str(credentials.ca)),
            timeout=2,
            trust_env=False,
        ).is_success
    except httpx.HTTPError:
        return False
