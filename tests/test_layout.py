"""Promises about the tree itself."""

import operator
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_source_root_is_no_package() -> None:
    # It would shadow the standard library's `operator`, and `import collections` would break.
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_operator_is_the_standard_librarys() -> None:
    assert Path(str(operator.__file__)).parent == Path(sysconfig.get_paths()["stdlib"])
