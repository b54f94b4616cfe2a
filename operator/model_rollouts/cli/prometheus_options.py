"""Options of the commands that read samples from a Prometheus for people, and how they read."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from model_rollouts.cli.certificates import CERTIFICATES

if TYPE_CHECKING:
    from model_rollouts.metrics.objectives import CountedObjective
    from model_rollouts.replay.recording import Header, Recording

Command = TypeVar("Command", bound=Callable[..., Any])

TIMEOUT_S = 60
"""How long an answer may take."""


_FILE: click.Path = click.Path(exists=True, dir_okay=False, path_type=Path)

_OPTIONS = (
    click.option(
        "--prometheus",
        "url",
        metavar="URL",
        help="Read samples from the Prometheus at this address. Needs the extra 'inspect'.",
    ),
    click.option(
        "--token-file",
        type=_FILE,
        help="File with a bearer token for Prometheus.",
    ),
    click.option(
        "--ca-file",
        type=CERTIFICATES,
        help="CA bundle for Prometheus, in PEM.  [default: the system's certificates]",
    ),
    click.option(
        "--prometheus-config",
        type=_FILE,
        help="YAML file with everything else about Prometheus, as for `model-rollouts run`.",
    ),
)


def prometheus_options(command: Command) -> Command:
    """Add the options that say which Prometheus, and how it is reached."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_samples(
    options: dict[str, Any], header: "Header", counted: "Iterable[CountedObjective]" = ()
) -> "Recording":
    """The samples of the span of `header`, with those that `counted` needs as well.

    Raises ClickException without the extra, and QueryError or AnswerError.
    """
    from model_rollouts.cli.prometheus_file import prometheus
    from model_rollouts.replay.fetch import fetch

    try:
        from model_rollouts.prometheus.inspect import connect, raw_samples
    except ImportError as error:
        raise click.ClickException(f"--prometheus: {error}") from None
    server, batching = prometheus(
        options["url"],
        token_file=options["token_file"],
        ca_file=options["ca_file"],
        config=options["prometheus_config"],
        timeout_s=TIMEOUT_S,
    )
    with (
        closing(connect(server, header.namespace)) as connected,
        progress_bar("reading samples") as progress,
    ):
        return fetch(partial(raw_samples, connected), header, batching, progress, counted)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on terminals, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    bar = Progress(
        "{task.description}",
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
