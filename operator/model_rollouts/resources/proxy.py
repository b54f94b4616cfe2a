"""The bootstrap of the Envoy beside a model: static, complete, and known before the pod exists.

It measures the model and changes as little as possible of what passes: no retries, no timeouts of
its own but one for silence, no limits that a model would be blamed for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model_rollouts.resources import capture_proxy, names, slices, statistics
from model_rollouts.resources.capture_proxy import Sender
from model_rollouts.resources.filter_chains import from_anywhere, from_outside
from model_rollouts.resources.slices import CountedSlice

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

_SESSIONS = "sessions"
"""The cluster of websockets. Envoy counts each session that ends as given up by its client, whoever
ended it; here each has a connection of its own, and connections that ended are counted."""

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

_BEGAN_MS = "%START_TIME(%s%3f)%"
_REQUEST_ID = "%REQ(x-request-id):64%"
"""Of the name of a prediction. Time comes first: names in order are predictions in order, so that a
store finds one without an index. The request's own id is cut, for clients choose it."""

_TYPES = "type.googleapis.com/envoy.extensions"

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - the way into the pod


@dataclass(frozen=True, slots=True)
class ProxyPorts:
    """Where the proxy listens: `admin` is a Unix socket. Only tests choose ports and socket."""

    live: int = names.LIVE_PORT
    shadow: int = names.SHADOW_PORT
    metrics: int = names.METRICS_PORT
    admin: str = names.ADMIN_SOCKET
    address: str = EVERY_ADDRESS


def bootstrap(
    revision: str,
    model_port: int,
    edges_ms: Sequence[int],
    ports: ProxyPorts,
    *,
    in_mesh: bool = False,
    sender: Sender | None = None,
    counted: Sequence[CountedSlice] = (),
) -> dict[str, Any]:
    """The proxy's whole configuration, in Envoy's v3 API.

    `edges_ms` are the bucket edges of latency histograms in milliseconds, ascending. `in_mesh` says
    that a sidecar of a mesh delivers users from inside the pod, so that nobody inside is refused.
    `sender` says what the observer is told, None for nothing. `counted` are the slices.
    """
    chains = from_anywhere if in_mesh else from_outside
    live, shadow = _live_routes(revision, sender), _shadow_routes(revision, sender)
    logs = {name: _loggers(name, revision, sender, counted) for name in (LIVE, SHADOW)}
    return {
        **({} if sender is None else {"node": capture_proxy.node(sender, revision)}),
        "admin": {"address": _pipe(ports.admin)},
        "stats_flush_interval": "1s",
        "stats_config": statistics.settings(
            revision, edges_ms, slices.exported(counted), slices.buckets(counted)
        ),
        "static_resources": {
            "listeners": [
                {
                    **_listener(LIVE, ports.address, ports.live),
                    "filter_chains": chains(_filters(LIVE, live, logs[LIVE], sender)),
                },
                {
                    **_listener(SHADOW, ports.address, ports.shadow),
                    "filter_chains": chains(_filters(SHADOW, shadow, logs[SHADOW], sender)),
                },
                {
                    **_listener("metrics", ports.address, ports.metrics),
                    # Reading changes nothing, and some meshes probe from inside the pod.
                    "filter_chains": from_anywhere(_filters("metrics", _metrics_routes())),
                },
            ],
            "clusters": [
                _model_cluster(LIVE, model_port),
                _sessions_cluster(model_port),
                _model_cluster(SHADOW, model_port),
                _cluster("admin", _pipe(ports.admin)),
                *([] if sender is None else [capture_proxy.cluster(sender)]),
            ],
        },
    }


def _live_routes(revision: str, sender: Sender | None) -> dict[str, Any]:
    return {
        **_routes(LIVE, [_to_sessions(sender), *_to_model(LIVE, sender)]),
        "response_headers_to_add": [
            replacing(names.REVISION_HEADER, revision),
            replacing(names.PREDICTION_HEADER, f"{_BEGAN_MS}.{revision}.{_REQUEST_ID}"),
        ],
        # Only the shadow listener may say so: a model holds back side effects for it.
        "request_headers_to_remove": [names.SHADOW_HEADER],
    }


def _shadow_routes(revision: str, sender: Sender | None) -> dict[str, Any]:
    return {
        **_routes(SHADOW, _to_model(SHADOW, sender)),
        "response_headers_to_add": [replacing(names.REVISION_HEADER, revision)],
        "request_headers_to_add": [replacing(names.SHADOW_HEADER, "true")],
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


def _to_model(name: str, sender: Sender | None) -> list[dict[str, Any]]:
    route = {
        "match": {"prefix": "/"},
        # Envoy's default timeout of 15 s would cut slow models.
        "route": {"cluster": name, "timeout": "0s", "idle_timeout": _SILENCE},
    }
    return [route] if sender is None else capture_proxy.split(sender, route)


def _to_sessions(sender: Sender | None) -> dict[str, Any]:
    # The connection manager takes the header away from requests that are no upgrades.
    asks = {
        "name": "upgrade",
        "string_match": {"exact": "websocket", "ignore_case": True},
    }
    route = {
        "match": {"prefix": "/", "headers": [asks]},
        "route": {"cluster": _SESSIONS, "timeout": "0s", "idle_timeout": _SILENCE},
    }
    return route if sender is None else capture_proxy.unsampled(sender, route)


def _listener(name: str, address: str, port: int) -> dict[str, Any]:
    # With `reuse_port` a model server of the same user could listen on the port as well, and get a
    # share of the requests, or answer scrapes.
    return {"name": name, "address": _address(address, port), "enable_reuse_port": False}


def _filters(
    name: str,
    routes: dict[str, Any],
    logs: Sequence[dict[str, Any]] = (),
    sender: Sender | None = None,
) -> list[dict[str, Any]]:
    return [
        {
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": _connection_manager(name, routes, logs, sender),
        }
    ]


def _loggers(
    name: str, revision: str, sender: Sender | None, counted: Sequence[CountedSlice]
) -> list[dict[str, Any]]:
    told = [] if sender is None else [capture_proxy.access_log(name)]
    return [*told, *slices.loggers(name, revision, counted)]


def _connection_manager(
    name: str, routes: dict[str, Any], logs: Sequence[dict[str, Any]], sender: Sender | None
) -> dict[str, Any]:
    kind = f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "@type": kind,
        "stat_prefix": name,
        "route_config": routes,
        "preserve_external_request_id": True,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": _SILENCE,
        # A mirrored session would be one that nobody speaks in.
        **({"upgrade_configs": [{"upgrade_type": "websocket"}]} if name == LIVE else {}),
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
            *([_grpc_statistics()] if name in (LIVE, SHADOW) else []),
            *([] if sender is None else capture_proxy.filters(sender)),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_TYPES}.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            },
        ],
        **({"access_log": [*logs]} if logs else {}),
    }


def _grpc_statistics() -> dict[str, Any]:
    """Counts answers by the status of gRPC: one that tells of an error has the HTTP status 200.

    A series for each method would be as many as clients can think of.
    """
    return {
        "name": "envoy.filters.http.grpc_stats",
        "typed_config": {
            "@type": f"{_TYPES}.filters.http.grpc_stats.v3.FilterConfig",
            "stats_for_all_methods": False,
        },
    }


def _sessions_cluster(port: int) -> dict[str, Any]:
    cluster = _model_cluster(_SESSIONS, port)
    (options,) = cluster["typed_extension_protocol_options"].values()
    options["common_http_protocol_options"]["max_requests_per_connection"] = 1
    # Its statistics are those of the listener, with a word more in their names.
    return {**cluster, "alt_stat_name": f"{LIVE}.{_SESSIONS}"}


def _model_cluster(name: str, port: int) -> dict[str, Any]:
    options = f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions"
    return {
        **_cluster(name, _address("127.0.0.1", port)),
        "track_cluster_stats": {"request_response_sizes": True},
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


def _cluster(name: str, address: dict[str, Any]) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _pipe(path: str) -> dict[str, Any]:
    return {"pipe": {"path": path}}


def replacing(name: str, value: str) -> dict[str, Any]:
    """A header that is added, in place of one of that name."""
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _method(method: str) -> dict[str, Any]:
    return {"name": ":method", "string_match": {"exact": method}}
