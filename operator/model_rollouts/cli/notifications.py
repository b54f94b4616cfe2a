"""`model-rollouts notifications`: the process that sends messages, and a look at what it says."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_rollouts.cli.extra import extra
from model_rollouts.cli.mdep import files, options
from model_rollouts.cli.process_options import kubeconfig, log_format

if TYPE_CHECKING:
    from model_rollouts.notifications.message import Message
    from model_rollouts.notifications.settings import Settings

PORT = 9811

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_config = click.option(
    "--config",
    required=True,
    type=_FILE,
    show_envvar=True,
    help="Targets and words, as in docs/messages.md. Paths in it start at its folder.",
)


@click.group(short_help="Tell people and machines what happens to rollouts.")
def notifications() -> None:
    """Tell people and machines what happens to rollouts. docs/messages.md describes it.

    It needs the extra `notifications` of this package.
    """


@notifications.command(
    short_help="Run the process that sends messages.",
    context_settings={"auto_envvar_prefix": "MODEL_ROLLOUTS_NOTIFICATIONS"},
)
@_config
@click.option(
    "--cursor",
    type=click.Path(dir_okay=False, path_type=Path),
    show_envvar=True,
    help="File in which it is kept what was told, on a volume that outlives the process. Required "
    "without --dry-run.",
)
@click.option("--dry-run", is_flag=True, help="Print messages instead, and keep nothing.")
@click.option(
    "--namespace",
    "-n",
    "namespaces",
    multiple=True,
    show_envvar=True,
    help="Namespace of ModelDeployments; can be repeated.  [default: all namespaces]",
)
@click.option(
    "--address",
    default="0.0.0.0",  # noqa: S104 - Prometheus and the kubelet come from other addresses
    show_default=True,
    show_envvar=True,
    help="Address of /metrics, /healthz and /readyz.",
)
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(1, 65535),
    help="Port of /metrics, /healthz and /readyz.",
)
@kubeconfig
@log_format
def run(**given: Any) -> None:
    """Follow all ModelDeployments and send messages until SIGTERM or SIGINT.

    Exit codes: 0 stopped by a signal, 1 failure, or another process has the same --cursor, 2 wrong
    command line or configuration.
    """
    from model_rollouts.cli.types import ADDRESS
    from model_rollouts.engine import logs

    address = ADDRESS.convert(given["address"], None, click.get_current_context())
    if given["cursor"] is None and not given["dry_run"]:
        raise click.UsageError("--cursor: found none, write a file on a volume, or --dry-run")
    logs.configure(logs.LogFormat(given["log_format"]), sys.stderr)
    found = _settings(given["config"])
    with extra("notifications"):
        from model_rollouts.cluster.connection import ConnectionConfigError
        from model_rollouts.notifications import process
        from model_rollouts.notifications.store import StoreError
    made = process.Options(
        settings=found,
        cursor=None if given["dry_run"] else given["cursor"],
        address=address,
        port=given["port"],
        kubeconfig=given["kubeconfig"],
        namespaces=given["namespaces"],
        show=_show if given["dry_run"] else None,
    )
    try:
        asyncio.run(process.serve(made))
    except (ConnectionConfigError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"could not start: {error}") from None


@notifications.command(short_help="Print the messages about a rollout, and send nothing.")
@click.argument("name", required=False, type=options.NAME)
@options.where
@click.option("--filename", "-f", help="File with ModelDeployments to read instead; - reads stdin.")
@click.option("--config", type=_FILE, help="Also say which targets get each message.")
def preview(name: str | None, filename: str | None, config: Path | None, **given: Any) -> None:
    """Print the messages about NAME as it is now, also of what was told long ago.

    How many users a version had is known to the process that watched it, and not here.

    Exit codes: 0 success, 1 it could not be read, 2 wrong command line or configuration.
    """
    if (name is None) == (filename is None):
        raise click.UsageError("write the NAME of a ModelDeployment, or --filename")
    found = _settings(config) if config is not None else None
    if name is not None:
        api, namespace = options.connected(given)
        objects = [options.fetch(api, namespace, name)]
    else:
        objects = [obj for _, obj in files.documents(str(filename))]
    with extra("notifications"):
        from model_rollouts.notifications.message import Writer
        from model_rollouts.notifications.occasions import occasions_of
        from model_rollouts.notifications.store import Batch
    writer = Writer(found.cluster, found.templates) if found else Writer()
    told = [each for obj in objects for each in occasions_of(obj)]
    for each in told:
        takers = [target.name for target in found.targets if target.takes(each)] if found else []
        to = f", to {', '.join(takers) or 'no target'}" if found else ""
        _print(f"{each.kind.value}{to}", writer.message(Batch(each.id, (each,))))
    if not told:
        click.echo("nothing is told of it now", err=True)


@notifications.command(short_help="Print the JSON Schema of the data of CloudEvents.")
def schema() -> None:
    """Print the JSON Schema of the data of CloudEvents, which is docs/messages.schema.json."""
    import json

    with extra("notifications"):
        from model_rollouts.notifications.targets import cloudevents
    click.echo(json.dumps(cloudevents.schema(), indent=2))


def _show(target: str, message: "Message") -> None:
    _print(f"to {target}", message)


def _print(head: str, message: "Message") -> None:
    lines = "\n".join(f"  {line}".rstrip() for line in message.text.splitlines())
    click.echo(f"{head}:\n  {message.title}\n{lines}\n")


def _settings(path: Path) -> "Settings":
    with extra("notifications"):
        from model_rollouts.notifications.settings import SettingsError, read
    try:
        return read(path)
    except SettingsError as error:
        raise click.UsageError(f"--config, {error}") from None
