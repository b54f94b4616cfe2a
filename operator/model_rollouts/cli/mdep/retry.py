"""`kubectl mdep retry`: a version that was rolled back, or stayed undecided, is tried again."""

from typing import Any

import click

from model_rollouts.cli.mdep import change
from model_rollouts.cli.mdep.view import conditions, record


@click.command(short_help="Try a version again that was rolled back.")
@change.changing
def retry(**given: Any) -> None:
    """Try the version of NAME again that was rolled back, stayed undecided or stalled.

    It raises spec.strategy.attempt above the number that was tried. The attempt starts without the
    counts of the last one.

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """

    def edit(obj: change.Object) -> None:
        version, phase = change.spec_version(obj), change.phase_of(obj)
        stalled = conditions(obj).get("Stalled", {}).get("status") == "True"
        if phase not in ("RolledBack", "Undecided") and not stalled:
            raise click.ClickException(
                f"version {version} is not at an end: its phase is {phase or 'not told yet'}"
            )
        strategy = obj["spec"].setdefault("strategy", {})
        strategy["attempt"] = change.next_attempt(strategy, record(obj).get("attempt"))
        decided = strategy.get("override") or {}
        if (decided.get("version"), decided.get("action")) == (version, "Rollback"):
            # It would be rolled back at once.
            del strategy["override"]

    change.make(given, edit)
