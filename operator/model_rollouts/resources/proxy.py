"""The bootstrap of the Envoy beside a model: static, complete, and known before the pod exists.

It measures the model and changes as little as possible of what passes: no retries, no timeouts of
its own but one for silence, no limits that a model would be blamed for.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from model_rollouts.resources import names

REVISION_TAG = "modelrollouts_revision"
"""The label that every metric of the proxy carries."""
LIVE = "live"
SHADOW = "shadow"
"""Listeners, their statistics and their clusters: one word each, because metrics are read by it."""

_SILENCE = "300s"
"""How long neither side may send anything before a request is given up, with a 504."""
CONNECTION_AGE_SECONDS = 10
"""A client is asked to connect anew this often, after an answer and never in the middle. While a
pod ends, clients that keep connections alive have thus left it before the model server ends: the
sleep before its end is longer."""
_GOAWAY_NOTICE = "1s"
_MODEL_KEEPALIVE = "1s"
"""Shorter than the keep-alive of any usual model server (gunicorn 2 s, uvicorn 5 s): a connection
that the server closes just as it is used again would be an error that the model did not make."""
_NO_LIMIT = 1_000_000

_ROUTER_WISHES = (
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-max-retries",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
)
"""Request headers by which a client would steer the router: a timeout of 1 ms asked for by a
client is no error of the model."""

_EXPORTED = (
    r"http\.(live|shadow)\.downstream_rq_(active|completed|idle_timeout|rx_reset|time|total|\dxx)",
    r"cluster\.(live|shadow)\.upstream_(cx_connect_fail|rq_(active|rx_reset|total|tx_reset|\d{3}))",
    r"server\.(live|memory_physical_size|uptime|version)",
)
"""What is asked about a model. Each other statistic would cost a series in every pod."""

_TYPES = "type.googleapis.com/envoy.extensions"

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - the way into the pod


@dataclass(frozen=True, slots=True)
class ProxyPorts:
    """Where the proxy listens. Only tests choose the ports."""

    live: int = names.LIVE_PORT
    shadow: int = names.SHADOW_PORT
    metrics: int = names.METRICS_PORT
    admin: int = names.ADMIN_PORT
    address: str = EVERY_ADDRESS


def bootstrap(
    revision: str, model_port: int, edges_ms: Sequence[int], ports: ProxyPorts
) -> dict[str, Any]:
    """The proxy's whole configuration, in Envoy's v3 API.

    `edges_ms` are the bucket edges of latency histograms in milliseconds, ascending.
    """
    return {
        "admin": {"address": _address("127.0.0.1", ports.admin)},
        "stats_flush_interval": "1s",
        "stats_config": _statistics(revision, edges_ms),
        "static_resources": {
            "listeners": [
                _listener(LIVE, ports.address, ports.live, _live_routes(revision)),
                _listener(SHADOW, ports.address, ports.shadow, _shadow_routes(revision)),
                _listener("metrics", ports.address, ports.metrics, _metrics_routes()),
            ],
            "clusters": [
                _model_cluster(LIVE, model_port),
                _model_cluster(SHADOW, model_port),
                _cluster("admin", ports.admin),
            ],
        },
    }


@lru_cache(maxsize=4096)
def edges_ms(text: str) -> tuple[int, ...]:
    """The bucket edges of latency histograms in the text of a bootstrap, in milliseconds."""
    settings = json.loads(text)["stats_config"]["histogram_bucket_settings"]
    return tuple(settings[0]["buckets"])


def _statistics(revision: str, edges_ms: Sequence[int]) -> dict[str, Any]:
    exported = [{"safe_regex": {"regex": pattern}} for pattern in _EXPORTED]
    return {
        "stats_tags": [{"tag_name": REVISION_TAG, "fixed_value": revision}],
        "stats_matcher": {"inclusion_list": {"patterns": exported}},
        "histogram_bucket_settings": [
            {"match": {"suffix": "downstream_rq_time"}, "buckets": list(edges_ms)}
        ],
    }


def _live_routes(revision: str) -> dict[str, Any]:
    return {
        **_routes(LIVE, [_to_model(LIVE)]),
        "response_headers_to_add": [_header(names.REVISION_HEADER, revision)],
        # Only the shadow listener may say so: a model holds back side effects for it.
        "request_headers_to_remove": [names.SHADOW_HEADER],
    }


def _shadow_routes(revision: str) -> dict[str, Any]:
    return {
        **_routes(SHADOW, [_to_model(SHADOW)]),
        "response_headers_to_add": [_header(names.REVISION_HEADER, revision)],
        "request_headers_to_add": [_header(names.SHADOW_HEADER, "true")],
    }


def _metrics_routes() -> dict[str, Any]:
    """One path of the admin interface, and a path for probes. All else is not found."""
    scrape = {
        "match": {"path": names.METRICS_PATH, "headers": [_method("GET")]},
        "route": {"cluster": "admin"},
    }
    probe = {"match": {"path": names.READY_PATH}, "direct_response": {"status": 200}}
    return _routes("metrics", [scrape, probe])


def _routes(name: str, routes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}]}


def _to_model(name: str) -> dict[str, Any]:
    # Envoy's default timeout of 15 s would cut slow models.
    return {
        "match": {"prefix": "/"},
        "route": {"cluster": name, "timeout": "0s", "idle_timeout": _SILENCE},
    }


def _listener(name: str, address: str, port: int, routes: dict[str, Any]) -> dict[str, Any]:
    chain = {
        "filters": [
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": _connection_manager(name, routes),
            }
        ]
    }
    return {"name": name, "address": _address(address, port), "filter_chains": [chain]}


def _connection_manager(name: str, routes: dict[str, Any]) -> dict[str, Any]:
    kind = f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "@type": kind,
        "stat_prefix": name,
        "route_config": routes,
        "preserve_external_request_id": True,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": _SILENCE,
        "common_http_protocol_options": {"max_connection_duration": f"{CONNECTION_AGE_SECONDS}s"},
        "http1_safe_max_connection_duration": True,
        "drain_timeout": _GOAWAY_NOTICE,
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typed_config": {
                    "@type": f"{_TYPES}.http.early_header_mutation.header_mutation.v3"
                    ".HeaderMutation",
                    "mutations": [{"remove": header} for header in _ROUTER_WISHES],
                },
            }
        ],
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_TYPES}.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            }
        ],
    }


def _model_cluster(name: str, port: int) -> dict[str, Any]:
    options = f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions"
    return {
        **_cluster(name, port),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": _NO_LIMIT,
                    "max_pending_requests": _NO_LIMIT,
                    "max_requests": _NO_LIMIT,
                }
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "common_http_protocol_options": {"idle_timeout": _MODEL_KEEPALIVE},
                # A model that speaks gRPC gets the HTTP/2 that its client spoke.
                "use_downstream_protocol_config": {
                    "http_protocol_options": {},
                    "http2_protocol_options": {},
                },
            }
        },
    }


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address("127.0.0.1", port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _header(name: str, value: str) -> dict[str, Any]:
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _method(method: str) -> dict[str, Any]:
    return {"name": ":method", "string_match": {"exact": method}}
