"""`model-rollouts observer`: the observer, as it runs in its pod."""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import click

from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.observer_extra import observer_extra, storage_options
from model_rollouts.cli.process_options import kubeconfig, log_format
from model_rollouts.cli.types import ADDRESS
from model_rollouts.cluster.connection import ConnectionConfigError
from model_rollouts.engine import logs
from model_rollouts.resources.observer_address import PORT

METRICS_PORT = 9801

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MIB = 1024 * 1024


@click.command(
    short_help="Run the observer.",
    context_settings={"auto_envvar_prefix": "MODEL_ROLLOUTS_OBSERVER"},
)
@click.option(
    "--log",
    required=True,
    show_envvar=True,
    help="Where the prediction log is: a folder, or an address such as s3://bucket/prefix.",
)
@storage_options
@click.option(
    "--id",
    "observer",
    default=socket.gethostname,
    show_default="the name of the host",
    show_envvar=True,
    help="Name of this observer in the log. Two that run with one name stop each other.",
)
@click.option(
    "--address",
    default="0.0.0.0",  # noqa: S104 - proxies and Prometheus come from other addresses
    show_default=True,
    show_envvar=True,
    type=ADDRESS,
    help="Address on which records are taken and metrics served.",
)
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(1, 65535),
    help="Port on which proxies send their records.",
)
@click.option(
    "--metrics-port",
    default=METRICS_PORT,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(1, 65535),
    help="Port of /metrics, /healthz, /readyz and the worst disagreements.",
)
@click.option(
    "--certificate-file",
    type=_FILE,
    show_envvar=True,
    help="Certificate for TLS, in PEM, with --key-file. Both are read again when they change.  "
    "[default: no TLS]",
)
@click.option("--key-file", type=_FILE, show_envvar=True, help="Key of the certificate, in PEM.")
@click.option(
    "--pair-ttl",
    default="60s",
    show_default=True,
    show_envvar=True,
    type=DURATION,
    help="How long the answer of one version waits for that of the other.",
)
@click.option(
    "--flush",
    default="5s",
    show_default=True,
    show_envvar=True,
    type=DURATION,
    help="How long rows wait for their commit at most. As much is lost when the process is killed.",
)
@click.option(
    "--buffer",
    default=96,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(8, 4_096),
    help="MiB of rows that wait for the storage at most. Beyond, records are compared and not "
    "stored.",
)
@kubeconfig
@log_format
def observer(**options: Any) -> None:
    """Run the observer until SIGTERM or SIGINT.

    It receives what the proxies of all models record, compares the answers of two versions to the
    same request, exports counts for Prometheus, and keeps the prediction log. It needs the extra
    `observer` of this package.

    Exit codes: 0 stopped by a signal, 1 failure, or another observer has the same --id, 2 wrong
    command line.
    """
    logs.configure(logs.LogFormat(options["log_format"]), sys.stderr)
    if (options["certificate_file"] is None) != (options["key_file"] is None):
        raise click.UsageError("write --certificate-file and --key-file together, or none of them")
    try:
        _serve(options)
    except ConnectionConfigError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"could not start: {error}") from None


def _serve(options: dict[str, Any]) -> None:
    with observer_extra():
        from model_rollouts.observer.capture.receiver import Certificate
        from model_rollouts.observer.process import FailedError, Options, serve
        from model_rollouts.observer.store.table import StorageError
    certificate = None
    if options["certificate_file"] is not None:
        certificate = Certificate(options["certificate_file"], options["key_file"])
    made = Options(
        observer=options["observer"],
        log=options["log"],
        address=options["address"],
        port=options["port"],
        metrics_port=options["metrics_port"],
        certificate=certificate,
        kubeconfig=options["kubeconfig"],
        pair_ttl_s=options["pair_ttl"],
        flush_s=options["flush"],
        most_bytes=options["buffer"] * _MIB,
        storage_options=dict(options["storage_options"]),
    )
    try:
        asyncio.run(serve(made))
    except (FailedError, StorageError) as error:
        raise click.ClickException(str(error)) from None
