"""Who may connect to a listener of the proxy: anybody, or only those outside of its pod.

A model server that could send requests to its own proxy could pad its counts with good answers. By
`EXTERNAL` Envoy means: the client's address is neither 127.0.0.1 nor ::1, nor the one that it
connected to. Others of 127.0.0.0/8 are loopback as well, and the pod's address connected to
127.0.0.1 differs from it: hence the two chains without filters, which close a connection at once.
"""

from typing import Any

_LOOPBACK = [
    {"address_prefix": "127.0.0.0", "prefix_len": 8},
    {"address_prefix": "::1", "prefix_len": 128},
]


def from_anywhere(filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The filter chains of a listener that takes every connection."""
    return [{"filters": filters}]


def from_outside(filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The filter chains of a listener that closes connections from inside the pod."""
    return [
        {"filter_chain_match": {"source_type": "EXTERNAL"}, "filters": filters},
        _closed({"source_type": "EXTERNAL", "source_prefix_ranges": _LOOPBACK}),
        _closed({"prefix_ranges": _LOOPBACK}),
    ]


def _closed(match: dict[str, Any]) -> dict[str, Any]:
    return {"filter_chain_match": match, "filters": []}
