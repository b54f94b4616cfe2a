"""The room stays pure: the standard library and itself, no clock, no file, no randomness."""

import ast
import sys
from pathlib import Path

import pytest

import model_rollouts.metrics

ROOM = Path(str(model_rollouts.metrics.__file__)).parent
IMPURE = frozenset(
    {"asyncio", "datetime", "io", "logging", "os", "pathlib", "random", "socket", "time"}
)


@pytest.mark.parametrize("module", sorted(ROOM.glob("*.py")), ids=lambda path: path.stem)
def test_what_a_module_imports(module: Path) -> None:
    tree = ast.parse(module.read_text())
    names = [
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    foreign = [
        name
        for name in names
        if not name.startswith("model_rollouts.metrics")
        and (name.partition(".")[0] not in sys.stdlib_module_names or name in IMPURE)
    ]
    assert foreign == []
