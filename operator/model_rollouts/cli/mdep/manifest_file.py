"""A manifest in a repository, edited in place: every byte that is not changed stays as it is.

The marks of PyYAML say where each field stands in the text. Libraries that keep comments write the
whole file anew, with indents, quotes and line breaks of their own, which a reviewer then has to
read. What was edited is read again and held against what was meant, so that no edit can go wrong
without being found.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import click
import yaml

from model_rollouts.api.group import KIND
from model_rollouts.cli.mdep import files

Object = dict[str, Any]
Path = tuple[str | int, ...]


class Edit(NamedTuple):
    """`set` and `remove` a field, or `add` one (`path` ends with its key, or with its index)."""

    do: str
    path: Path
    value: Any = None


class Manifest:
    """The one ModelDeployment called `name` in a file. Raises ClickException without it."""

    def __init__(self, file: str, name: str) -> None:
        self.file = file
        self._text = files.text_of(file)
        found = [
            (index, obj)
            for index, (_, obj) in enumerate(files.objects(self._text, file))
            if isinstance(obj, dict) and obj.get("kind") == KIND
        ]
        named = [each for each in found if (each[1].get("metadata") or {}).get("name") == name]
        if len(named) != 1:
            known = ", ".join(str((obj.get("metadata") or {}).get("name")) for _, obj in found)
            raise click.ClickException(
                f"{file}: found {len(named)} ModelDeployments '{name}', write a file with one; "
                f"there is {known or 'none'}"
            )
        ((self._number, self.obj),) = named

    @property
    def text(self) -> str:
        """What the file has."""
        return self._text

    def edited(self, wanted: Object) -> str:
        """The text of the file in which the object is `wanted`. Raises ClickException."""
        text = self._text
        try:
            for edit in edits(self.obj, wanted, ()):
                text = _applied(text, self._node(text), edit)
            nodes = [obj for _, obj in files.objects(text, self.file)]
        except (click.ClickException, LookupError, ValueError):
            nodes = []
        before = [obj for _, obj in files.objects(self._text, self.file)]
        before[self._number] = wanted
        if [*map(_without_empty, nodes)] != [*map(_without_empty, before)]:
            raise click.ClickException(
                f"{self.file}: its YAML is written so that it cannot be edited in place (anchors, "
                "aliases, or several fields on a line); edit it by hand, as `-o yaml` shows it"
            )
        return text

    def _node(self, text: str) -> yaml.Node:
        node: yaml.Node = [*files.objects(text, self.file)][self._number][0]
        return node


def edits(before: Any, after: Any, path: Path) -> Iterator[Edit]:
    """What leads from one value to the other; of a list the items that stay are not touched."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() - after.keys():
            yield Edit("remove", (*path, key))
        for key, value in after.items():
            if key not in before:
                yield Edit("add", (*path, key), value)
            else:
                yield from edits(before[key], value, (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and before and after:
        kept = [each for each in before if each in after]
        if len(after) < len(before) and kept == after:
            for index in reversed(range(len(before))):
                if before[index] not in after:
                    yield Edit("remove", (*path, index))
            return
        for index, value in enumerate(after):
            if index < len(before):
                yield from edits(before[index], value, (*path, index))
            else:
                yield Edit("add", (*path, index), value)
    elif before != after:
        yield Edit("set", path, after)


def _applied(text: str, root: yaml.Node, edit: Edit) -> str:
    *above, last = edit.path
    parent = _find(root, above)
    if edit.do == "add":
        return _added(text, parent, last, edit.value)
    begin, node = _entry(parent, last)
    if edit.do == "remove":
        return _removed(text, parent, begin, node)
    at, end = node.start_mark.index, _end(text, node)
    shown = _flow(edit.value)
    if isinstance(node, yaml.ScalarNode) and node.style == '"' and isinstance(edit.value, str):
        shown = json.dumps(edit.value, ensure_ascii=False)
    # Where nothing stands behind `key:`, there is no blank either.
    return _spliced(text, at, end, f" {shown}" if at == end else shown)


def _find(node: yaml.Node, path: Sequence[str | int]) -> yaml.Node:
    for each in path:
        _, node = _entry(node, each)
    return node


def _entry(parent: yaml.Node, key: str | int) -> tuple[int, yaml.Node]:
    """Where an entry begins in the text, and its value."""
    if isinstance(parent, yaml.MappingNode):
        for name, value in parent.value:
            if name.value == key:
                return name.start_mark.index, value
    if isinstance(parent, yaml.SequenceNode) and isinstance(key, int):
        node = parent.value[key]
        return node.start_mark.index, node
    raise LookupError(key)


def _added(text: str, parent: yaml.Node, key: str | int, value: Any) -> str:
    if isinstance(parent, yaml.ScalarNode):
        # `key:` with nothing behind it, or null.
        at = parent.start_mark.index
        return _spliced(text, at, parent.end_mark.index, f" {_flow({key: value})}")
    assert isinstance(parent, yaml.CollectionNode)
    is_list = isinstance(parent, yaml.SequenceNode)
    if parent.flow_style or not parent.value:
        shown = _flow(value) if is_list else _flow({key: value})[1:-1]
        at = parent.end_mark.index - 1
        return _spliced(text, at, at, f"{', ' if parent.value else ''}{shown}")
    first = parent.value[0]
    column = parent.start_mark.column if is_list else first[0].start_mark.column
    shown = yaml.safe_dump(
        [value] if is_list else {key: value}, sort_keys=False, allow_unicode=True, width=10_000
    )
    lines = "".join(f"{' ' * column}{line}\n" for line in shown.splitlines())
    last = parent.value[-1] if is_list else parent.value[-1][1]
    at = _next_line(text, _end(text, last))
    if at and text[at - 1] != "\n":
        lines = f"\n{lines}"
    return _spliced(text, at, at, lines)


def _removed(text: str, parent: yaml.Node, begin: int, node: yaml.Node) -> str:
    assert isinstance(parent, yaml.CollectionNode)
    end = _end(text, node)
    if parent.flow_style:
        behind = text[end:].lstrip()
        if behind.startswith(","):
            end = len(text) - len(behind[1:].lstrip())
        else:
            begin = len(text[:begin].rstrip().removesuffix(","))
        return _spliced(text, begin, end, "")
    line = text.rfind("\n", 0, begin) + 1
    return _spliced(text, line, _next_line(text, end), "")


def _end(text: str, node: yaml.Node) -> int:
    """The end of the last thing in a node: for YAML, a block ends where the next one begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        end = len(text[:end].rstrip())
    return end


def _next_line(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1


def _spliced(text: str, begin: int, end: int, new: str) -> str:
    return text[:begin] + new + text[end:]


def _flow(value: Any) -> str:
    """A value on one line."""
    return yaml.safe_dump(
        [value], default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000
    ).strip()[1:-1]


def _without_empty(value: Any) -> Any:
    """The value without fields that are empty: `strategy:` and `strategy: {}` mean the same."""
    if isinstance(value, dict):
        kept = {key: _without_empty(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each is not None and each != {}}
    return [*map(_without_empty, value)] if isinstance(value, list) else value
