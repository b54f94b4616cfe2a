"""Committed YAML that the builders' output is compared with.

To accept a change: `UPDATE_GOLDEN=1 pytest tests/resources`, then read the diff. Whoever changes
what is rendered for a revision also raises BUILDER_VERSION.
"""

import os
from pathlib import Path
from typing import Any

import yaml

GOLDEN = Path(__file__).with_name("golden")


class _Readable(yaml.SafeDumper):
    """Writes text of several lines as lines, and repeats what occurs twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _text)


def to_yaml(*objects: Any) -> str:
    """The objects as a stream of YAML documents, in the order of their keys."""
    return yaml.dump_all(objects, Dumper=_Readable, sort_keys=False, width=100)


def assert_golden(name: str, *objects: Any) -> None:
    """Compare `objects` with the committed file `name`, or write it when asked to."""
    path = GOLDEN / name
    text = to_yaml(*objects)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), f"{name} differs: UPDATE_GOLDEN=1 accepts the change"
