"""Certificates, tokens and kubeconfigs of the local cluster, made once for each state directory."""

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml

USERS = {
    # user: (name the API server sees, groups)
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "kubelet": ("system:node:node", "system:nodes"),
}
"""Who talks to the API server. RBAC is on: each has only the rights of its role."""


@dataclass(frozen=True)
class Credentials:
    """The files in one credentials directory."""

    directory: Path

    @property
    def ca(self) -> Path:
        """Certificate that everybody trusts."""
        return self.directory / "ca.crt"

    @property
    def serving(self) -> tuple[Path, Path]:
        """Certificate and key of the API server; the key also signs service-account tokens."""
        return self.directory / "apiserver.crt", self.directory / "apiserver.key"

    @property
    def kubelet_client(self) -> Path:
        """Certificate and key with which the API server talks to the kubelet."""
        return self.directory / "kubelet-client.pem"

    @property
    def tokens(self) -> Path:
        """The API server's token file."""
        return self.directory / "tokens.csv"

    def token(self, user: str) -> str:
        """The token of `user`."""
        return (self.directory / f"{user}.token").read_text()

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of `user`."""
        return self.directory / f"{user}.kubeconfig"


def ensure(directory: Path, server: str, names: list[str]) -> Credentials:
    """Make the credentials unless they are there; return them.

    Args:
        directory: where they lie; readable by its owner only.
        server: address of the API server, as `https://host:port`.
        names: host names and addresses that the API server answers to.
    """
    credentials = Credentials(directory)
    if credentials.kubeconfig("kubelet").exists():
        return credentials
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = trustme.CA(organization_name="Model Rollouts test cluster")
    authority.cert_pem.write_to_path(str(credentials.ca))
    serving = authority.issue_cert(*names, common_name="kube-apiserver")
    certificate, key = credentials.serving
    serving.cert_chain_pems[0].write_to_path(str(certificate))
    serving.private_key_pem.write_to_path(str(key))
    client = authority.issue_cert(
        "kube-apiserver", common_name="kube-apiserver", organization_name="system:masters"
    )
    client.private_key_and_cert_chain_pem.write_to_path(str(credentials.kubelet_client))
    lines = []
    for user, (name, group) in USERS.items():
        token = secrets.token_urlsafe(32)
        (directory / f"{user}.token").write_text(token)
        lines.append(",".join(filter(None, [token, name, user, group])))
    credentials.tokens.write_text("\n".join(lines) + "\n")
    for user in USERS:
        write_kubeconfig(credentials, user, server, credentials.kubeconfig(user))
    return credentials


def write_kubeconfig(credentials: Credentials, user: str, server: str, target: Path) -> None:
    """Write a kubeconfig that holds everything it needs and names no other file."""
    authority = base64.b64encode(credentials.ca.read_bytes()).decode()
    name = "model-rollouts"
    target.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {
                        "name": name,
                        "cluster": {"server": server, "certificate-authority-data": authority},
                    }
                ],
                "users": [{"name": user, "user": {"token": credentials.token(user)}}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
                "current-context": name,
            }
        )
    )
    target.chmod(0o600)
