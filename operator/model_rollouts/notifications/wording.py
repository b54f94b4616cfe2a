"""The words of messages: Jinja templates that cannot run away.

A template has no calls and no assignments, loops at most twice inside each other over at most 20
things, and its source and its result are bounded. So its time is, whoever wrote it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from model_rollouts.text import cut

LONGEST_SOURCE = 4_096
LONGEST_TITLE = 200
LONGEST_TEXT = 4_000
MOST_ITEMS = 20
MOST_LOOPS = 2

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Filter,
    nodes.Test,
)
_FILTERS = ("capitalize", "default", "first", "join", "last", "length", "lower", "trim", "upper")
_TESTS = ("defined", "undefined", "none")
_ITEMS = "__items"
"""Stands around what a template loops over; no template can name it."""


class WordingError(ValueError):
    """A template is refused; the message says what was found and what to write instead."""


class Wording:
    """A template that was checked. Raises WordingError."""

    def __init__(self, source: str, longest: int) -> None:
        if len(source) > LONGEST_SOURCE:
            raise WordingError(
                f"found {len(source):,} characters, write at most {LONGEST_SOURCE:,}"
            )
        try:
            tree = _ENVIRONMENT.parse(source)
            _check(tree, loops=0)
            self._template = _ENVIRONMENT.from_string(tree)
        except (TemplateError, RecursionError) as error:
            raise WordingError(f"found no template: {error}, write Jinja") from None
        self._longest = longest

    def render(self, context: Mapping[str, Any]) -> str:
        """The text. Raises WordingError for a name that there is not."""
        parts, length = [], 0
        try:
            for part in self._template.generate(context):
                parts.append(part)
                length += len(part)
                if length > self._longest:
                    break
        except (TemplateError, TypeError, ValueError) as error:
            raise WordingError(
                f"found a template that fails: {error}, write one of the names in docs/messages.md"
            ) from None
        lines = (line.rstrip() for line in "".join(parts).strip().splitlines())
        return cut("\n".join(lines), self._longest)


def _check(node: nodes.Node, loops: int) -> None:
    """Refuse what is not allowed, and bound what is looped over. Raises WordingError."""
    line = f"line {node.lineno}: " if node.lineno else ""
    name = type(node).__name__
    if not isinstance(node, _ALLOWED):
        raise WordingError(
            f"{line}found {name}, write only names, texts, conditions, for loops and the filters "
            f"{', '.join(_FILTERS)}"
        )
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        raise WordingError(
            f"{line}found the filter '{node.name}', write one of {', '.join(_FILTERS)}"
        )
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        raise WordingError(f"{line}found the test '{node.name}', write one of {', '.join(_TESTS)}")
    if isinstance(node, nodes.For):
        loops += 1
        if loops > MOST_LOOPS or node.recursive:
            raise WordingError(f"{line}found a loop in a loop in a loop, write at most two")
    for child in node.iter_child_nodes():
        _check(child, loops)
    if isinstance(node, nodes.For):
        node.iter = nodes.Filter(node.iter, _ITEMS, [], [], None, None, lineno=node.lineno)


def _items(value: object) -> list[object]:
    """What may be looped over: the first of a list, and no letters of a text."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise WordingError(f"found a loop over {type(value).__name__}, write a loop over a list")
    return list(islice(value, MOST_ITEMS))


def _joined(value: Sequence[object], between: str = "") -> str:
    # Joined by what was joined, texts would grow twentyfold with every word of a template.
    return cut(between.join(str(each) for each in _items(value)), LONGEST_TEXT)


def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.filters |= {_ITEMS: _items, "join": _joined}
    return made


_ENVIRONMENT = _environment()
