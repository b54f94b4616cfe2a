"""What a revision tells the observer of its requests: a part of the revision's input.

Changing it needs another proxy, and so another revision: nothing may be said to the proxies of
pods that run, and the operator may write no ConfigMap that they could read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from model_rollouts.resources import observer_address

MAX_BODY = 65_536
"""Bytes of a body that are copied where nothing is said."""
_DIGITS = 4
_ALL = 16**_DIGITS


@dataclass(frozen=True, slots=True)
class Capture:
    """Of every request there is a record; of the share `sample` it has the bodies too.

    `sample` is above 0 and at most 1, or None for no bodies. `max_body` is in bytes.
    `slice_header` names the request header by whose value users are told apart.
    """

    sample: Fraction | None = None
    max_body: int = MAX_BODY
    slice_header: str | None = None


@dataclass(frozen=True, slots=True)
class Observer:
    """Where the observer is. `address` is host:port with `{shard}` in it; `ca` is in PEM."""

    address: str
    ca: str

    def of(self, namespace: str, model: str) -> tuple[str, int]:
        """Host and port to which the proxies of a ModelDeployment send."""
        shard = observer_address.shard(namespace, model)
        host, _, port = self.address.replace("{shard}", str(shard)).rpartition(":")
        return host, int(port)


def form_of(capture: Capture) -> dict[str, Any]:
    """The canonical form of `capture`: plain data in which nothing has its default value."""
    form: dict[str, Any] = {}
    if capture.sample is not None:
        form["sample"] = f"{capture.sample}"
        if capture.max_body != MAX_BODY:
            form["maxBody"] = capture.max_body
    if capture.slice_header is not None:
        # Names of headers are the same however their letters are written.
        form["slice"] = capture.slice_header.lower()
    return form


def from_form(form: Mapping[str, Any]) -> Capture:
    """What was written as `form_of` writes it."""
    sample = form.get("sample")
    return Capture(
        sample=None if sample is None else Fraction(sample),
        max_body=form.get("maxBody", MAX_BODY),
        slice_header=form.get("slice"),
    )


def sampled_ids(sample: Fraction) -> str | None:
    """The regular expression of the request ids that are sampled, None when all are.

    The last four hexadecimal digits decide, as the same id comes to stable and to the candidate: a
    smaller share is a part of a larger one. The share is met to 1/65536, and at least that.
    """
    limit = max(1, round(sample * _ALL))
    if limit >= _ALL:
        return None
    digits = f"{limit:0{_DIGITS}x}"
    below = [
        "".join(map(_either, digits[:index])) + _up_to(int(digit, 16) - 1) + _any(index)
        for index, digit in enumerate(digits)
        if digit != "0"
    ]
    return f".*({'|'.join(below)})"


def _either(digit: str) -> str:
    return digit if digit.isdecimal() else f"[{digit}{digit.upper()}]"


def _up_to(highest: int) -> str:
    if highest < 10:
        return f"[0-{highest}]"
    return f"[0-9a-{highest:x}A-{highest:X}]"


def _any(index: int) -> str:
    return f"[0-9a-fA-F]{{{_DIGITS - 1 - index}}}"
