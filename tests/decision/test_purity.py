"""The decision engine depends on nothing but the standard library, and does no input or output."""

import ast
import sys
from pathlib import Path

from model_rollouts import decision

FORBIDDEN = {"asyncio", "io", "logging", "os", "pathlib", "random", "socket", "sys", "time"}


def test_imports() -> None:
    imported = set()
    for path in Path(decision.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(node.module or "")
    own = {name for name in imported if name.startswith("model_rollouts.decision.")}
    roots = {name.split(".")[0] for name in imported - own}

    assert own
    assert roots <= set(sys.stdlib_module_names)
    assert not roots & FORBIDDEN
