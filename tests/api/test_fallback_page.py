"""The resources that the page of the fallback shows are accepted."""

import pytest
import yaml

from e2e.cluster.paths import REPOSITORY
from tests.api.objects import Client

PAGE = (REPOSITORY / "docs" / "fallback.md").read_text()


BLOCKS = [block.partition("```")[0] for block in PAGE.split("```yaml\n")[1:]]


@pytest.mark.parametrize(
    ("type", "text"), [*zip(("Static", "PreviousRevision"), BLOCKS, strict=True)]
)
def test_a_resource_of_the_page_is_accepted(dry: Client, type: str, text: str) -> None:
    resource = yaml.safe_load(text)
    resource["metadata"]["namespace"] = "default"

    stored = dry.create(resource, dry_run=True, strict=True)

    assert stored["spec"]["fallback"]["type"] == type
