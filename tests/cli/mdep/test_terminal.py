"""What people see: commands on terminals of 80 and 160 columns, and the pictures of the docs.

`UPDATE_GOLDEN=1` draws the pictures anew.
"""

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from e2e.cluster.paths import REPOSITORY
from tests.cli.mdep.fake_api import FakeApi
from tests.cli.mdep.rollouts import when

PICTURES = REPOSITORY / "docs" / "pictures"
LATER = 60.0
"""Seconds after the moment of the rollout, as in the other tests of what is shown."""
RUN = """
import sys, time
time.time = lambda: {now}
from model_rollouts.cli.main import plugin
sys.argv[1:] = {arguments!r}
plugin()
"""
FONTS = re.compile(r"\s*@font-face \{\{.*?\}\}", re.DOTALL)
PICTURE = FONTS.sub("", CONSOLE_SVG_FORMAT).replace("<svg ", '<svg xml:space="preserve" ', 1)
"""It loads nothing from elsewhere, and some programs drop spaces at the ends of texts."""

SHOWN = {
    "get": ("canary", ("get", "arrival", "-n", "flights")),
    "explain": ("canary", ("explain", "arrival", "-n", "flights")),
    "list": ("rolled back", ("list", "-A")),
    "history": ("rolled back", ("history", "arrival", "-n", "flights")),
}
"""A moment, and a command that looks at it."""


def on_terminal(columns: int, arguments: tuple[str, ...], now: float, kubeconfig: Path) -> str:
    """All that a command writes to a terminal of that width, with its marks of colours."""
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (50, columns))
    environment = {
        "PYTHONPATH": str(REPOSITORY / "operator"),
        "KUBECONFIG": str(kubeconfig),
        "TERM": "xterm-256color",
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.format(now=now, arguments=list(arguments))],
        stdin=child,
        stdout=child,
        stderr=child,
        env=environment,
    )
    os.close(child)
    written = b""
    try:
        while part := os.read(parent, 65_536):
            written += part
    except OSError:
        # Linux tells so that nobody has the other end any more.
        pass
    finally:
        os.close(parent)
    assert process.wait() == 0, written.decode()
    return written.decode().replace("\r\n", "\n")


@pytest.fixture
def typed(
    api: FakeApi, at: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, int], Text]:
    """What a command shows at a width."""

    def run(name: str, columns: int) -> Text:
        moment, arguments = SHOWN[name]
        at(moment)
        written = on_terminal(columns, arguments, when(moment) + LATER, api.kubeconfig)
        return Text.from_ansi(written)

    return run


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", SHOWN)
def test_nothing_is_wider_than_the_terminal(
    typed: Callable[[str, int], Text], name: str, columns: int
) -> None:
    shown = typed(name, columns)

    lines = shown.plain.splitlines()
    widest = max(map(cell_len, lines))
    assert widest <= columns
    # A wide terminal is used.
    assert columns == 80 or name == "list" or widest > 80
    assert any(span.style for span in shown.spans), "there are colours on a terminal"


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", ["get"])
def test_the_picture_is_of_what_is_shown(
    typed: Callable[[str, int], Text], name: str, columns: int
) -> None:
    shown, path = typed(name, columns), PICTURES / f"mdep-{name}-{columns}.svg"
    to = Console(record=True, width=columns, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with to.file:
        to.print(shown, end="")
        drawn = to.export_svg(
            title=f"kubectl mdep {' '.join(SHOWN[name][1])}",
            code_format=PICTURE,
            unique_id=f"mdep-{name}",
        )

    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn)
    assert path.read_text() == drawn
