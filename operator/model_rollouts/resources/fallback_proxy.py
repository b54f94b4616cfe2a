"""A hop in front of the live listener that gives a request a second chance, in Envoy's words.

The listener that measures the model stays as it is, with all of its counts: it only listens inside
the proxy now. Users reach the hop before it, which asks the model first and then, once, the
fallback. So what the model did counts as it would without a fallback, whatever users got.

    users (port 17080) -> live (inside) -> the model
                       -> fallback (inside) -> a Service, another revision, or nobody

A model whose revisions stand in for each other has one more listener (port 17082), for requests
that are another revision's second chance. They go to the model past all that is counted: what one
revision could not answer would otherwise count against the one that it is compared with.
"""

import base64
import copy
from dataclasses import dataclass
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.fallback import Fallback, On, Previous, Service, Static
from model_rollouts.resources.filter_chains import from_anywhere
from model_rollouts.resources.proxy import replacing

USERS = "users"
"""The hop that users reach: its name, its statistics and its cluster."""
FALLBACK = "fallback"
"""The hop to the fallback: its statistics are the answers that the fallback gave."""
_SERVICE = "service"
STANDBY = "standby"
"""Where other revisions' second chances come in: listener and cluster."""

_OUTCOME = "x-model-outcome"
"""From hop to hop: the status of the model's answer and who made it. Users never see it."""
_OUTCOMES = {
    # What the proxy answers itself, with a status that is not known yet, is no answer of the model.
    On.SERVER_ERROR: r"5\d\d via_upstream",
    On.CONNECT_FAILURE: r"\d+ upstream_reset_before_response_started.*",
}

_EXPORTED = (
    rf"http\.({USERS}|{FALLBACK})\.downstream_rq_(completed|\dxx)",
    rf"cluster\.{USERS}\.upstream_rq_retry_overflow",
    rf"cluster\.{_SERVICE}\.membership_healthy",
)
"""Answers to users, those that the fallback gave, those that it might have given, and whether its
Service takes connections."""

_KEEPALIVE = "60s"
_CHECKED_EVERY = "5s"
_NO_LIMIT = 1_000_000
_NOW = "0.001s"
"""Waiting before a second chance helps nobody: it is asked of somebody else."""

_TYPES = "type.googleapis.com/envoy.extensions"

_FORGETS_BODY = """\
function envoy_on_request(handle)
  local body = handle:body()
  if body then body:setBytes("") end
  handle:headers():replace("content-length", "0")
  handle:headers():remove("content-type")
end
"""


@dataclass(frozen=True, slots=True)
class Chance:
    """The second chance of the requests of one ModelDeployment."""

    fallback: Fallback
    namespace: str
    model: str


def with_fallback(
    config: dict[str, Any], chance: Chance, revision: str, standby_port: int = names.STANDBY_PORT
) -> dict[str, Any]:
    """The bootstrap `config` of `revision` with that second chance for users' requests."""
    config = copy.deepcopy(config)
    resources = config["static_resources"]
    live, *others = resources["listeners"]
    outer, inner = _in_front_of(live, chance, revision), _inside(live)
    resources["listeners"] = [outer, inner, *others, _fallback_listener(live, chance, revision)]
    resources["clusters"] += [_users_cluster(chance), *_service_cluster(chance, revision)]
    if isinstance(chance.fallback.to, Previous):
        resources["listeners"].append(_standby_listener(live, standby_port))
        measured = next(each for each in resources["clusters"] if each["name"] == live["name"])
        resources["clusters"].append(_unmeasured(measured))
    exported = config["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"]
    exported += [{"safe_regex": {"regex": pattern}} for pattern in _EXPORTED]
    internal = f"{_TYPES}.bootstrap.internal_listener.v3.InternalListener"
    config["bootstrap_extensions"] = [
        {"name": "envoy.bootstrap.internal_listener", "typed_config": {"@type": internal}}
    ]
    return config


def _in_front_of(live: dict[str, Any], chance: Chance, revision: str) -> dict[str, Any]:
    """The live listener's door, before routes of its own."""
    outer = copy.deepcopy(live)
    manager = _manager(outer)
    return_by = manager["route_config"]["response_headers_to_add"]
    _reroute(manager, USERS, _users_routes(chance))
    manager["route_config"] |= {
        # What measured the model, or another model in its place, has named its answer already.
        "response_headers_to_add": [
            {**each, "append_action": "ADD_IF_ABSENT"} for each in return_by
        ],
        "response_headers_to_remove": [_OUTCOME],
    }
    for chain in outer["filter_chains"]:
        if chain["filters"]:
            chain["filters"] = [_filter(manager)]
    return {**outer, "name": USERS}


def _inside(live: dict[str, Any]) -> dict[str, Any]:
    """The live listener as it is, but that it listens inside the proxy and tells what it saw."""
    manager = copy.deepcopy(_manager(live))
    routes = manager["route_config"]
    routes["response_headers_to_add"].append(
        replacing(_OUTCOME, "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%")
    )
    routes["response_headers_to_remove"] = [names.FALLBACK_HEADER]
    return _internal(live["name"], manager)


def _standby_listener(live: dict[str, Any], port: int) -> dict[str, Any]:
    """The live listener's door for second chances, which have none of their own."""
    door = copy.deepcopy(live)
    manager = _manager(door)
    return_by = manager["route_config"]["response_headers_to_add"]
    route = {"cluster": STANDBY, "timeout": "0s", "idle_timeout": "300s"}
    _reroute(manager, STANDBY, [{"match": {"prefix": "/"}, "route": route}])
    manager["route_config"]["response_headers_to_add"] = return_by
    manager.pop("upgrade_configs", None)
    for chain in door["filter_chains"]:
        if chain["filters"]:
            chain["filters"] = [_filter(manager)]
    door["address"]["socket_address"]["port_value"] = port
    return {**door, "name": STANDBY}


def _unmeasured(live: dict[str, Any]) -> dict[str, Any]:
    cluster = copy.deepcopy(live)
    cluster["load_assignment"]["cluster_name"] = STANDBY
    return {**cluster, "name": STANDBY}


def _users_routes(chance: Chance) -> list[dict[str, Any]]:
    live = {"prefix": "/"}
    timeouts = {"timeout": "0s", "idle_timeout": "300s"}
    plain = {"cluster": USERS, **timeouts}
    of_this_model = rf"{chance.model}-[0-9a-f]{{{names.DIGEST_DIGITS}}}"
    told = names.FALLBACK_OF_HEADER
    return [
        {
            # Its own fallback leads back to it: a model that fails would get twice the requests.
            "match": {**live, "headers": [_matching(told, of_this_model)]},
            "direct_response": {
                "status": 508,
                "body": {"inline_string": f"spec.fallback of {chance.model} leads back to it\n"},
            },
        },
        # Somebody else's second chance has none of its own.
        {"match": {**live, "headers": [_present(told)]}, "route": plain},
        {"match": {**live, "headers": [_present("upgrade")]}, "route": plain},
        {
            "match": live,
            "route": {**plain, "retry_policy": _second_chance(chance.fallback)},
            "request_body_buffer_limit": chance.fallback.max_body,
        },
    ]


def _second_chance(fallback: Fallback) -> dict[str, Any]:
    outcomes = [_OUTCOMES[each] for each in sorted(fallback.on & _OUTCOMES.keys())]
    policy: dict[str, Any] = {
        "retry_on": "retriable-headers",
        "num_retries": 1,
        "retriable_headers": [_matching(_OUTCOME, outcome) for outcome in outcomes],
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": f"{_TYPES}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 1,
            },
        },
        "retry_back_off": {"base_interval": _NOW, "max_interval": _NOW},
    }
    if On.TIMEOUT in fallback.on and fallback.after_ms is not None:
        policy["retry_on"] += ",reset"
        policy["per_try_timeout"] = f"{fallback.after_ms / 1000:.3f}s"
    return policy


def _fallback_listener(live: dict[str, Any], chance: Chance, revision: str) -> dict[str, Any]:
    manager = copy.deepcopy(_manager(live))
    fallback, to = chance.fallback, chance.fallback.to
    route: dict[str, Any] = {"match": {"prefix": "/"}}
    if isinstance(to, Static):
        content = base64.b64encode(to.body.encode()).decode()
        route["direct_response"] = {"status": 200, "body": {"inline_bytes": content}}
        route["response_headers_to_add"] = [replacing("content-type", to.content_type)]
    else:
        # The hop before it ends what takes longer than `after`.
        route["route"] = {"cluster": _SERVICE, "timeout": "0s", "idle_timeout": "300s"}
    _reroute(manager, FALLBACK, [route])
    manager["route_config"] |= {
        "response_headers_to_add": [replacing(names.FALLBACK_HEADER, fallback.type)],
        "request_headers_to_add": [replacing(names.FALLBACK_OF_HEADER, _in_place_of(to, revision))],
    }
    if isinstance(to, Static):
        manager["route_config"]["max_direct_response_body_size_bytes"] = max(
            len(to.body.encode()), 1
        )
    elif not fallback.resend:
        manager["http_filters"].insert(0, _forgets_body())
    manager.pop("upgrade_configs", None)
    return _internal(FALLBACK, manager)


def _in_place_of(to: Static | Service | Previous, revision: str) -> str:
    """What the one that is asked is told of `revision`.

    A revision of the same model that knows no standby takes its bare name for a loop.
    """
    return f"{revision}; previous" if isinstance(to, Previous) else revision


def _reroute(manager: dict[str, Any], name: str, routes: list[dict[str, Any]]) -> None:
    """Let a copy of a connection manager only pass requests on: it measures and tells nothing."""
    manager["stat_prefix"] = name
    manager["route_config"] = {
        "name": name,
        "virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}],
        "request_headers_to_remove": [names.SHADOW_HEADER],
    }
    manager["http_filters"] = manager["http_filters"][-1:]
    manager.pop("access_log", None)


def _users_cluster(chance: Chance) -> dict[str, Any]:
    """The model first; once it has been asked, whoever is left."""
    hops = ["live", FALLBACK]
    limits = {"max_connections", "max_pending_requests", "max_requests"}
    return {
        "name": USERS,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": USERS,
            "endpoints": [
                {
                    "priority": priority,
                    "lb_endpoints": [{"endpoint": {"address": _internal_address(hop)}}],
                }
                for priority, hop in enumerate(hops)
            ],
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    **dict.fromkeys(sorted(limits), _NO_LIMIT),
                    "max_retries": chance.fallback.max_concurrent,
                }
            ]
        },
        **_as_clients_speak(_KEEPALIVE),
    }


def _service_cluster(chance: Chance, revision: str) -> list[dict[str, Any]]:
    match chance.fallback.to:
        case Static():
            return []
        case Service(service, port):
            pass
        case Previous():
            service, port = names.backup_service(revision), names.SERVICE_PORT
    host = f"{service}.{chance.namespace}.svc"
    address = {"socket_address": {"address": host, "port_value": port}}
    return [
        {
            "name": _SERVICE,
            "cluster_type": {
                "name": "envoy.clusters.dns",
                "typed_config": {
                    "@type": f"{_TYPES}.clusters.dns.v3.DnsCluster",
                    "respect_dns_ttl": True,
                    "dns_failure_refresh_rate": {"base_interval": "1s", "max_interval": "10s"},
                },
            },
            # A proxy starts, and serves, whether its fallback is there or not.
            "wait_for_warm_on_init": False,
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": _SERVICE,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
            # Nobody knows a path that it answers: whether it takes connections is what is known.
            "health_checks": [
                {
                    "timeout": "1s",
                    "interval": _CHECKED_EVERY,
                    "no_traffic_interval": _CHECKED_EVERY,
                    "unhealthy_threshold": 2,
                    "healthy_threshold": 1,
                    "tcp_health_check": {},
                }
            ],
            **_as_clients_speak("1s"),
        }
    ]


def _as_clients_speak(idle: str) -> dict[str, Any]:
    options = {
        "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": idle},
        "use_downstream_protocol_config": {
            "http_protocol_options": {},
            "http2_protocol_options": {},
        },
    }
    return {
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        }
    }


def _forgets_body() -> dict[str, Any]:
    kind = f"{_TYPES}.filters.http.lua.v3.Lua"
    script = {"@type": kind, "default_source_code": {"inline_string": _FORGETS_BODY}}
    return {"name": "envoy.filters.http.lua", "typed_config": script}


def _manager(listener: dict[str, Any]) -> dict[str, Any]:
    """The connection manager of a listener's one chain that has filters."""
    (found,) = (chain["filters"] for chain in listener["filter_chains"] if chain["filters"])
    manager: dict[str, Any] = found[0]["typed_config"]
    return manager


def _filter(manager: dict[str, Any]) -> dict[str, Any]:
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _internal(name: str, manager: dict[str, Any]) -> dict[str, Any]:
    """A listener that only the proxy itself reaches."""
    return {
        "name": name,
        "internal_listener": {},
        "filter_chains": from_anywhere([_filter(manager)]),
    }


def _internal_address(listener: str) -> dict[str, Any]:
    return {"envoy_internal_address": {"server_listener_name": listener}}


def _present(header: str) -> dict[str, Any]:
    return {"name": header, "present_match": True}


def _matching(header: str, pattern: str) -> dict[str, Any]:
    return {"name": header, "string_match": {"safe_regex": {"regex": pattern}}}
