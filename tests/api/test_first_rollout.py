"""What the page of the first rollout shows is accepted, and its health check tells the truth."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster.paths import REPOSITORY
from tests.api.objects import Client

PAGE = (REPOSITORY / "docs" / "first-rollout.md").read_text()
BLOCKS = [
    yaml.safe_load(block.partition("```")[0]) for block in PAGE.split("```yaml\n")[1:] if block
]
CHECK = next(block["data"] for block in BLOCKS if "data" in block)
(HEALTH,) = CHECK.values()


def test_the_resource_of_the_page_is_accepted(dry: Client) -> None:
    (resource,) = (block for block in BLOCKS if block.get("kind") == "ModelDeployment")
    resource["metadata"]["namespace"] = "default"

    dry.create(resource, dry_run=True, strict=True)


PAGES = [*(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_applied_is_applied_on_the_servers_side(page: Path) -> None:
    """What is applied otherwise is kept in an annotation, which has no room for all of it."""
    applied = re.findall(r"kubectl (?:-n \S+ )?apply .*(?:-f|-k) .*", page.read_text())

    assert [line for line in applied if "--server-side" not in line] == []


def conditions(**of_types: str) -> list[dict[str, str]]:
    return [{"type": type_, "status": status} for type_, status in of_types.items()]


@pytest.mark.parametrize(
    ("status", "health"),
    [
        (None, "Progressing"),
        ({"observedGeneration": 1, "conditions": conditions(Ready="True")}, "Progressing"),
        ({"observedGeneration": 2}, "Progressing"),
        (
            {"observedGeneration": 2, "conditions": conditions(Ready="False", Reconciling="True")},
            "Progressing",
        ),
        (
            {
                "observedGeneration": 2,
                "phase": "Paused",
                "conditions": conditions(Ready="False", Reconciling="True"),
            },
            "Suspended",
        ),
        (
            {"observedGeneration": 2, "conditions": conditions(Ready="False", Stalled="True")},
            "Degraded",
        ),
        ({"observedGeneration": 2, "conditions": conditions(Ready="True")}, "Healthy"),
    ],
)
def test_argo_cd_is_told_the_health(lua: Path, status: Any, health: str) -> None:
    obj = {"metadata": {"generation": 2}, **({} if status is None else {"status": status})}
    program = f"local obj = {as_lua(obj)}\nlocal function check()\n{HEALTH}\nend\n"

    told = subprocess.run(
        [lua, "-"],
        input=program + "print(check().status)",
        check=True,
        capture_output=True,
        text=True,
    )

    assert told.stdout.split() == [health]


def as_lua(value: Any) -> str:
    """A literal of Lua."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{as_lua(k)}] = {as_lua(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(as_lua, value)) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)
