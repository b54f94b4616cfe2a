"""Where clients reach a model."""

from typing import Any

import pytest

from model_rollouts.routes.addresses import MOST, addresses

AT = ("gateways", "models")
HTTP = {"name": "http", "port": 80, "protocol": "HTTP"}
HTTPS = {"name": "https", "port": 8443, "protocol": "HTTPS", "hostname": "*.example.com"}


def model(parent: dict[str, Any] | None = None, *hostnames: str) -> dict[str, Any]:
    reference = {"name": "models", "namespace": "gateways", **(parent or {})}
    route = {"parentRefs": [reference], "hostnames": list(hostnames)}
    return {"metadata": {"namespace": "shop", "name": "m"}, "spec": {"route": route}}


def gateway(*listeners: dict[str, Any], told: tuple[str, ...] = ()) -> dict[str, Any]:
    status = {"addresses": [{"type": "IPAddress", "value": each} for each in told]}
    return {"spec": {"listeners": list(listeners)}, "status": status}


@pytest.mark.parametrize(
    ("asked", "found", "urls"),
    [
        (model({}, "a.example.com"), gateway(HTTP), ["http://a.example.com"]),
        (
            model({}, "a.example.com", "b.other.com"),
            gateway(HTTP, HTTPS),
            ["http://a.example.com", "http://b.other.com", "https://a.example.com:8443"],
        ),
        (
            model({"sectionName": "https"}, "a.example.com"),
            gateway(HTTP, HTTPS),
            ["https://a.example.com:8443"],
        ),
        (model({"port": 80}, "a.example.com"), gateway(HTTP, HTTPS), ["http://a.example.com"]),
        (model({}, "*.example.com"), gateway(HTTP), []),
        (
            model(),
            gateway(HTTP, told=("192.0.2.7", "2001:db8::7")),
            ["http://192.0.2.7", "http://[2001:db8::7]"],
        ),
        (model(), gateway({**HTTP, "hostname": "m.example.com"}), ["http://m.example.com"]),
        (model(), gateway({**HTTP, "protocol": "TCP"}, told=("192.0.2.7",)), []),
        (model(), gateway(HTTP), []),
    ],
)
def test_host_names_come_before_addresses(
    asked: dict[str, Any], found: dict[str, Any], urls: list[str]
) -> None:
    told = addresses(asked, {AT: found})

    assert [each.url for each in told] == urls
    assert all(each.gateway == "gateways/models" for each in told)


def test_what_is_not_known_has_no_address() -> None:
    assert addresses(model({}, "a.example.com"), {}) == ()
    assert addresses(model({}, "a.example.com"), {AT: {}}) == ()


def test_there_are_not_more_than_a_status_takes() -> None:
    names = [f"m{number}.example.com" for number in range(40)]

    assert len(addresses(model({}, *names), {AT: gateway(HTTP)})) == MOST
