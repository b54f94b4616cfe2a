"""The resource that the page of the fallback shows is accepted."""

import yaml

from e2e.cluster.paths import REPOSITORY
from tests.api.objects import Client

PAGE = (REPOSITORY / "docs" / "fallback.md").read_text()


def test_the_resource_of_the_page_is_accepted(dry: Client) -> None:
    (text,) = (block.partition("```")[0] for block in PAGE.split("```yaml\n")[1:])
    resource = yaml.safe_load(text)
    resource["metadata"]["namespace"] = "default"

    stored = dry.create(resource, dry_run=True, strict=True)

    assert stored["spec"]["fallback"]["type"] == "Static"
