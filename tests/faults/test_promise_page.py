"""docs/promise.md names every function that looks at histories, and files that exist."""

import re
from pathlib import Path

from tests.faults.oracles import ORACLES
from tests.faults.oracles.stability import it_ends_as_asked

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "promise.md").read_text()


def test_the_page_names_each_oracle_and_no_other() -> None:
    known = {*ORACLES, it_ends_as_asked.__name__}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+){2,})`", PAGE))

    assert known <= named
    stories = {path.stem for path in (ROOT / "tests" / "rollout" / "stories").glob("*.log")}
    assert named - known <= stories


def test_the_files_it_names_exist() -> None:
    files = re.findall(r"`(tests/[\w/.]+)`", PAGE)

    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []
