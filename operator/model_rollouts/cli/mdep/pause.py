"""`kubectl mdep pause`: weights stay as they are."""

from typing import Any

import click

from model_rollouts.cli.mdep import change


@click.command(short_help="Keep all weights as they are.")
@change.changing
def pause(**given: Any) -> None:
    """Keep the weights of NAME as they are, and stop its deadline timers.

    It sets spec.paused. Meanwhile nothing is rolled back automatically either.

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """

    def edit(obj: change.Object) -> None:
        obj["spec"]["paused"] = True

    change.make(given, edit)
