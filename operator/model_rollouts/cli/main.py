"""The `model-rollouts` command, which is `kubectl mdep` too.

Subcommands are imported when they run, so that help is quick.
"""

import importlib
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Row(NamedTuple):
    """A command: where it is (module:function), one line of help, and whose work it is."""

    place: str
    help: str
    section: str


LOOK, ACT = "Look at rollouts", "Change rollouts"
STUDY, SERVE = "Plan rollouts", "Run and build Model Rollouts"
SECTIONS = (LOOK, ACT, STUDY, SERVE)

COMMANDS = {
    "completion": Row(
        "model_rollouts.cli.mdep.completion:completion",
        "Print the completion script of a shell.",
        SERVE,
    ),
    "convert": Row(
        "model_rollouts.cli.mdep.convert:convert",
        "Convert resources of other tools to ModelDeployments.",
        STUDY,
    ),
    "crd": Row(
        "model_rollouts.cli.crd:crd", "Write the CRD, its chart template and its reference.", SERVE
    ),
    "explain": Row(
        "model_rollouts.cli.mdep.explain:explain",
        "Explain why a rollout is where it is, with its numbers.",
        LOOK,
    ),
    "forecast": Row(
        "model_rollouts.cli.mdep.forecast:forecast",
        "Forecast how long a canary takes at the present traffic.",
        STUDY,
    ),
    "get": Row(
        "model_rollouts.cli.mdep.get:get",
        "Show a rollout: revisions, pods, objectives, events.",
        LOOK,
    ),
    "history": Row(
        "model_rollouts.cli.mdep.history:history",
        "Show the rollouts that have ended, and why.",
        LOOK,
    ),
    "lint": Row("model_rollouts.cli.mdep.lint:lint", "Check manifests without a cluster.", STUDY),
    "list": Row("model_rollouts.cli.mdep.list:list_", "List rollouts.", LOOK),
    "notifications": Row(
        "model_rollouts.cli.notifications:notifications",
        "Tell people and machines what happens to rollouts.",
        SERVE,
    ),
    "observer": Row("model_rollouts.cli.observer:observer", "Run the observer.", SERVE),
    "pause": Row("model_rollouts.cli.mdep.pause:pause", "Keep all weights as they are.", ACT),
    "predictions": Row(
        "model_rollouts.cli.predictions:predictions", "Show predictions from the log.", LOOK
    ),
    "promote": Row(
        "model_rollouts.cli.mdep.promote:promote",
        "Give all users the version in the spec, without a verdict.",
        ACT,
    ),
    "record": Row(
        "model_rollouts.cli.mdep.record:record",
        "Record a rollout as one file that can be replayed.",
        LOOK,
    ),
    "reference": Row(
        "model_rollouts.cli.reference:reference",
        "Make, show and compare references of training data.",
        STUDY,
    ),
    "replay": Row(
        "model_rollouts.cli.replay:replay", "Replay a rollout from recorded samples.", STUDY
    ),
    "resume": Row(
        "model_rollouts.cli.mdep.resume:resume", "Continue a rollout that is paused or held.", ACT
    ),
    "retry": Row(
        "model_rollouts.cli.mdep.retry:retry", "Try a version again that was rolled back.", ACT
    ),
    "rollback": Row(
        "model_rollouts.cli.mdep.rollback:rollback", "Give all users the version before.", ACT
    ),
    "run": Row("model_rollouts.cli.run:run", "Run the operator.", SERVE),
    "set": Row(
        "model_rollouts.cli.mdep.set:set_",
        "Set the image, the version, the model or an objective.",
        ACT,
    ),
    "simulate": Row(
        "model_rollouts.cli.simulate:simulate",
        "Simulate rollouts with synthetic traffic.",
        STUDY,
    ),
    "skip-shadow": Row(
        "model_rollouts.cli.mdep.skip_shadow:skip_shadow",
        "Give a version in shadow its first users now.",
        ACT,
    ),
    "wait": Row("model_rollouts.cli.mdep.wait:wait", "Wait until a rollout has ended.", LOOK),
    "what-if": Row(
        "model_rollouts.cli.mdep.what_if:what_if",
        "Forecast a canary with other steps or objectives.",
        STUDY,
    ),
}
"""Each command by its name."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported only when one of them is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported; None for a name that does not exist."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help text, without importing anything."""
        for section in SECTIONS:
            with formatter.section(section):
                formatter.write_dl(
                    [(name, row.help) for name, row in COMMANDS.items() if row.section == section]
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Names with their line of help, without importing anything either."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=row.help)
            for name, row in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found or click.Command.shell_complete(self, ctx, incomplete)


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    # Slow to import, and seldom asked.
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("model-rollouts")
    except PackageNotFoundError:
        found = "unknown (not installed)"
    click.echo(f"{ctx.info_name}, version {found}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Roll out machine-learning models on Kubernetes: shadow, canary, full traffic.

    The same program is a plugin of kubectl: `kubectl mdep get arrival` is `model-rollouts get
    arrival`. It uses your own kubeconfig and rights.

    Exit codes: 0 success, 1 failure, 2 wrong command line; `wait` has more.
    """


def plugin() -> None:
    """The same, called as `kubectl mdep`."""
    main(prog_name="kubectl mdep")


if __name__ == "__main__":
    main()
