"""The `model-rollouts` command. Subcommands are imported when they run, so that help is quick."""

import importlib
from importlib.metadata import PackageNotFoundError, version

import click

COMMANDS = {
    "crd": ("model_rollouts.cli.crd:crd", "Write the CRD, its chart template and its reference."),
    "observer": ("model_rollouts.cli.observer:observer", "Run the observer."),
    "predictions": (
        "model_rollouts.cli.predictions:predictions",
        "Show predictions from the log.",
    ),
    "replay": ("model_rollouts.cli.replay:replay", "Replay a rollout from recorded samples."),
    "run": ("model_rollouts.cli.run:run", "Run the operator."),
    "simulate": (
        "model_rollouts.cli.simulate:simulate",
        "Simulate rollouts with synthetic traffic.",
    ),
}
"""Name -> (module:function, one line of help)."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported only when one of them is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported; None for a name that does not exist."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help text, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _version() -> str:
    try:
        return version("model-rollouts")
    except PackageNotFoundError:
        return "unknown (not installed)"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="model-rollouts")
def main() -> None:
    """Roll out machine-learning models on Kubernetes: shadow, canary, full traffic.

    Exit codes: 0 success, 1 failure, 2 wrong command line.
    """


if __name__ == "__main__":
    main()
