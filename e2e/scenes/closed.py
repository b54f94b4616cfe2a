"""Pods that a NetworkPolicy closes to the gateway, while Prometheus still scrapes them.

kind's network enforces such policies. That of the local node does not: there the node itself
refuses what the policy says.
"""

import contextlib
import json
from collections.abc import Iterator

from e2e.cluster.local.provider import LocalProvider
from e2e.cluster.shell import run
from e2e.fixtures import Cluster
from model_rollouts.resources import names


@contextlib.contextmanager
def closed_to_users(
    cluster: Cluster, namespace: str, revision: str, address: str
) -> Iterator[None]:
    """The pod of a revision, which has `address`, takes nothing but scrapes inside."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed", "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": {names.REVISION_LABEL: revision}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": names.METRICS_PORT}]}],
        },
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(policy))
    with _enforced(cluster, namespace, address):
        yield
    cluster.kubectl("delete", "networkpolicy", "closed", "-n", namespace)


@contextlib.contextmanager
def _enforced(cluster: Cluster, table: str, address: str) -> Iterator[None]:
    provider = cluster.provider
    if not isinstance(provider, LocalProvider):
        yield
        return
    rules = f"""
    table inet {table} {{
      chain forward {{
        type filter hook forward priority filter; policy accept;
        ip daddr {address} tcp dport {names.LIVE_PORT} reject with tcp reset
      }}
    }}
    """
    run(provider.node.inside("nft", "-f", "-"), stdin=rules)
    try:
        yield
    finally:
        run(provider.node.inside("nft", "delete", "table", "inet", table))
