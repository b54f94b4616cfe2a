"""Where clients reach a model: by the host names of the route, or the addresses of its gateways."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from model_rollouts.resources.shapes import Object
from model_rollouts.routes.conflicts import overlap
from model_rollouts.routes.reader import parents

MOST = 16
"""Addresses that a status tells."""

_SCHEMES = {"HTTP": ("http", 80), "HTTPS": ("https", 443)}


class Address(NamedTuple):
    """A URL, and the Gateway that answers there, as `namespace/name`."""

    url: str
    gateway: str


def addresses(model: Object, gateways: Mapping[tuple[str, str], Object]) -> tuple[Address, ...]:
    """The addresses of a ModelDeployment at those of its gateways that are known.

    A host name with a wildcard is no address.
    """
    found = dict.fromkeys(_found(model, gateways))
    return tuple(found)[:MOST]


def _found(model: Object, gateways: Mapping[tuple[str, str], Object]) -> Iterator[Address]:
    route, namespace = model["spec"]["route"], model["metadata"]["namespace"]
    for parent in parents(route.get("parentRefs"), namespace):
        gateway = gateways.get((parent["namespace"], parent["name"]))
        for listener in ((gateway or {}).get("spec") or {}).get("listeners") or ():
            if not _is_meant(parent, listener) or listener.get("protocol") not in _SCHEMES:
                continue
            scheme, usual = _SCHEMES[listener["protocol"]]
            port = "" if listener["port"] == usual else f":{listener['port']}"
            for host in _hosts(route.get("hostnames") or (), listener, gateway or {}):
                name = f"{parent['namespace']}/{parent['name']}"
                yield Address(f"{scheme}://{host}{port}", name)


def _is_meant(parent: Object, listener: Object) -> bool:
    return parent.get("sectionName") in (None, listener["name"]) and parent.get("port") in (
        None,
        listener["port"],
    )


def _hosts(hostnames: object, listener: Object, gateway: Object) -> Iterator[str]:
    own = listener.get("hostname")
    asked = list(hostnames) if isinstance(hostnames, list | tuple) else []
    names = [each for each in asked if own is None or overlap(each, own)] if asked else [own]
    if names == [None]:
        told = (gateway.get("status") or {}).get("addresses") or ()
        names = [_written(str(each["value"])) for each in told if each.get("value")]
    yield from (name for name in names if name and not name.startswith("*"))


def _written(address: str) -> str:
    """An address as a part of a URL."""
    return f"[{address}]" if ":" in address else address
