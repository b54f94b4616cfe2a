"""The record of roles that every write of the route carries in one annotation.

It travels in the same request as the weights, so what serves and why can never disagree. When the
status is lost, roles are read back from here.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from model_rollouts.api import ratio
from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError

RECORD_VERSION = 1
MAX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """Who has which role, and how far the rollout is.

    `stable` is None only before a first version is full; `candidate`, `previous` and `verdict` are
    None when there is none. `previous` was stable before and is kept warm. `weight` is the share of
    users that the candidate has, such as "25%". `attempt` is the one of the spec, `sequence` grows
    with every write of the route. `mirror` is the share of stable's requests, in percent, of which
    the candidate gets copies, `hurt` the share at which stable suffered from that, None while it
    has not, and `since` when the first copy came (Unix seconds). These are written only when they
    say something: a release that does not know them reads the other records.
    """

    stable: str | None
    candidate: str | None
    phase: str
    weight: str
    attempt: int
    verdict: str | None
    sequence: int
    previous: str | None = None
    mirror: int = 0
    hurt: int | None = None
    since: int | None = None


_ONLY_WHEN_SAID: dict[str, int | None] = {"mirror": 0, "hurt": None, "since": None}
_LARGEST = {"mirror": 100, "hurt": 100, "since": 2**53}
_REVISIONS = ("stable", "candidate", "previous")
_COUNTS = ("attempt", "sequence")


def encode(record: RouteRecord) -> str:
    """The record as the value of its annotation, at most MAX_BYTES of compact JSON.

    Raises ResourceError when it could not be read back.
    """
    said = {
        key: value
        for key, value in asdict(record).items()
        if key not in _ONLY_WHEN_SAID or value != _ONLY_WHEN_SAID[key]
    }
    content = {"version": RECORD_VERSION, **said}
    text = json.dumps(content, separators=(",", ":"))
    decode("HTTPRoute to be written", text)
    return text


def decode(route: str, text: str) -> RouteRecord:
    """The record in the annotation of `route`, the name that messages give to it.

    Raises ResourceError for anything that `encode` would not have written: roles are then taken
    from the backends of the route.
    """
    if len(text.encode()) > MAX_BYTES:
        raise _refused(route, "", f"{len(text.encode())} bytes", f"at most {MAX_BYTES} bytes")
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise _refused(route, "", text, "a JSON object")
    version = content.pop("version", None)
    if version != RECORD_VERSION:
        raise _refused(
            route,
            ".version",
            version,
            f"{RECORD_VERSION}: another release of the operator wrote it",
        )
    content = {**_ONLY_WHEN_SAID, **content}
    known = [field.name for field in fields(RouteRecord)]
    if sorted(content) != sorted(known):
        raise _refused(route, "", sorted(content), f"exactly the keys {', '.join(known)}")
    _require_types(route, content)
    record = RouteRecord(**content)
    try:
        ratio.share(record.weight)
    except (TypeError, ValueError):
        raise _refused(route, ".weight", record.weight, "a share such as 25%") from None
    if record.stable is not None and record.stable == record.candidate:
        raise _refused(
            route, ".candidate", record.candidate, "a revision other than the stable one"
        )
    if record.previous is not None and record.previous in (record.stable, record.candidate):
        raise _refused(route, ".previous", record.previous, "a revision without another role")
    return record


def _require_types(route: str, content: dict[str, Any]) -> None:
    for key in _REVISIONS:
        value = content[key]
        if value is not None and not (isinstance(value, str) and names.is_dns_label(value)):
            raise _refused(route, f".{key}", value, "the name of a revision, or null")
    for key in _COUNTS:
        if type(content[key]) is not int or content[key] < 0:
            raise _refused(route, f".{key}", content[key], "a whole number, 0 or more")
    for key, largest in _LARGEST.items():
        value = content[key]
        nothing = value is None and _ONLY_WHEN_SAID[key] is None
        if not (nothing or (type(value) is int and 0 <= value <= largest)):
            raise _refused(route, f".{key}", value, f"a whole number, 0 to {largest}")
    if not isinstance(content["phase"], str) or not content["phase"]:
        raise _refused(route, ".phase", content["phase"], "the name of a phase")
    if not isinstance(content["verdict"], str | None):
        raise _refused(route, ".verdict", content["verdict"], "a verdict, or null")


def _refused(route: str, key: str, found: object, expected: str) -> ResourceError:
    field = f"metadata.annotations[{names.RECORD_ANNOTATION}]{key}"
    return ResourceError(route, field, found, f"expected {expected}")
