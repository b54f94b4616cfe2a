"""Runs a list of steps and shows how far it is; a failed step says what failed and what to do.

On a terminal the running step has a spinner and colours; elsewhere each step is one plain line, so
that a CI log reads the same.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

TAIL_LINES = 15
"""Lines of a failed step's log that are shown: enough for most causes, short enough to read."""


class StepError(Exception):
    """A step could not be done.

    Args:
        message: what was attempted and what was found.
        log: the file with the whole output, if there is one.
        hint: what the reader can do about it.
    """

    def __init__(self, message: str, *, log: Path | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.log = log
        self.hint = hint


@dataclass(frozen=True)
class Step:
    """One step of a plan: `action` does it and may return a few words on what it found."""

    title: str
    action: Callable[[], str | None]


def run(steps: Sequence[Step], console: Console) -> float:
    """Run `steps` in order and return the seconds they took together.

    Raises:
        StepError: a step failed; the steps after it were not started.
    """
    width = len(str(len(steps)))
    begun = time.monotonic()
    for number, step in enumerate(steps, start=1):
        place = f"[{number:>{width}}/{len(steps)}]"
        started = time.monotonic()
        try:
            with console.status(f"{escape(place)} {step.title} …"):
                found = step.action()
        except StepError:
            console.print(f"[red]✗[/red] {escape(place)} {step.title}", highlight=False)
            raise
        took = time.monotonic() - started
        remark = f" ({found})" if found else ""
        console.print(
            f"[green]✓[/green] {escape(place)} {step.title}{escape(remark)} "
            f"[dim]{took:.1f} s, {time.monotonic() - begun:.0f} s in all[/dim]",
            highlight=False,
            soft_wrap=True,
        )
    return time.monotonic() - begun


def explain(error: StepError, console: Console) -> None:
    """Print what failed, the end of its log, and what to do."""
    console.print(
        f"[bold red]Failed:[/bold red] {escape(str(error))}", highlight=False, soft_wrap=True
    )
    if error.log is not None and error.log.is_file():
        lines = error.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        console.print(f"[dim]The last lines of {escape(str(error.log))}:[/dim]", highlight=False)
        for line in lines:
            console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    if error.hint:
        console.print(f"What to do: {escape(error.hint)}", highlight=False, soft_wrap=True)
