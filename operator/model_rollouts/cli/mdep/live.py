"""`get -w`: a rollout drawn anew whenever its object or a pod of it changes."""

import json
import queue
import sys
import time
from collections.abc import Callable

import click

from model_rollouts.cli.mdep import drawing, options
from model_rollouts.cli.mdep.api import Api
from model_rollouts.cli.mdep.changes import changes
from model_rollouts.cli.mdep.errors import Unreachable
from model_rollouts.cli.mdep.get import look
from model_rollouts.cli.mdep.view import View
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT, POD

TICK = 1.0
"""Seconds after which times are drawn anew."""
AGAIN = 5.0
"""Seconds after which everything is read once more: a watch can be silent for long."""
QUIET = 0.3
"""Several changes in such a time are drawn once."""

_TIMES = frozenset({"seconds", "stepSeconds", "ageSeconds"})


def follow(api: Api, namespace: str, name: str, output: str | None) -> None:
    """Draw it until it is interrupted; raises ClickException when it cannot be read at first."""
    seen = look(api, namespace, name)
    followed = (
        (MODEL_DEPLOYMENT, {"fieldSelector": f"metadata.name={name}"}),
        (POD, options.owned_by(name)),
    )
    try:
        with changes(api, namespace, *followed) as changed:
            if output is None and sys.stdout.isatty():
                _draw(api, namespace, name, seen, changed)
            else:
                _print(api, namespace, name, seen, changed, output)
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def wait(changed: "queue.Queue[None]", seconds: float) -> bool:
    """Whether something changed within `seconds`; several changes at a time are one."""
    try:
        changed.get(timeout=seconds)
    except queue.Empty:
        return False
    until = time.monotonic() + QUIET
    while (left := until - time.monotonic()) > 0:
        try:
            changed.get(timeout=left)
        except queue.Empty:
            break
    return True


def _draw(api: Api, namespace: str, name: str, seen: View, changed: "queue.Queue[None]") -> None:
    from rich.console import Group
    from rich.live import Live

    to = drawing.console()
    last = time.monotonic()
    with Live(
        drawing.rollout(seen, to), console=to, auto_refresh=False, vertical_overflow="ellipsis"
    ) as live:
        while True:
            if wait(changed, TICK) or time.monotonic() - last >= AGAIN:
                found, problem = _looked(lambda: look(api, namespace, name))
                if found is not None:
                    seen, last = found, time.monotonic()
                shown = drawing.rollout(seen, to)
                if problem is not None:
                    told = f"As of {time.monotonic() - last:.0f} s ago. {problem}"
                    shown = Group(shown, drawing.text(""), drawing.text(told, "bold red"))
                live.update(shown, refresh=True)


def _looked(ask: Callable[[], View]) -> tuple[View | None, str | None]:
    try:
        return ask(), None
    except Unreachable as error:
        return None, error.message


def _print(
    api: Api,
    namespace: str,
    name: str,
    seen: View,
    changed: "queue.Queue[None]",
    output: str | None,
) -> None:
    """Whole states, one after the other, without those that differ in nothing but times."""
    to = drawing.console()
    shown = None
    while True:
        if (kept := _without_times(seen)) != shown:
            if output is None:
                if shown is not None:
                    click.echo("---")
                to.print(drawing.rollout(seen, to))
            elif output == "json":
                # One line each: a script reads them as they come.
                click.echo(json.dumps(seen, ensure_ascii=False))
            else:
                click.echo("---")
                from model_rollouts.cli.mdep.get import show

                show(seen, output)
            sys.stdout.flush()
            shown = kept
        wait(changed, AGAIN)
        try:
            seen = look(api, namespace, name)
        except Unreachable as error:
            click.echo(error.message, err=True)


def _without_times(found: object) -> object:
    if isinstance(found, dict):
        return {key: _without_times(each) for key, each in found.items() if key not in _TIMES}
    if isinstance(found, list):
        return [_without_times(each) for each in found]
    return found
