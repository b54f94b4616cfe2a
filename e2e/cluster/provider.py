"""What a way of getting a cluster must offer, and which way is taken."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from e2e.cluster.images import Image
from e2e.cluster.progress import Step, StepError


class Provider(Protocol):
    """A way of getting a cluster."""

    @property
    def name(self) -> str:
        """What PROVIDER says to choose it."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, once the cluster is there."""

    @property
    def node_address(self) -> str:
        """Where NodePorts of the cluster answer on this machine."""

    @property
    def images(self) -> Mapping[str, str]:
        """References of the images that the addons run, by name."""

    @property
    def brings_dns(self) -> bool:
        """Whether the cluster has a DNS server of its own."""

    def unable(self) -> str:
        """Why it cannot be used on this machine; empty when it can."""

    def create(self, audit: bool | None = None) -> Sequence[Step]:
        """The steps that make the cluster, or repair it; safe to run at any time.

        `audit` switches a log of the API server's requests on or off; None leaves it as it is.
        """

    def programs(self) -> Sequence[str]:
        """The Go programs that it needs on this machine."""

    def parts(self) -> Sequence[Step]:
        """The steps of `create` that fetch and build, and need no Go program.

        They can be done beforehand, while the Go programs are built: these compute, those download.
        """

    def build(self, image: Image) -> None:
        """Build `image`; no cluster is needed."""

    def load(self, image: Image) -> None:
        """Build `image` and bring it to the node."""

    def kill(self, container: str) -> None:
        """End the first process of a container on the node by SIGKILL; `container` is its id."""

    def delete(self) -> Sequence[Step]:
        """The steps after which nothing of the cluster is left."""


def choose() -> Provider:
    """Return the provider that PROVIDER names, or the first that this machine can run.

    Raises:
        StepError: none can be used; the message names each with its reason.
    """
    from e2e.cluster.kind import KindProvider
    from e2e.cluster.local.provider import LocalProvider

    providers: list[Provider] = [KindProvider(), LocalProvider()]
    wanted = os.environ.get("PROVIDER", "")
    if wanted:
        named = [provider for provider in providers if provider.name == wanted]
        if not named:
            raise StepError(f"PROVIDER={wanted} is unknown", hint="use PROVIDER=kind or local")
        providers = named
    reasons = []
    for provider in providers:
        reason = provider.unable()
        if not reason:
            return provider
        reasons.append(f"{provider.name}: {reason}")
    raise StepError(
        "no cluster can be started here. " + "; ".join(reasons),
        hint="start a Docker engine (then kind is used), or run as root on a Debian-like machine",
    )
