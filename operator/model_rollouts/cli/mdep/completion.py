"""Completion: scripts for shells, and what kubectl asks of its plugins.

kubectl runs `kubectl_complete-mdep` with the words after `kubectl mdep`, the last of them being
typed, and reads completions in the form of Cobra: one on a line, after a tab what it means, and at
the end how the shell is to take them.
"""

import sys

import click

VARIABLE = "_MODEL_ROLLOUTS_COMPLETE"
PROGRAM = "model-rollouts"
NO_FILES, FILES = 4, 0
"""Cobra's directives: no names of files where there are no completions, or those."""


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes `model-rollouts` in a SHELL.

    kubectl completes `kubectl mdep` without it, once its own completion is set up and
    kubectl_complete-mdep is on PATH beside kubectl-mdep.

    \b
      source <(model-rollouts completion bash)

    Exit codes: 0 success, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    from click.shell_completion import get_completion_class

    from model_rollouts.cli.main import main

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, PROGRAM, VARIABLE).source())


def for_kubectl() -> None:
    """Print what comes next, for kubectl."""
    from click.shell_completion import ShellComplete

    from model_rollouts.cli.main import main

    *words, typed = sys.argv[1:] or [""]
    found = ShellComplete(main, {}, PROGRAM, VARIABLE).get_completions(words, typed)
    files = any(each.type in ("file", "dir") for each in found)
    for each in found:
        if each.type == "plain":
            click.echo(f"{each.value}\t{each.help}" if each.help else each.value)
    click.echo(f":{FILES if files else NO_FILES}")
