"""`kubectl mdep promote`: all users get the version of the spec, whatever the objectives say."""

from typing import Any

import click

from model_rollouts.cli.mdep import change
from model_rollouts.cli.mdep.view import record


@click.command(short_help="Give all users the version in the spec, without a verdict.")
@change.changing
@change.reasoned
def promote(**given: Any) -> None:
    """Give all users the version that the spec of NAME asks for, without waiting for a verdict.

    It sets spec.strategy.override. A version that was promoted so and rolled back later is promoted
    again, as another attempt.

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """

    def edit(obj: change.Object) -> None:
        version, phase = change.spec_version(obj), change.phase_of(obj)
        strategy = obj["spec"].setdefault("strategy", {})
        before = strategy.get("override") or {}
        if phase == "Full":
            raise click.ClickException(f"version {version} serves all users already")
        if obj["spec"].get("paused"):
            click.echo("The rollout is paused: `kubectl mdep resume` before it moves.", err=True)
        decided = (before.get("version"), before.get("action")) == (version, "Promote")
        if decided and phase in ("RolledBack", "Undecided"):
            tried = record(obj).get("attempt")
            strategy["attempt"] = change.next_attempt(strategy, tried)
        change.decide(given, version, "Promote")(obj)

    change.make(given, edit)
