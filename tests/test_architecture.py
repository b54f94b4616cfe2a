"""docs/architecture.md names files and functions that exist."""

import re

import pytest

from e2e.cluster.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
PACKAGE = REPOSITORY / "operator" / "model_rollouts"
STOPS = re.findall(r"^\|.*\| `([\w/]+\.py)` \| `(\w+)` \|$", PAGE, re.MULTILINE)
PATHS = sorted(
    path
    for path in set(re.findall(r"`([\w./-]+(?:\.(?:py|md|yaml)|/))`", PAGE))
    if "/" in path.rstrip("/")
)


@pytest.mark.parametrize(("file", "name"), STOPS)
def test_each_stop_of_a_flow_is_where_the_page_says(file: str, name: str) -> None:
    root = REPOSITORY if file.startswith("demo/") else PACKAGE
    text = (root / file).read_text()

    assert re.search(rf"^\s*(?:async def|def|class) {name}\b|^{name} = ", text, re.MULTILINE)


@pytest.mark.parametrize("path", PATHS)
def test_each_path_exists(path: str) -> None:
    assert (REPOSITORY / path).exists() or (PACKAGE / path).exists()


def test_the_page_has_a_row_for_each_room() -> None:
    packages = {f"{each.parent.name}/" for each in PACKAGE.glob("*/__init__.py")}
    modules = {each.name for each in PACKAGE.glob("*.py") if each.name != "__init__.py"}

    rows = set(re.findall(r"^\| `([\w.]+/?)` \|", PAGE, re.MULTILINE))

    assert rows == packages | modules
