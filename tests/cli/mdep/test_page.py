"""docs/kubectl-mdep.md shows what the commands print; `UPDATE_GOLDEN=1` writes it there."""

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster.paths import REPOSITORY
from model_rollouts.cli.main import COMMANDS
from model_rollouts.cli.mdep import drawing
from tests.cli.mdep.conftest import Command
from tests.cli.mdep.rollouts import told, when
from tests.cli.mdep.test_convert import CANARY, DEPLOYMENT
from tests.cli.mdep.test_manifest_file import TEXT
from tests.cli.mdep.test_plan import FILE, PROBED, written

PAGE = REPOSITORY / "docs" / "kubectl-mdep.md"
BLOCK = re.compile(r"^```console (?P<moment>[a-z ]+)\n(?P<body>.*?)^```$", re.M | re.S)
BLOCKS = [*BLOCK.finditer(PAGE.read_text())]
SHOWN = 33
"""Lines of a text that is cut."""


@pytest.fixture
def typed(
    mdep: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], list[str]]:
    """The lines that a command of the page prints on a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drawing, "WITHOUT_TERMINAL", 80)
    Path("arrival.yaml").write_text(FILE)
    Path("commented.yaml").write_text(TEXT)
    Path("canary.yaml").write_text(f"{CANARY}---{DEPLOYMENT}")
    timeouts = {"spec.template.spec.containers": [PROBED], "spec.route.timeouts.request": "300ms"}
    latency = {
        "name": "latency",
        "type": "Latency",
        "latency": {"within": "300ms", "share": "99%"},
    }
    Path(written(tmp_path, {**timeouts, "spec.objectives": [latency]})).rename("slow.yaml")

    def run(line: str) -> list[str]:
        words, _, echo = line.removeprefix("$ kubectl mdep ").partition("; echo ")
        result = mdep(*shlex.split(words))
        output = result.output
        if echo:
            output += shlex.split(echo)[0].replace("$?", str(result.exit_code)) + "\n"
        return [each.rstrip() for each in output.splitlines()]

    return run


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_page_shows_what_is_printed(
    at: Callable[[str], Any], typed: Callable[[str], list[str]], number: int
) -> None:
    block = BLOCKS[number]
    at(block["moment"])
    is_cut = block["body"].endswith("…\n")
    lines = []
    for line in block["body"].splitlines():
        if line.startswith("$ kubectl mdep "):
            lines += [line, *typed(line)]
    if is_cut:
        lines = [*lines[:SHOWN], "…"]
    found = "\n".join(lines) + "\n"

    if os.environ.get("UPDATE_GOLDEN"):
        page = PAGE.read_text()
        before = f"```console {block['moment']}\n{block['body']}```"
        assert page.count(before) == 1
        PAGE.write_text(page.replace(before, f"```console {block['moment']}\n{found}```"))
    else:
        assert block["body"] == found


def test_every_command_that_asks_a_cluster_is_on_the_page() -> None:
    page = PAGE.read_text()

    for name, row in COMMANDS.items():
        if ".mdep." in row.place:
            assert re.search(rf"`{name}\b", page), name


def problems(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """What is wrong with a value by the words of JSON Schema that the page's schema uses."""
    names = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "boolean": bool,
        "null": type(None),
    }
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if type(value) not in [names[each] for each in types]:
        return [f"{path}: found {value!r}, not {types}"]
    wrong = []
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{path}: found {value!r}, not one of {schema['enum']}")
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        wrong += [f"{path}.{each}: missing" for each in schema["required"] if each not in value]
        wrong += [f"{path}.{each}: unknown" for each in value if each not in known]
        for each in value.keys() & known.keys():
            wrong += problems(value[each], known[each], f"{path}.{each}")
    for index, each in enumerate(value if isinstance(value, list) else ()):
        wrong += problems(each, schema["items"], f"{path}[{index}]")
    return wrong


@pytest.mark.parametrize("moment", ["starting", "canary", "promoted", "rolled back", "paused"])
def test_the_schema_is_of_what_is_printed(
    mdep: Command, at: Callable[[str], Any], moment: str
) -> None:
    import json

    schema = json.loads((REPOSITORY / "docs" / "kubectl-mdep-get.schema.json").read_text())
    at(moment)

    found = json.loads(mdep("get", "arrival", "-o", "json").stdout)

    assert problems(found, schema) == []
    assert problems({**found, "phase": 1, "more": 2}, schema) != []
    assert told(moment) and when(moment)
