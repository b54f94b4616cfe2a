"""A proxy whose records are received: the token as the kubelet mounts it, TLS, and the receiver."""

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import grpc
import trustme

from model_rollouts.resources.capture import Capture
from model_rollouts.resources.capture_proxy import Sender, token_secret
from tests.resources.access_log import WARM_UP, Receiver, receiving
from tests.resources.envoy import Proxied, eventually, free_ports, proxied

EVERYTHING = Capture(sample=Fraction(1))
NAMESPACE, MODEL = "flights", "arrival-delay"
_HOST = "localhost"


class Token:
    """A token in a projected volume: the kubelet replaces all of its files at once, by a link."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._times = folder, 0

    def write(self, text: str) -> None:
        """Put `text` in the place of the token before."""
        self._times += 1
        files = self.folder / f"..{self._times}"
        files.mkdir()
        (files / "token").write_text(text)
        (files / "secret.json").write_text(token_secret(f"{self.folder}"))
        (self.folder / "..new").symlink_to(files.name)
        os.rename(self.folder / "..new", self.folder / "..data")  # noqa: PTH104
        for name in ("token", "secret.json"):
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")


class Observed:
    """A proxied model, and whoever receives its records."""

    def __init__(self, token: Token, port: int, certificates: Any) -> None:
        self.token = token
        self.proxy: Proxied
        self.warm_ups = Counter[str]()
        self.port, self._certificates = port, certificates

    @contextlib.asynccontextmanager
    async def receiving(self) -> AsyncIterator[Receiver]:
        """Receive, for as long as it is entered, from when both listeners have a stream.

        What a proxy has to tell before it is connected, it drops.
        """
        async with receiving(self.port, self._certificates) as receiver:
            ports = {"live": self.proxy.ports.live, "shadow": self.proxy.ports.shadow}

            async def connected() -> bool:
                for name in ports.keys() - receiver.connected:
                    await self.proxy.ask(ports[name], WARM_UP)
                    self.warm_ups[name] += 1
                return receiver.connected == ports.keys()

            await eventually(connected, "the proxy is connected")
            yield receiver


def on_loopback(config: dict[str, Any]) -> None:
    """Let a proxy find an observer that listens on 127.0.0.1 alone."""
    (cluster,) = (
        each for each in config["static_resources"]["clusters"] if each["name"] == "observer"
    )
    cluster["cluster_type"]["typed_config"]["dns_lookup_family"] = "V4_ONLY"


@contextlib.asynccontextmanager
async def observed(
    capture: Capture = EVERYTHING, *, trusted: trustme.CA | None = None, **options: Any
) -> AsyncIterator[Observed]:
    """A proxied model that sends what `capture` says to a receiver which is not there yet.

    `trusted` is the CA that the proxy is told of, if not the one of the receiver's certificate.
    """
    ca = trustme.CA()
    certificate = ca.issue_cert(_HOST)
    (port,) = free_ports(1)
    pairs = [
        (
            certificate.private_key_pem.bytes(),
            b"".join(p.bytes() for p in certificate.cert_chain_pems),
        )
    ]
    change = options.pop("change", lambda _: None)

    def changed(config: dict[str, Any]) -> None:
        on_loopback(config)
        change(config)

    with tempfile.TemporaryDirectory() as folder:
        token = Token(Path(folder))
        token.write("token-1")
        sender = Sender(
            capture,
            NAMESPACE,
            MODEL,
            _HOST,
            port,
            (trusted or ca).cert_pem.bytes().decode(),
            f"{token.folder}",
        )
        found = Observed(token, port, grpc.ssl_server_credentials(pairs))
        async with proxied(change=changed, sender=sender, **options) as found.proxy:
            yield found
