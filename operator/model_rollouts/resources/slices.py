"""Slices: the requests that a proxy counts on their own, and its statistics of them.

A request is looked at when it has ended, by a logger that writes no log but counts. So whatever
became of it is known, a client that left included, and a request may belong to several slices.
Virtual clusters and the statistics of routes count neither the class nor the time of a request
whose client left, so a slice that hangs would look well.

Envoy calls the logger work in progress, and warns of statistics that clients name. Here every name
is fixed by the revision, and the number of series with it (`most_series`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_rollouts.resources.edges import bucket_edge, require_exact
from model_rollouts.resources.statistics import REVISION_TAG

LOGGER = "envoy.access_loggers.stats"
SLICE_TAG = "envoy_slice"
LISTENER_TAG = "envoy_http_conn_manager_prefix"

_PREFIX = "slice"
_TIME = "time"
_EXPORTED = rf"{_PREFIX}\.(total|failed|given_up|{_TIME})\..*"
"""What the names of the statistics are like: tags follow, with their values."""

_LARGEST = 2**63 - 1
_GRPC_FAILED = (
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
)
"""As of all requests (docs/grpc.md)."""
_TYPES = "type.googleapis.com/envoy.extensions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Requests whose `header` is `value`, or begins with `prefix`; or of `at_least` bytes.

    Of the three, one is given. `header` is in lower case.
    """

    name: str
    header: str | None = None
    value: str | None = None
    prefix: str | None = None
    at_least: int | None = None


@dataclass(frozen=True, slots=True)
class CountedSlice:
    """A slice, and the bucket edges (ms, ascending) of its own histogram; none without any."""

    slice: Slice
    edges_ms: tuple[int, ...] = ()


def form_of(found: Slice) -> dict[str, Any]:
    """The canonical form: plain data in which nothing has its default value."""
    form = {
        "name": found.name,
        "header": found.header,
        "value": found.value,
        "prefix": found.prefix,
        "atLeast": found.at_least,
    }
    return {key: value for key, value in form.items() if value is not None}


def from_form(form: Mapping[str, Any]) -> Slice:
    """The slice of which `form` is the canonical form."""
    return Slice(
        name=form["name"],
        header=form.get("header"),
        value=form.get("value"),
        prefix=form.get("prefix"),
        at_least=form.get("atLeast"),
    )


def counted(
    resource: str, slices: Sequence[Slice], thresholds: Mapping[str, Sequence[int]]
) -> tuple[CountedSlice, ...]:
    """The slices with the edges for `thresholds` (ms, by slice).

    Raises ResourceError, naming `resource`, for a threshold that the proxy cannot count.
    """
    for each in (each for found in thresholds.values() for each in found):
        require_exact(resource, each)
    return tuple(
        CountedSlice(
            each, tuple(sorted({bucket_edge(time) for time in thresholds.get(each.name, ())}))
        )
        for each in slices
    )


def most_series(slices: Sequence[CountedSlice]) -> int:
    """How many series a pod has for them at most, whatever its clients send.

    For each listener there are `total` and `failed`; with edges also `given_up`, and the buckets,
    the last one of them without an edge, with sum and count.
    """
    return sum(2 * (2 + (4 + len(each.edges_ms) if each.edges_ms else 0)) for each in slices)


def loggers(listener: str, revision: str, slices: Sequence[CountedSlice]) -> list[dict[str, Any]]:
    """The entries of a listener's `access_log`."""
    return [each for found in slices for each in _loggers(listener, revision, found)]


def _loggers(listener: str, revision: str, of: CountedSlice) -> list[dict[str, Any]]:
    # Envoy's own tags are taken from the names of its own statistics, and not of these.
    tags = [
        {"name": LISTENER_TAG, "value_format": listener},
        {"name": SLICE_TAG, "value_format": of.slice.name},
        {"name": REVISION_TAG, "value_format": revision},
    ]

    def counter(name: str, *more: dict[str, Any]) -> dict[str, Any]:
        stat = {"name": name, "tags": tags}
        return _logger({"counters": [{"stat": stat, "value_fixed": 1}]}, inside, *more)

    inside = [_header(_match(of.slice)), _header(_NO_SESSION)]
    found = [counter("total"), counter("failed", _FAILED)]
    if of.edges_ms:
        stat = {"name": _TIME, "tags": tags}
        time = {"stat": stat, "unit": "Milliseconds", "value_format": "%DURATION%"}
        found += [
            counter("given_up", _GIVEN_UP),
            _logger({"histograms": [time]}, inside, _status("GE", 100)),
        ]
    return found


def _logger(
    stats: Mapping[str, Any], inside: list[dict[str, Any]], *more: dict[str, Any]
) -> dict[str, Any]:
    kind = f"{_TYPES}.access_loggers.stats.v3.Config"
    return {
        "name": LOGGER,
        "filter": {"and_filter": {"filters": [*inside, *more]}},
        "typed_config": {"@type": kind, "stats_scope": {"prefix": _PREFIX}, **stats},
    }


def _match(of: Slice) -> dict[str, Any]:
    if of.at_least is not None:
        return {"name": "content-length", "range_match": {"start": of.at_least, "end": _LARGEST}}
    how = {"exact": of.value} if of.prefix is None else {"prefix": of.prefix}
    return {"name": of.header, "string_match": how}


def _header(matcher: Mapping[str, Any]) -> dict[str, Any]:
    return {"header_filter": {"header": matcher}}


def _status(op: str, code: int) -> dict[str, Any]:
    # The key could be set by an administrator of Envoy's runtime, of which there is none.
    value = {"default_value": code, "runtime_key": f"{_PREFIX}.status"}
    return {"status_code_filter": {"comparison": {"op": op, "value": value}}}


# Sessions of websockets last as long as their clients want, and are judged by nothing.
_NO_SESSION = {"name": "upgrade", "present_match": True, "invert_match": True}
# The client left; or the model broke off, in the middle of an answer that began well. Answers of
# the proxy itself, such as a 503, have an end.
_CUT_OFF = {"response_flag_filter": {"flags": ["DC", "DR", "UC", "UR", "LR", "UPE", "SI"]}}
_GIVEN_UP = {"and_filter": {"filters": [_CUT_OFF, _status("LE", 499)]}}
_IS_GRPC = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
_FAILED = {
    "or_filter": {
        "filters": [
            _status("GE", 500),
            _status("EQ", 429),
            _CUT_OFF,
            {
                # What is no gRPC would count by what its HTTP status means there.
                "and_filter": {
                    "filters": [
                        _header(_IS_GRPC),
                        {"grpc_status_filter": {"statuses": list(_GRPC_FAILED)}},
                    ]
                }
            },
        ]
    }
}


def exported(slices: Sequence[CountedSlice]) -> tuple[str, ...]:
    """The patterns of the names of their statistics."""
    return (_EXPORTED,) if slices else ()


def buckets(slices: Sequence[CountedSlice]) -> list[dict[str, Any]]:
    """The entries of `histogram_bucket_settings`, each slice with edges of its own."""
    return [
        {
            "match": {"safe_regex": {"regex": _histogram(each.slice.name)}},
            "buckets": list(each.edges_ms),
        }
        for each in slices
        if each.edges_ms
    ]


def _histogram(name: str) -> str:
    return rf"{_PREFIX}\.{_TIME}\..*{SLICE_TAG}\.{re.escape(name)}\..*"
