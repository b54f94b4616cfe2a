"""The decision engine depends on the standard library and on words, and does no input or output."""

import ast
import sys
from pathlib import Path

from model_rollouts import decision

FORBIDDEN = {"asyncio", "io", "logging", "os", "pathlib", "random", "socket", "sys", "time"}


def test_imports() -> None:
    imported = set()
    room = Path(decision.__file__).parent
    for path in (*room.glob("*.py"), room.parent / "text.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(node.module or "")
    own = {
        name
        for name in imported
        if name.startswith("model_rollouts.decision.") or name == "model_rollouts.text"
    }
    roots = {name.split(".")[0] for name in imported - own}

    assert own
    assert roots <= set(sys.stdlib_module_names)
    assert not roots & FORBIDDEN
