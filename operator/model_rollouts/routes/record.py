"""The record of roles that every write of the route carries in one annotation.

It travels in the same request as the weights, so what serves and why can never disagree. The
status carries a copy: when either is lost, roles are read back from the other.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from model_rollouts.api import ratio
from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.shapes import Object
from model_rollouts.routes import reader

RECORD_VERSION = 1
MAX_BYTES = 1024
PATH = f"metadata.annotations[{names.RECORD_ANNOTATION}]"
"""Where a route carries it."""


class RecordedVerdict(StrEnum):
    """Why the roles of a record are as they are; the record has the text."""

    FIRST = "First"
    """All users got the first version, which nothing could be compared with."""
    PASS = "Pass"  # noqa: S105 - a verdict, not a password
    """Every gate passed."""
    PASS_WITH_BOUND = "PassWithBound"  # noqa: S105 - a verdict
    """What was not ruled out at the deadline is acceptable."""
    REVERTED = "Reverted"
    """A version that served all users before serves them again."""
    IMMEDIATE = "Immediate"
    """`strategy.mode: Immediate` promoted it without judging it."""
    REPLACED = "Replaced"
    """It took the place of stable's only pod, and there was none to judge it beside."""
    OVERRIDDEN = "Overridden"
    """Decided by `strategy.override`."""
    SKIPPED_SHADOW = "SkippedShadow"
    """`strategy.override` let a canary begin without a shadow: nothing is decided yet."""
    FAIL = "Fail"
    """An objective of the candidate failed."""
    UNREADY = "Unready"
    """The candidate had users and no ready pod."""
    DEADLINE = "Deadline"
    """The deadline came, and the spec has it rolled back then."""
    MIRROR_REFUSED = "MirrorRefused"
    """The gateway would not mirror requests to the candidate, which stays in shadow."""
    FAIL_IN_WATCH = "FailInWatch"
    """An objective of a promoted version failed."""
    BURN_IN_WATCH = "BurnInWatch"
    """A promoted version used up its error budget too fast."""
    ROUTE_EDITED = "RouteEdited"
    """A person gave its users to the version before, in the route itself."""
    SETTLED = "Settled"
    """The watch over a promoted version is over."""


def is_open(verdict: str | None) -> bool:
    """Whether a canary with this verdict in its record is still undecided."""
    return verdict is None or verdict == RecordedVerdict.SKIPPED_SHADOW


def outlives_override(verdict: str | None) -> bool:
    """Whether an override that still stands in the spec does not bring the version back.

    It was carried out before the version ended: all users had it then, or a person has changed the
    route since.
    """
    return verdict in (
        RecordedVerdict.FAIL_IN_WATCH,
        RecordedVerdict.BURN_IN_WATCH,
        RecordedVerdict.ROUTE_EDITED,
    )


@dataclass(frozen=True, slots=True)
class RouteWrite:
    """What one write of the route means.

    `sequence` is that of the record which it wrote: beside another one it is about an older write,
    because a release that does not know it has written since. `ms` is when it was (Unix
    milliseconds), and `why` the sentence that says why the roles are as they are, empty when that
    is not known. `dropped` is the candidate that gave way to another version, for it has no other
    place, None when there is none. `spec` marks the `spec.route` that it follows, None when that is
    not known.
    """

    sequence: int
    ms: int
    why: str
    dropped: str | None = None
    spec: str | None = None


class SuspensionCause(StrEnum):
    """What users were kept off a candidate for, without a verdict on it."""

    PODS = "Pods"
    """It had too few ready pods."""
    REQUESTS = "Requests"
    """Users' requests did not reach its pods."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """How often a candidate lost its users without a verdict, and for what the last time.

    It counts for `attempt` alone. `share` are the users that it had before, such as "25%", and
    `since` when it lost them (Unix seconds). `pods` and `requests` are how often, by cause.
    `failures` counts those times without a ready pod that nothing but the version explains.
    """

    attempt: int
    share: str
    since: int
    cause: SuspensionCause
    pods: int = 0
    requests: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """Who has which role, and how far the rollout is.

    `stable` is None only before a first version is full; `candidate`, `previous` and `verdict` are
    None when there is none. `previous` was stable before and is kept warm. `weight` is the share of
    users that the candidate has, such as "25%". `attempt` is the one of the spec, `sequence` grows
    with every write of the route. `mirror` is the share of stable's requests, in percent, that is
    mirrored to the candidate, `itself` the one that goes to another pod of stable too, `hurt` the
    share that made stable worse, None while none has, and
    `since` when the first mirrored request came (Unix seconds), and `suspension` how the candidate
    lost its users without a verdict, None when it never did. These are written only when they
    say something: a release that does not know them reads the other records. `write` is what the
    write means that made the record, or an older one: see `RouteWrite`. `more` are the keys that
    another release has written: they are kept as they are.
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
    itself: int = 0
    hurt: int | None = None
    since: int | None = None
    suspension: Suspension | None = None
    write: RouteWrite | None = None
    more: Mapping[str, Any] = field(default_factory=dict, hash=False)


_ONLY_WHEN_SAID: dict[str, int | None] = {"mirror": 0, "itself": 0, "hurt": None, "since": None}
_LARGEST = {"mirror": 100, "itself": 100, "hurt": 100, "since": 2**53}
_LATEST_MS = 10**14
_REVISIONS = ("stable", "candidate", "previous")
_COUNTS = ("attempt", "sequence")
_ALWAYS = ("stable", "candidate", "phase", "weight", "attempt", "verdict", "sequence", "previous")


def read(route: Object) -> RouteRecord | None:
    """The record that a route carries; None when it has none, or one that cannot be used."""
    return read_text(reader.record_of(route))


@lru_cache(maxsize=512)
def read_text(text: str | None) -> RouteRecord | None:
    """The record that a text is, wherever it was kept; None when it cannot be used.

    A pass reads the same text several times, from the route and from its copy in the status.
    """
    try:
        return None if text is None else decode("HTTPRoute", text)
    except ResourceError:
        return None


def is_same(one: Object, other: Object) -> bool:
    """Whether two routes carry a record that says the same, in whatever form."""
    found = read(one)
    return found is not None and found == read(other)


@lru_cache(maxsize=512)
def encode(record: RouteRecord) -> str:
    """The record as the value of its annotation, at most MAX_BYTES of compact JSON.

    A pass writes the same record several times, for the route that should be and the status.
    Where there is no room for all of it, the sentence of the write is cut, and what another release
    has added gives way: users are protected by the next write in any case.
    Raises ResourceError when it could not be read back.
    """
    said = {key: getattr(record, key) for key in _ALWAYS}
    for key, nothing in _ONLY_WHEN_SAID.items():
        if (value := getattr(record, key)) != nothing:
            said[key] = value
    if record.suspension is not None:
        said["suspension"] = asdict(record.suspension)
    text = _fitting(said, record.write, dict(record.more))
    decode("HTTPRoute to be written", text)
    return text


def decode(route: str, text: str) -> RouteRecord:
    """The record in the annotation of `route`, the name that messages give to it.

    Keys that are not known are kept. Raises ResourceError for anything else that `encode` would not
    have written: roles are then taken from the copy in the status.
    """
    if _size(text) > MAX_BYTES:
        raise _refused(route, "", f"{_size(text):,} bytes", f"at most {MAX_BYTES:,} bytes")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _refused(route, "", text, "a JSON object")
    version = content.pop("version", None)
    if version != RECORD_VERSION:
        raise _refused(
            route,
            ".version",
            version,
            f"{RECORD_VERSION}; another release of the operator wrote this",
        )
    missing = [key for key in _ALWAYS if key not in content]
    if missing:
        raise _refused(route, "", sorted(content), f"also the keys {', '.join(missing)}")
    known = {key: content.pop(key) for key in _ALWAYS}
    known |= {key: content.pop(key, nothing) for key, nothing in _ONLY_WHEN_SAID.items()}
    _require_types(route, known)
    record = RouteRecord(
        **known,
        suspension=_suspension(content.pop("suspension", None)),
        write=_write(content.pop("write", None)),
        more=content,
    )
    try:
        ratio.share(record.weight)
    except (TypeError, ValueError):
        raise _refused(route, ".weight", record.weight, "a share such as 25%") from None
    if record.stable is not None and record.stable == record.candidate:
        raise _refused(route, ".candidate", record.candidate, "a revision other than stable")
    if record.previous is not None and record.previous in (record.stable, record.candidate):
        raise _refused(route, ".previous", record.previous, "a revision that has no other role")
    return record


def _write(found: object) -> RouteWrite | None:
    """What the write means; None when there is nothing usable, for the roles hold without it."""
    match found:
        case {"sequence": int(sequence), "ms": int(ms), **rest} if 0 <= ms <= _LATEST_MS:
            why, dropped, spec = rest.get("why", ""), rest.get("dropped"), rest.get("spec")
            if isinstance(why, str) and isinstance(dropped, str | None):
                return RouteWrite(sequence, ms, why, dropped, _mark(spec))
    return None


def _suspension(found: object) -> Suspension | None:
    """How often users were lost; None when there is nothing usable, for the roles hold without."""
    match found:
        case {
            "attempt": int(attempt),
            "share": str(share),
            "since": int(since),
            "cause": str(cause),
            "pods": int(pods),
            "requests": int(requests),
            "failures": int(failures),
        } if all(0 <= each <= _LATEST_MS for each in (attempt, since, pods, requests, failures)):
            try:
                ratio.share(share)
                known = SuspensionCause(cause)
            except ValueError:
                return None
            return Suspension(attempt, share, since, known, pods, requests, failures)
    return None


def _mark(found: object) -> str | None:
    return found if isinstance(found, str) and len(found) <= names.DIGEST_DIGITS else None


def _fitting(said: dict[str, Any], write: RouteWrite | None, more: dict[str, Any]) -> str:
    """The text with as much of `more` as there is room for, and then of the sentence."""
    why = "" if write is None else write.why

    def text(letters: int) -> str:
        if write is None:
            return _text(said | more)
        cut = why if letters == len(why) else why[:letters] + "…" * bool(letters)
        told = asdict(replace(write, why=cut))
        return _text({**said, "write": {k: v for k, v in told.items() if v is not None}, **more})

    if _size(whole := text(len(why))) <= MAX_BYTES:
        return whole
    while _size(text(0)) > MAX_BYTES and more:
        more.popitem()
    if _size(whole := text(len(why))) <= MAX_BYTES:
        return whole
    fit = bisect_right(range(len(why)), MAX_BYTES, key=lambda letters: _size(text(letters)))
    return text(max(fit - 1, 0))


def _text(said: Mapping[str, Any]) -> str:
    """Compact JSON with letters as they are: escaped they would take twice the room."""
    text = json.dumps(
        {"version": RECORD_VERSION, **said}, separators=(",", ":"), ensure_ascii=False
    )
    # Half of a surrogate pair is JSON, but no text that could be sent.
    return text.encode(errors="replace").decode()


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


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
    return ResourceError(route, f"{PATH}{key}", found, f"expected {expected}")
