"""Kubernetes objects as JSON, and reading one that no schema has checked."""

from collections.abc import Mapping
from typing import Any

from model_rollouts.resources.errors import ResourceError

Object = Mapping[str, Any]
"""A Kubernetes object that is only read."""

Body = dict[str, Any]
"""A Kubernetes object, or a part of one, that is made or sent."""


def mapping(resource: str, parent: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The mapping in `parent` under the last part of `path`; empty when absent."""
    found = parent.get(_key(path))
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ResourceError(resource, path, found, "write a mapping, as in a PodTemplateSpec")
    return found


def mappings(resource: str, parent: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    """The list of mappings in `parent` under the last part of `path`; empty when absent."""
    found = parent.get(_key(path))
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        words = "write a list of mappings, as in a PodTemplateSpec"
        raise ResourceError(resource, path, found, words)
    return found


def _key(path: str) -> str:
    return path.rpartition(".")[2]
