"""The strings of the resource that have a form: what they look like and what to write instead."""

from typing import Annotated

from pydantic import Field

from model_rollouts.api import duration, ratio
from model_rollouts.api.base import Rule, Written, shown

_TIME = "write a time such as 24h, 1m30s or 300ms"
_RATIO = "write a percentage such as 99.9% or 25%, with at most four decimals"
_MORE_THAN_NOTHING = Rule("self.matches('[1-9]')", "write more than zero", found=shown("self"))

Duration = Annotated[str, Written(duration.PATTERN, _TIME, 32)]
"""A time of GEP-2257, zero included."""

Warmup = Annotated[
    str,
    Written(
        duration.PATTERN,
        _TIME,
        32,
        (
            Rule(
                "duration(self) <= duration('2m')",
                "write a time from 0s to 2m",
                found=shown("self"),
            ),
        ),
    ),
]
"""How long a pod is cold: what is known of a pod goes back no further."""

PositiveDuration = Annotated[str, Written(duration.PATTERN, _TIME, 32, (_MORE_THAN_NOTHING,))]

PartRatio = Annotated[
    str,
    Written(
        ratio.PATTERN,
        _RATIO,
        16,
        (
            Rule(
                "(self != '100%' && self.matches('[1-9]'))",
                "write more than 0% and less than 100%",
                found=shown("self"),
            ),
        ),
    ),
]
"""A ratio that is neither nothing nor everything."""

Version = Annotated[
    str,
    Written(
        r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        "write letters, digits, '-', '_' and '.', such as 3 or 2026-03-31.1, "
        "starting and ending with a letter or digit",
        63,
    ),
]
"""A name that is also a label value."""

Digest = Annotated[
    str,
    Written(r"^sha256:[a-f0-9]{64}$", "write sha256: followed by 64 digits from 0-9 and a-f", 71),
]

Uri = Annotated[
    str,
    Written(
        r"^[a-z][a-z0-9+.-]*://[^\s]+$",
        "write a URI with its scheme, such as s3://models/arrival/3",
        1024,
    ),
]

GitCommit = Annotated[
    str,
    Written(
        r"^([a-f0-9]{40}|[a-f0-9]{64})$",
        "write the full commit hash, 40 digits from 0-9 and a-f (64 in a SHA-256 repository)",
        64,
    ),
]

Date = Annotated[
    str,
    Written(
        r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        "write a date such as 2026-03-31",
        10,
    ),
]

DECIMAL_PATTERN = r"^-?[0-9]{1,12}(\.[0-9]{1,12})?$"
Decimal = Annotated[
    str, Written(DECIMAL_PATTERN, 'write a decimal number in quotes, such as "0.0663"', 26)
]
"""Digits as a string: a float would not come back as it was written."""

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
Label = Annotated[
    str,
    Written(
        LABEL_PATTERN,
        "write lower-case letters, digits and '-', starting and ending with a letter or digit",
        63,
    ),
]
"""A DNS label."""

MetricName = Annotated[
    str,
    Written(
        r"^[a-zA-Z_:][a-zA-Z0-9_:]*$",
        "write the name of a counter without labels, such as my_answers_total",
        200,
        (
            Rule(
                "!self.endsWith('_bucket')",
                "write a plain counter: the buckets of a histogram count each request many times",
                found=shown("self"),
            ),
        ),
    ),
]
"""A counter in Prometheus."""

HistogramName = Annotated[
    str,
    Written(
        r"^[a-zA-Z_:][a-zA-Z0-9_:]*$",
        "write the name of a histogram without labels, such as request_predict_seconds",
        200,
        (
            Rule(
                "!self.matches('_(bucket|count|sum)$')",
                "write the name without _bucket, _count or _sum: the operator adds it",
                found=shown("self"),
            ),
        ),
    ),
]
"""A histogram in Prometheus."""

_SELECTED = ("namespace", "modelrollouts_revision", "le", "quantile")

LabelName = Annotated[
    str,
    Written(
        r"^[a-zA-Z_][a-zA-Z0-9_]*$",
        "write the name of a label, such as code",
        100,
        (
            Rule(
                f"!(self in {list(_SELECTED)} || self.startsWith('__'))",
                "write a label of the metric itself: namespace, revision and bucket are selected "
                "by the operator",
                found=shown("self"),
            ),
        ),
    ),
]
"""A label of a metric that the model server gives it."""

LabelValue = Annotated[
    str,
    Written(
        r"^[^\s](.*[^\s])?$",
        "write the value of a label without space around it, such as 500; values are no patterns",
        128,
    ),
]

_DNS_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_DNS_ADVICE = "write a lower-case DNS name, such as models.example.com"

Hostname = Annotated[
    str,
    Written(
        rf"^(\*\.)?{_DNS_NAME}$",
        "write a lower-case DNS name without port, such as arrival.example.com or *.example.com",
        253,
    ),
]
DnsName = Annotated[str, Written(f"^{_DNS_NAME}$", _DNS_ADVICE, 253)]
Group = Annotated[
    str,
    Written(
        rf"^({_DNS_NAME})?$",
        "write an API group, such as gateway.networking.k8s.io",
        253,
        shortest=0,
    ),
]
"""An API group; the core group is the empty string."""
Kind = Annotated[
    str,
    Written(
        r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$",
        "write the kind of a resource, such as Gateway",
        63,
    ),
]
HttpToken = Annotated[
    str,
    Written(
        r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$",
        "write a name that HTTP allows, such as x-tenant",
        256,
    ),
]

Text = Annotated[str, Field(min_length=1, max_length=256)]
"""A short text without a form."""
