"""YAML files as the API server takes them, with the lines of their fields."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import yaml

STDIN = "-"


def paths(files: tuple[str, ...]) -> Iterator[str]:
    """The files, and those in folders."""
    for each in files:
        path = Path(each)
        if each != STDIN and path.is_dir():
            yield from map(str, sorted((*path.rglob("*.yaml"), *path.rglob("*.yml"))))
        else:
            yield each


def documents(path: str) -> "Iterator[tuple[yaml.Node, dict[str, Any]]]":
    """Marks and content of each object in a file. Raises ClickException with file and line."""
    for node, obj in objects(text_of(path), path):
        if isinstance(obj, dict):
            yield node, obj


def text_of(path: str) -> str:
    """The text of a file, or of stdin. Raises ClickException."""
    try:
        return sys.stdin.read() if path == STDIN else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise click.ClickException(f"could not read '{path}': {why}") from None


def objects(text: str, path: str) -> "Iterator[tuple[yaml.Node, Any]]":
    """Marks and content of each document; `path` is for messages. Raises ClickException."""
    import yaml

    try:
        loader = _loader(text)
        while loader.check_node():
            node = loader.get_node()
            yield node, loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise click.ClickException(f"{path}{place}: {problem}") from None


def _loader(text: str) -> Any:
    """A loader that takes dates for texts, as the API server does."""
    import yaml

    known = yaml.SafeLoader.yaml_implicit_resolvers.items()
    timestamp = "tag:yaml.org,2002:timestamp"
    resolvers = {first: [pair for pair in each if pair[0] != timestamp] for first, each in known}
    return type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})(text)


def line_of(node: "yaml.Node", path: tuple[str | int, ...]) -> int:
    """The line of a field, or of the nearest that is there, from 1."""
    import yaml

    line = node.start_mark.line
    for each in path:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == each), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(each, int):
            node = node.value[each]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1
