"""Prints the story as it happens.

A terminal gets colours and one line that changes. A pipe gets plain lines, and one at least every
20 s, so that a log reads the same.
"""

import time

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from demo.story.text import STYLES, clock

HEARTBEAT_SECONDS = 20.0
"""How long nothing is printed where no line can move."""


class Teller:
    """Prints to a console. One scene at a time."""

    def __init__(self, console: Console) -> None:
        """Tell on `console`."""
        self.console = console
        self._begun = time.monotonic()
        self._printed = 0.0
        self._moving: Status | None = None

    def scene(self, number: int, title: str, words: str) -> None:
        """Begin a scene."""
        self.rest()
        self._begun = time.monotonic()
        self.console.print()
        self.console.rule(f"[bold]{number}. {escape(title)}[/bold]", align="left")
        self.console.print(escape(words), highlight=False)
        self._printed = time.monotonic()

    def line(self, text: str, style: str = "") -> None:
        """Say what happened."""
        shown = f"[{style}]{escape(text)}[/{style}]" if style else escape(text)
        self.console.print(f"[dim]{self._clock()}[/dim]  {shown}", highlight=False, soft_wrap=True)
        self._printed = time.monotonic()

    def status(self, phase: str, text: str) -> None:
        """Say what the resource shows now, in the colour of its phase."""
        self.line(text, STYLES.get(phase, ""))

    def waiting(self, text: str) -> None:
        """Say what is going on; on a terminal in a line that changes."""
        if self.console.is_terminal:
            if self._moving is None:
                self._moving = self.console.status("")
                self._moving.start()
            self._moving.update(f"[dim]{self._clock()}[/dim]  {escape(text)}")
        elif time.monotonic() - self._printed > HEARTBEAT_SECONDS:
            self.line(text)

    def rest(self) -> None:
        """Take the moving line away."""
        if self._moving is not None:
            self._moving.stop()
            self._moving = None

    def _clock(self) -> str:
        return f"{clock(time.monotonic() - self._begun):>5}"
