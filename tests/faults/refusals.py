"""What an API server answers instead of an object, in its own words."""

from dataclasses import dataclass
from typing import NamedTuple

from model_rollouts.cluster.kinds import Kind
from tests.faults.field_owners import ConflictError, Object


class Place(NamedTuple):
    """Where an object is kept."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.name} {self.name}"


@dataclass(frozen=True)
class RefusalError(Exception):
    """What the API server answers instead of an object."""

    status: int
    reason: str
    message: str


def named(place: Place) -> str:
    """An object as the API server names it."""
    group = f".{place.kind.group}" if place.kind.group else ""
    return f'{place.kind.plural}{group} "{place.name}"'


def missing(place: Place) -> RefusalError:
    """There is no such object."""
    return RefusalError(404, "NotFound", f"{named(place)} not found")


def exists(place: Place) -> RefusalError:
    """There is such an object."""
    return RefusalError(409, "AlreadyExists", f"{named(place)} already exists")


def another(place: Place, uid: str, found: str) -> RefusalError:
    """The one that is meant is gone, and another one is in its place."""
    message = (
        f"Operation cannot be fulfilled on {_of_kind(place)}: the UID in the precondition ({uid}) "
        f"does not match the UID in record ({found}). The object might have been deleted and then "
        "recreated"
    )
    return RefusalError(409, "Conflict", message)


def without_uid(place: Place, uid: str) -> RefusalError:
    """The one that is meant is gone, and is not made anew."""
    message = (
        f"Operation cannot be fulfilled on {named(place)}: uid mismatch: the provided object "
        f"specified uid {uid}, and no existing object was found"
    )
    return RefusalError(409, "Conflict", message)


def another_uid(place: Place, uid: str) -> RefusalError:
    """Another object of that name is in the place of the one that is meant."""
    message = f'metadata.uid: Invalid value: "{uid}": field is immutable'
    return RefusalError(422, "Invalid", f"{_of_kind(place)} is invalid: {message}")


def without_version(place: Place) -> RefusalError:
    """A custom resource is replaced by one that does not say what it replaces."""
    message = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    return RefusalError(422, "Invalid", f"{named(place)} is invalid: {message}")


def _of_kind(place: Place) -> str:
    return f'{place.kind.name}.{place.kind.group} "{place.name}"'


def contested(place: Place, error: ConflictError) -> RefusalError:
    """What a real one says of fields that another one owns."""
    manager, paths = '", "'.join(error.managers), ["." + ".".join(path) for path in error.paths]
    version = place.kind.api_version
    if len(paths) == 1:
        said = (
            f'Apply failed with 1 conflict: conflict with "{manager}" using {version}: {paths[0]}'
        )
        return RefusalError(409, "Conflict", said)
    listed = "".join(f"\n- {path}" for path in paths)
    head = f'Apply failed with {len(paths)} conflicts: conflicts with "{manager}" using {version}:'
    return RefusalError(409, "Conflict", head + listed)


def outdated(place: Place) -> RefusalError:
    """It has changed since."""
    message = (
        f"Operation cannot be fulfilled on {named(place)}: the object has been modified; please "
        "apply your changes to the latest version and try again"
    )
    return RefusalError(409, "Conflict", message)


def require_typed(place: Place, body: Object) -> None:
    """Server-side apply answers 500 to a field that the kind does not have."""
    for container in body["spec"]["template"]["spec"].get("containers", ()):
        for field in container.keys() - _CONTAINER_FIELDS:
            where = f'.spec.template.spec.containers[name="{container["name"]}"].{field}'
            message = (
                f"failed to create typed patch object ({place.namespace}/{place.name}; "
                f"{place.kind.api_version}, Kind={place.kind.name}): {where}: field not declared "
                "in schema"
            )
            raise RefusalError(500, "", message)


_CONTAINER_FIELDS = frozenset(
    (
        "args",
        "command",
        "env",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resources",
        "securityContext",
        "startupProbe",
        "terminationMessagePolicy",
        "volumeMounts",
    )
)
"""Of a container, as far as templates of histories and renderings use them."""
