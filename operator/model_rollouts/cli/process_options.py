"""Options of the commands that run as a process in the cluster."""

from pathlib import Path

import click

from model_rollouts.engine.logs import LogFormat

kubeconfig = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    show_envvar=True,
    help="Kubeconfig for the API server.  [default: the pod's service account]",
)

log_format = click.option(
    "--log-format",
    default=LogFormat.AUTO.value,
    show_default=True,
    show_envvar=True,
    type=click.Choice([each.value for each in LogFormat]),
    help="Format of what the process says of itself; auto is text on a terminal, JSON elsewhere.",
)
