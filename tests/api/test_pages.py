"""Every whole ModelDeployment that a page shows is one that the API server takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster.paths import REPOSITORY
from model_rollouts.api.group import KIND
from tests.api.objects import DIGEST, Client


def shown(page: Path) -> list[dict[str, Any]]:
    """The ModelDeployments of a page; what has no name is a part of one."""
    # A digest is for the reader to fill in.
    text = re.sub("sha256:(…|<64 digits>)", DIGEST, page.read_text())
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    documents = [
        document for block in blocks if f"kind: {KIND}" in block
        for document in yaml.safe_load_all(block)
    ]  # fmt: skip
    return [each for each in documents if each.get("kind") == KIND and "metadata" in each]


SHOWN = {
    page.name: shown(page)
    for page in [*(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "README.md"]
}
WHOLE = [(name, each) for name, found in SHOWN.items() for each in found]


@pytest.mark.parametrize(("page", "resource"), WHOLE, ids=[name for name, _ in WHOLE])
def test_what_a_page_shows_is_accepted(dry: Client, page: str, resource: dict[str, Any]) -> None:
    metadata = {**resource["metadata"], "namespace": "default"}

    dry.create({**resource, "metadata": metadata}, dry_run=True, strict=True)


def test_pages_that_show_one_are_among_them() -> None:
    assert {"first-rollout.md", "stages.md"} <= {name for name, found in SHOWN.items() if found}
