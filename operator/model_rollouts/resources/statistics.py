"""What the proxy measures of a model, in Envoy's words: its series, their labels, their edges."""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

REVISION_TAG = "modelrollouts_revision"
"""The label that every metric of the proxy carries."""

_EXPORTED = (
    r"http\.(live|shadow)\.downstream_rq_(active|completed|idle_timeout|rx_reset|time|total|\dxx)",
    r"cluster\.(live|shadow)\.upstream_(cx_connect_fail|rq_(active|rx_reset|total|tx_reset|\d{3}))",
    r"cluster\.(live|shadow)\.upstream_rq_body_size",
    r"cluster\.live\.sessions\.upstream_cx_destroy",
    # A model may answer with any text for a status. Only those that gRPC knows become series.
    r"cluster\.(live|shadow)\.grpc\.(\d|1[0-6])",
    r"server\.(live|memory_physical_size|uptime|version)",
)
"""What is asked about a model. Each other statistic would cost a series in every pod."""

SIZES = (32_000, 64_000, 1_000_000, 10_000_000)
"""Sizes of bodies that are told apart, in bytes: just below the limits that gateways have (32 KiB,
64 KiB, 1 MiB, 10 MiB), above which they mirror no request."""

GRPC_STATUS_TAG = "envoy_grpc_status"
_GRPC_STATUS = r"^cluster\.(?:live|shadow)\.grpc(\.(\d+))$"
"""The status is a label, so that one query finds them all: Envoy has it in the name."""


def settings(
    revision: str,
    edges_ms: Sequence[int],
    exported: Sequence[str] = (),
    buckets: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Envoy's StatsConfig; `edges_ms` are the edges of latency histograms, ascending.

    Statistics whose names have one of the patterns `exported` are counted besides, their histograms
    by `buckets`.
    """
    asked = [{"safe_regex": {"regex": pattern}} for pattern in (*_EXPORTED, *exported)]
    return {
        "stats_tags": [
            {"tag_name": REVISION_TAG, "fixed_value": revision},
            {"tag_name": GRPC_STATUS_TAG, "regex": _GRPC_STATUS},
        ],
        "stats_matcher": {"inclusion_list": {"patterns": asked}},
        "histogram_bucket_settings": [
            {"match": {"suffix": "downstream_rq_time"}, "buckets": list(edges_ms)},
            # Envoy counts the bin that an edge lies in as a whole, as with times (`edges`).
            {"match": {"suffix": "upstream_rq_body_size"}, "buckets": [each - 1 for each in SIZES]},
            *buckets,
        ],
    }


_known_edges: dict[bytes, tuple[int, ...]] = {}
_MOST_KNOWN = 4096


def edges_ms(text: str) -> tuple[int, ...]:
    """The bucket edges of latency histograms in the text of a bootstrap, in milliseconds.

    Each pass asks for those of all revisions. They are remembered by a digest, for a text takes
    11 kB; what all revisions count alike is kept once.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    known = _known_edges.get(digest)
    if known is None:
        found = json.loads(text)["stats_config"]["histogram_bucket_settings"]
        if len(_known_edges) >= _MOST_KNOWN:
            _known_edges.clear()
        known = _known_edges[digest] = _shared(tuple(found[0]["buckets"]))
    return known


@lru_cache(maxsize=256)
def _shared(edges: tuple[int, ...]) -> tuple[int, ...]:
    return edges
