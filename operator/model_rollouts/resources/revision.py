"""What makes a revision: its input, the canonical form of it, and the name made from that.

Two inputs are the same revision when their canonical forms are equal; the hash only names. The
form is stored with the revision, so what it drops here was meant the same when it was stored.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model_rollouts.resources import capture as captures
from model_rollouts.resources import fallback as fallbacks
from model_rollouts.resources import names
from model_rollouts.resources.canonical import canonical_template
from model_rollouts.resources.capture import Capture
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.fallback import Fallback
from model_rollouts.resources.slices import Slice, form_of

ENCODER_VERSION = 2
"""Raised when the canonical form changes. Stored forms are encoded anew before they are compared,
so that a new operator sees no new revision in an old input."""

_NAMED_BY = 1
"""What is hashed for a name says so: what every encoder writes alike keeps its name."""


class Protocol(StrEnum):
    """What is spoken on the model's port."""

    HTTP = "HTTP"
    """HTTP/1.1; HTTP/2 for clients in the cluster that speak it from the start."""
    GRPC = "GRPC"
    """gRPC, over HTTP/2 without TLS."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where the model's file lies; an empty digest is none."""

    uri: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class RevisionInput:
    """Everything that, when it changes, makes another revision.

    `port` is where the model server listens; `template` is a PodTemplateSpec as the user wrote it,
    with a container named `model`. `capture` None tells the observer nothing. `fallback` None gives
    no request a second chance. `slices` are counted by its proxy; their order makes no difference.
    """

    version: str
    port: int
    template: Mapping[str, Any]
    artifact: Artifact | None = None
    capture: Capture | None = None
    protocol: Protocol = Protocol.HTTP
    fallback: Fallback | None = None
    slices: tuple[Slice, ...] = ()


def canonical(given: RevisionInput, encoder: int = ENCODER_VERSION) -> dict[str, Any]:
    """The canonical form of `given`: plain data in which nothing has its default value.

    With the number of an older `encoder` it has only what such a form can tell.
    """
    form: dict[str, Any] = {
        "encoder": ENCODER_VERSION,
        "version": given.version,
        "port": given.port,
        "template": canonical_template(given.template, encoder),
    }
    if given.artifact is not None:
        artifact = {"uri": given.artifact.uri, "digest": given.artifact.digest}
        form["artifact"] = {key: value for key, value in artifact.items() if value}
    if given.capture is not None:
        form["capture"] = captures.form_of(given.capture)
    if given.protocol is not Protocol.HTTP:
        form["protocol"] = given.protocol.value
    if given.fallback is not None:
        form["fallback"] = fallbacks.form_of(given.fallback)
    if given.slices:
        form["slices"] = sorted(map(form_of, given.slices), key=lambda each: str(each["name"]))
    return form


def is_same(stored: Mapping[str, Any], given: RevisionInput) -> bool:
    """Whether `given` is the revision whose canonical form is `stored`, by any older encoder."""
    return find_revision({"": stored}, given) is not None


def find_revision(stored: Mapping[str, Mapping[str, Any]], given: RevisionInput) -> str | None:
    """The name of the revision that `given` is, among canonical forms by name; None when new."""
    wanted = {ENCODER_VERSION: canonical(given)}
    for name, form in stored.items():
        if not is_of_same_model(form, wanted[ENCODER_VERSION]):
            # Nearly all of them: a template is long.
            continue
        encoder = form.get("encoder", ENCODER_VERSION)
        if encoder not in wanted:
            wanted[encoder] = canonical(given, encoder)
        if _encoded_anew(form) == wanted[encoder]:
            return name
    return None


def is_of_same_model(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two canonical forms differ in nothing but their templates."""
    return _without_template(one) == _without_template(other)


def _without_template(form: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in form.items() if key not in ("encoder", "template")}


def _encoded_anew(form: Mapping[str, Any]) -> Mapping[str, Any]:
    encoder = form.get("encoder", ENCODER_VERSION)
    if encoder == ENCODER_VERSION:
        return form
    template = canonical_template(form.get("template", {}), encoder)
    return {**form, "encoder": ENCODER_VERSION, "template": template}


def new_name(model: str, given: RevisionInput, taken: Collection[str]) -> tuple[str, int]:
    """A name for `given` that is not in `taken`, and the collision count that led to it.

    The name is `<model>-<10 hex digits>`. Raises ResourceError when children cannot be named
    after `model`.
    """
    names.require_model_name(model)
    named = {**canonical(given), "encoder": _NAMED_BY}
    form = json.dumps(named, sort_keys=True, separators=(",", ":"))
    collisions = 0
    while True:
        # The count is hashed as well, as Deployments do with theirs.
        text = form if collisions == 0 else f"{form}#{collisions}"
        digest = hashlib.sha256(text.encode()).hexdigest()[: names.DIGEST_DIGITS]
        name = f"{model}-{digest}"
        if name not in taken:
            return name, collisions
        collisions += 1


def require_valid(model: str, given: RevisionInput) -> None:
    """Raise ResourceError unless version and port can be served."""
    if not given.version:
        raise ResourceError(
            names.describe(model), "model.version", given.version, 'write a version, such as "3"'
        )
    if not 1 <= given.port <= 65535 or given.port in names.RESERVED_PORTS:
        raise ResourceError(
            names.describe(model),
            "port",
            given.port,
            "write the port of the model server, 1 to 65535, but not"
            f" {names.RESERVED_PORTS.start} to {names.RESERVED_PORTS.stop - 1}, which belong to the"
            " proxy",
        )
    if given.fallback is not None:
        fallbacks.require_valid(model, given.fallback)
