"""`kubectl mdep rollback`: all users get the version before."""

from typing import Any

import click

from model_rollouts.cli.mdep import change
from model_rollouts.cli.mdep.view import record


@click.command(short_help="Give all users the version before.")
@change.changing
@change.reasoned
def rollback(**given: Any) -> None:
    """Give all users of NAME the version before: stable, or the one that a watch keeps ready.

    It sets spec.strategy.override. When no version before is kept, apply the one that you want.

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """

    def edit(obj: change.Object) -> None:
        version, phase = change.spec_version(obj), change.phase_of(obj)
        if phase in ("RolledBack", "Undecided"):
            raise click.ClickException(f"version {version} has no users: its phase is {phase}")
        if phase == "Full" and not record(obj).get("previous"):
            raise click.ClickException(
                f"version {version} serves all users and no version before is kept ready: apply "
                f"the version that you want, as with `kubectl mdep set version {given['name']} …`"
            )
        if phase == "Starting" and not (obj["status"].get("stable")):
            raise click.ClickException(f"version {version} is the first: there is none before it")
        change.decide(given, version, "Rollback")(obj)

    change.make(given, edit)
