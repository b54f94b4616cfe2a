"""`kubectl mdep history`: the rollouts that have ended, the newest first."""

import time
from typing import Any

import click

from model_rollouts.cli.mdep import options
from model_rollouts.cli.mdep.get import serialized
from model_rollouts.cli.mdep.view import View, ago


@click.command(short_help="Show the rollouts that have ended, and why.")
@options.named
@options.output("json", "yaml")
def history(**given: Any) -> None:
    """Show how the last rollouts of NAME ended, the newest first: at most ten.

    Exit codes: 0 success, 1 it could not be read, 2 wrong command line.
    """
    api, namespace = options.connected(given)
    obj = options.fetch(api, namespace, given["name"])
    rows: list[View] = [
        {
            "endedAt": each["endedAt"],
            "seconds": ago(each["endedAt"], time.time()),
            "version": each["version"],
            "attempt": each["attempt"],
            "outcome": each["outcome"],
            "revision": each["revision"],
            "message": each["message"],
        }
        for each in (obj.get("status") or {}).get("history") or ()
    ]
    if given["output"] is not None:
        click.echo("\n".join(serialized(rows, given["output"])))
    elif rows:
        _draw(rows)
    else:
        click.echo(f"no rollout of ModelDeployment '{given['name']}' has ended yet", err=True)


def _draw(rows: list[View]) -> None:
    from model_rollouts.cli.mdep import drawing

    to = drawing.console()
    table = drawing.grid(
        "ENDED", "VERSION", "ATTEMPT", "OUTCOME", {"header": "WHY", "no_wrap": False}
    )
    for each in rows:
        outcome = each["outcome"]
        table.add_row(
            drawing.text(f"{drawing.age(each['seconds'])} ago"),
            drawing.text(each["version"]),
            drawing.text(each["attempt"]),
            drawing.text(outcome, drawing.OUTCOMES.get(outcome, "")),
            drawing.text(each["message"]),
        )
    to.print(table)
