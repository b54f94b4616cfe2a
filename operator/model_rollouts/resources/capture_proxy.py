"""How a proxy copies requests and tells the observer of them, in Envoy's words.

Nothing that users wait for waits for it: bodies are copied while they stream past, and records are
sent after the answer, in batches, over a connection of their own. What cannot be sent is dropped.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.capture import Capture, sampled_ids
from model_rollouts.resources.observer_address import METADATA

OBSERVER = "observer"
_TOKEN_SECRET = "observer-token"  # noqa: S105 - the name of it
_TOKEN, _SECRET_FILE = "token", "secret.json"
_LUA = "envoy.filters.http.lua"
_SLICE_LENGTH = 40
"""As long as Envoy's bound for regular expressions lets it be; a UUID has 36."""
_BATCH_BYTES = 262_144
"""With bodies of 4 kB each way, about thirty records: the observer decodes a batch at once."""
_BATCH_AGE = "0.5s"
_UNSENT_BYTES = 1_048_576
"""What waits to be sent. Beyond it records are dropped, so that a proxy whose observer hangs does
not grow."""

_TYPES = "type.googleapis.com/envoy.extensions"


@dataclass(frozen=True, slots=True)
class Sender:
    """What the proxies of one ModelDeployment send, and where to.

    `ca` is in PEM. Only tests choose the folder of the token.
    """

    capture: Capture
    namespace: str
    model: str
    host: str
    port: int
    ca: str
    token_folder: str = names.TOKEN_FOLDER


def node(sender: Sender, revision: str) -> dict[str, Any]:
    """What a stream of records says of its sender. The pod's name is an argument of Envoy."""
    metadata = {"namespace": sender.namespace, "model": sender.model, "revision": revision}
    return {"cluster": revision, "metadata": metadata}


def split(sender: Sender, route: dict[str, Any]) -> list[dict[str, Any]]:
    """`route` for requests that are sampled, and for all others without Lua.

    Entering Lua costs a request more than everything else that capture does.
    """
    sample = sender.capture.sample
    pattern = None if sample is None else sampled_ids(sample)
    if pattern is None:
        return [route]
    sampled = {"name": "x-request-id", "string_match": {"safe_regex": {"regex": pattern}}}
    return [
        {**route, "match": {**route["match"], "headers": [sampled]}},
        unsampled(sender, route),
    ]


def unsampled(sender: Sender, route: dict[str, Any]) -> dict[str, Any]:
    """`route` without Lua, whatever is sampled."""
    if sender.capture.sample is None:
        return route
    off = {"@type": f"{_TYPES}.filters.http.lua.v3.LuaPerRoute", "disabled": True}
    return {**route, "typed_per_filter_config": {_LUA: off}}


def filters(sender: Sender) -> list[dict[str, Any]]:
    """The HTTP filters that put what is captured into a request's metadata."""
    found = []
    capture = sender.capture
    if capture.slice_header is not None:
        found.append(_slice(capture.slice_header))
    if capture.sample is not None:
        source = f"local max_body = {capture.max_body}\n{_script()}"
        kind = f"{_TYPES}.filters.http.lua.v3.Lua"
        script = {"@type": kind, "default_source_code": {"inline_string": source}}
        found.append({"name": _LUA, "typed_config": script})
    return found


@cache
def _script() -> str:
    return files(__package__).joinpath("capture.lua").read_text("utf-8")


def _slice(header: str) -> dict[str, Any]:
    rule = {
        "header": header.lower(),
        "on_header_present": {
            "metadata_namespace": METADATA,
            "key": "slice",
            "type": "STRING",
            "regex_value_rewrite": {
                "pattern": {"regex": f"^([ -~]{{0,{_SLICE_LENGTH}}})\\C*$"},
                "substitution": "\\1",
            },
        },
    }
    kind = f"{_TYPES}.filters.http.header_to_metadata.v3.Config"
    return {
        "name": "envoy.filters.http.header_to_metadata",
        "typed_config": {"@type": kind, "request_rules": [rule]},
    }


def access_log(listener: str) -> dict[str, Any]:
    """The logger of a listener: a record of each of its requests, in batches."""
    body = ["content-type", "content-encoding", "inference-header-content-length"]
    return {
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": listener,
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": OBSERVER}},
                "buffer_size_bytes": _BATCH_BYTES,
                "buffer_flush_interval": _BATCH_AGE,
            },
            "additional_request_headers_to_log": body,
            "additional_response_headers_to_log": [
                names.PREDICTION_HEADER,
                names.TIMING_HEADER,
                *body,
            ],
            "additional_response_trailers_to_log": ["grpc-status"],
        },
    }


def cluster(sender: Sender) -> dict[str, Any]:
    """The way to the observer: TLS, HTTP/2, and the token of the pod on every stream."""
    address = {"socket_address": {"address": sender.host, "port_value": sender.port}}
    endpoint = {"endpoint": {"address": address}}
    options = f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": OBSERVER,
        "cluster_type": {
            "name": "envoy.clusters.dns",
            "typed_config": {
                "@type": f"{_TYPES}.clusters.dns.v3.DnsCluster",
                "respect_dns_ttl": True,
                "dns_failure_refresh_rate": {"base_interval": "5s", "max_interval": "60s"},
            },
        },
        # A proxy starts, and serves, whether there is an observer or not.
        "wait_for_warm_on_init": False,
        "connect_timeout": "5s",
        "per_connection_buffer_limit_bytes": _UNSENT_BYTES,
        "load_assignment": {"cluster_name": OBSERVER, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "transport_socket": _tls(sender),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {
                    "http2_protocol_options": {
                        # What a stream holds back is bounded by its own window too.
                        "initial_stream_window_size": _UNSENT_BYTES,
                        "initial_connection_window_size": _UNSENT_BYTES,
                        # Of a node that is gone nobody says that the connection is.
                        "connection_keepalive": {"interval": "30s", "timeout": "10s"},
                    }
                },
                "http_filters": [_token(sender.token_folder), _codec()],
            }
        },
    }


def _tls(sender: Sender) -> dict[str, Any]:
    name = {"san_type": "DNS", "matcher": {"exact": sender.host}}
    trusted = {
        "trusted_ca": {"inline_string": sender.ca},
        "match_typed_subject_alt_names": [name],
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPES}.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": sender.host,
            "common_tls_context": {"validation_context": trusted},
        },
    }


def _token(folder: str) -> dict[str, Any]:
    source = {
        "path": f"{folder}/{_SECRET_FILE}",
        # The kubelet replaces both files at once by a link. Envoy then reads the token anew, which
        # it would not for a secret that stands in its own configuration.
        "watched_directory": {"path": folder},
    }
    credential = {"name": _TOKEN_SECRET, "sds_config": {"path_config_source": source}}
    return {
        "name": "envoy.filters.http.credential_injector",
        "typed_config": {
            "@type": f"{_TYPES}.filters.http.credential_injector.v3.CredentialInjector",
            "overwrite": True,
            "credential": {
                "name": "envoy.http.injected_credentials.generic",
                "typed_config": {
                    "@type": f"{_TYPES}.http.injected_credentials.generic.v3.Generic",
                    "header": "authorization",
                    "header_value_prefix": "Bearer ",
                    "credential": credential,
                },
            },
        },
    }


def _codec() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": f"{_TYPES}.filters.http.upstream_codec.v3.UpstreamCodec"},
    }


def token_secret(folder: str = names.TOKEN_FOLDER) -> str:
    """The file that tells Envoy where the token is: a secret cannot be named otherwise."""
    secret = {
        "@type": f"{_TYPES}.transport_sockets.tls.v3.Secret",
        "name": _TOKEN_SECRET,
        "generic_secret": {"secret": {"filename": f"{folder}/{_TOKEN}"}},
    }
    return json.dumps({"resources": [secret]})


def token_volume(annotation: str, audience: str, seconds: int) -> dict[str, Any]:
    """The volume with the token, and with the file about it, which an annotation of the pod has."""
    token = {"audience": audience, "expirationSeconds": seconds, "path": _TOKEN}
    told = {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{annotation}']"}
    items = [{"path": _SECRET_FILE, "fieldRef": told}]
    return {
        "name": names.TOKEN_VOLUME,
        "projected": {
            "sources": [{"serviceAccountToken": token}, {"downwardAPI": {"items": items}}]
        },
    }
