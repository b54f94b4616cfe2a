"""An answer comes before a person wonders: what a command imports is what it needs."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from e2e.cluster.paths import REPOSITORY
from model_rollouts.cli.main import COMMANDS
from tests.cli.mdep.fake_api import FakeApi

HEAVY = (
    "pydantic",
    "kopf",
    "kubernetes.aio",
    "kubernetes.client",
    "aiohttp",
    "asyncio",
    "msgspec",
    "numpy",
)
ROOMS = tuple(f"model_rollouts.{each}" for each in ("engine", "rollout", "decision", "metrics"))
ANSWERS = ("rich", "yaml", "ssl", "http.client", "email")
"""What an answer of the API server needs, and a help text does not."""

FIND = """
import sys
from model_rollouts.cli.main import plugin
sys.argv[1:] = {arguments!r}
try:
    plugin()
except SystemExit as end:
    code = end.code
print("imported:", code or 0, *(each for each in {names!r} if each in sys.modules))
"""


def imported(arguments: tuple[str, ...], names: tuple[str, ...], **environment: str) -> list[str]:
    """The exit code, and which of `names` a command has imported at its end."""
    script = FIND.format(arguments=list(arguments), names=names)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(REPOSITORY / "operator"), **environment},
    )
    return done.stdout.rpartition("imported:")[2].split()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), "0"),
        (("get", "--help"), "0"),
        (("explain", "--help"), "0"),
        (("wait",), "2"),
        (("no-such",), "2"),
    ],
    ids=str,
)
def test_help_and_mistakes_import_next_to_nothing(arguments: tuple[str, ...], code: str) -> None:
    assert imported(arguments, (*HEAVY, *ROOMS, *ANSWERS)) == [code]


@pytest.mark.parametrize("arguments", [("get", "arrival"), ("list", "-A"), ("wait", "arrival")])
def test_an_answer_needs_no_operator(
    api: FakeApi, at: Callable[[str], Any], arguments: tuple[str, ...]
) -> None:
    at("promoted")

    found = imported(arguments, (*HEAVY, *ROOMS), KUBECONFIG=str(api.kubeconfig))

    assert found == ["0"]


def test_a_command_has_one_row_and_help_that_says_the_same() -> None:
    for name, row in COMMANDS.items():
        module, _, attribute = row.place.partition(":")
        command: Any = getattr(__import__(module, fromlist=[attribute]), attribute)
        assert (command.name, command.short_help) == (name, row.help)
