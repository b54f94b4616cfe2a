"""What makes a revision: its input, the canonical form of it, and the name made from that.

Two inputs are the same revision when their canonical forms are equal; the hash only names. The
form is stored with the revision, so what it drops here was meant the same when it was stored.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.canonical import canonical_template
from model_rollouts.resources.errors import ResourceError

ENCODER_VERSION = 1
"""Raised when the canonical form changes. Stored forms are encoded anew before they are compared,
so that a new operator sees no new revision in an old input."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where the model's file lies; an empty digest is none."""

    uri: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class RevisionInput:
    """Everything that, when it changes, makes another revision.

    `port` is where the model server listens; `template` is a PodTemplateSpec as the user wrote it,
    with a container named `model`.
    """

    version: str
    port: int
    template: Mapping[str, Any]
    artifact: Artifact | None = None


def canonical(given: RevisionInput) -> dict[str, Any]:
    """The canonical form of `given`: plain data in which nothing has its default value."""
    form: dict[str, Any] = {
        "encoder": ENCODER_VERSION,
        "version": given.version,
        "port": given.port,
        "template": canonical_template(given.template),
    }
    if given.artifact is not None:
        artifact = {"uri": given.artifact.uri, "digest": given.artifact.digest}
        form["artifact"] = {key: value for key, value in artifact.items() if value}
    return form


def is_same(stored: Mapping[str, Any], given: RevisionInput) -> bool:
    """Whether `given` is the revision whose canonical form is `stored`, by any older encoder."""
    return _encoded_anew(stored) == canonical(given)


def find_revision(stored: Mapping[str, Mapping[str, Any]], given: RevisionInput) -> str | None:
    """The name of the revision that `given` is, among canonical forms by name; None when new."""
    wanted = canonical(given)
    same = (name for name, form in stored.items() if _encoded_anew(form) == wanted)
    return next(same, None)


def _encoded_anew(form: Mapping[str, Any]) -> Mapping[str, Any]:
    if form.get("encoder") == ENCODER_VERSION:
        return form
    template = canonical_template(form.get("template", {}))
    return {**form, "encoder": ENCODER_VERSION, "template": template}


def new_name(model: str, given: RevisionInput, taken: Collection[str]) -> tuple[str, int]:
    """A name for `given` that is not in `taken`, and the collision count that led to it.

    The name is `<model>-<10 hex digits>`. Raises ResourceError when children cannot be named
    after `model`.
    """
    names.require_model_name(model)
    form = json.dumps(canonical(given), sort_keys=True, separators=(",", ":"))
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
