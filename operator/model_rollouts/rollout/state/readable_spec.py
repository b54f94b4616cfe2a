"""A spec of which a part cannot be read: the rest of it still says how users are protected."""

import copy
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from model_rollouts.api.deployment import ModelDeployment, read
from model_rollouts.resources.shapes import Object

_PARTS = 20
"""Parts of a spec that are left out, before it is given up."""

_SHOWN = 3

_LEAST = {"name": "errors", "type": "Availability", "availability": {"target": "80%"}}


def readable(obj: Object) -> tuple[ModelDeployment, str | None]:
    """The resource, and what is wrong with its spec, None when nothing is.

    A part that is refused is left out, so that it has its default. Raises pydantic's
    ValidationError for a spec that says nothing without that part.
    """
    try:
        return read(dict(obj)), None
    except ValidationError as error:
        return _without_refused(obj, error), refused(obj, error)


def without_objectives(obj: Object) -> ModelDeployment:
    """The resource with objectives that ask for no more than the breaker does.

    For objectives that cannot be judged: a version that fails most requests is still rolled back.
    """
    spec = {**obj["spec"], "objectives": [_LEAST]}
    try:
        return read({**obj, "spec": spec})
    except ValidationError as error:
        return _without_refused({**obj, "spec": spec}, error)


def refused(obj: Object, error: Exception) -> str:
    """What is wrong with the spec of `obj`, in one sentence."""
    if not isinstance(error, ValidationError):
        return f"{error}."
    name = obj["metadata"]["name"]
    causes = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        for each in error.errors(include_url=False)[:_SHOWN]
    ]
    return f"ModelDeployment '{name}' is older than a rule of this release: {'; '.join(causes)}."


def _without_refused(obj: Object, error: ValidationError) -> ModelDeployment:
    left = copy.deepcopy(dict(obj))
    for _ in range(_PARTS):
        # The last first: what is left out of a list moves what comes after it.
        paths = sorted((each["loc"] for each in error.errors(include_url=False)), key=_order)
        if not any(_leave_out(left, path) for path in reversed(paths)):
            break
        try:
            return read(left)
        except ValidationError as still:
            error = still
    raise error


def _order(path: Sequence[int | str]) -> tuple[tuple[bool, int, str], ...]:
    return tuple(
        (isinstance(key, int), key if isinstance(key, int) else 0, str(key)) for key in path
    )


def _leave_out(obj: dict[str, Any], path: Sequence[int | str]) -> bool:
    """Leave out what `path` leads to, or the last thing on the way that is there."""
    inside: Any = obj
    found: tuple[Any, Any] | None = None
    for key in path:
        if not _has(inside, key):
            break
        found, inside = (inside, key), inside[key]
    if found is None or found[1] == "spec":
        return False
    del found[0][found[1]]
    return True


def _has(inside: Any, key: int | str) -> bool:
    if isinstance(inside, dict):
        return key in inside
    return isinstance(inside, list) and isinstance(key, int) and key < len(inside)
