"""`kubectl mdep resume`: the end of a pause, or of a version that is held."""

from typing import Any

import click

from model_rollouts.cli.mdep import change


@click.command(short_help="Continue a rollout that is paused or held.")
@change.changing
def resume(**given: Any) -> None:
    """Continue the rollout of NAME that spec.paused, or an override with Hold, keeps where it is.

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """

    def edit(obj: change.Object) -> None:
        spec = obj["spec"]
        if spec.get("paused"):
            spec["paused"] = False
        strategy = spec.get("strategy") or {}
        if (strategy.get("override") or {}).get("action") == "Hold":
            del strategy["override"]

    change.make(given, edit)
