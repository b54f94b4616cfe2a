"""`kubectl mdep skip-shadow`: the first users, before mirrored requests have shown enough."""

from typing import Any

import click

from model_rollouts.cli.mdep import change


@click.command("skip-shadow", short_help="Give a version in shadow its first users now.")
@change.changing
@change.reasoned
def skip_shadow(**given: Any) -> None:
    """Give the version of NAME that is in shadow, or will be, its first users now.

    It sets spec.strategy.override. The canary is judged as ever.

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """

    def edit(obj: change.Object) -> None:
        version, phase = change.spec_version(obj), change.phase_of(obj)
        if phase not in ("Admission", "Starting", "Shadow"):
            raise click.ClickException(
                f"version {version} has no shadow before it: its phase is {phase or 'not told yet'}"
            )
        shadow = (obj["spec"].get("strategy") or {}).get("shadow") or {}
        if not shadow.get("percent", 100):
            raise click.ClickException("spec.strategy.shadow.percent is 0: there is no shadow")
        change.decide(given, version, "SkipShadow")(obj)

    change.make(given, edit)
