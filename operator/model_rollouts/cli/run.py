"""`model-rollouts run`: the operator itself, as it runs in its pod."""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from model_rollouts.cli.types import CERTIFICATES, DURATION
from model_rollouts.cluster.connection import ConnectionConfigError
from model_rollouts.engine import logs
from model_rollouts.engine.executor import CrashPoint
from model_rollouts.engine.wiring import Options, core
from model_rollouts.engine.wiring import run as run_operator
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.grid import Grid
from model_rollouts.prometheus.client import ServerOptions
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _CrashAt(click.ParamType[tuple[CrashPoint, int]]):
    """NAME or NAME:COUNT."""

    name = "name[:count]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[CrashPoint, int]:
        """The point, and how many times it is reached before the process ends."""
        if isinstance(value, tuple):
            return value
        name, _, count = str(value).partition(":")
        try:
            point, times = CrashPoint(name), int(count or 1)
        except ValueError:
            times = 0
        if times < 1:
            names = ", ".join(CrashPoint)
            self.fail(f"found '{value}', write one of {names} and a count from 1", param, ctx)
        return point, times


@click.command(
    short_help="Run the operator.", context_settings={"auto_envvar_prefix": "MODEL_ROLLOUTS"}
)
@click.option(
    "--namespace",
    "-n",
    "namespaces",
    multiple=True,
    envvar="MODEL_ROLLOUTS_NAMESPACE",
    show_envvar=True,
    help="Watch only this namespace; can be repeated.  [default: all namespaces]",
)
@click.option(
    "--prometheus-url",
    metavar="URL",
    required=True,
    show_envvar=True,
    help="Address of Prometheus, such as http://prometheus.monitoring:9090.",
)
@click.option(
    "--prometheus-token-file",
    type=_FILE,
    show_envvar=True,
    help="File with a bearer token for Prometheus. Read again for every query.",
)
@click.option(
    "--prometheus-ca-file",
    type=CERTIFICATES,
    show_envvar=True,
    help="CA bundle for Prometheus, in PEM.  [default: the system's certificates]",
)
@click.option(
    "--scrape-interval",
    default="5s",
    show_default=True,
    show_envvar=True,
    type=DURATION,
    help="How often Prometheus scrapes the models; must match its configuration.",
)
@click.option(
    "--scrape-settle",
    default="500ms",
    show_default=True,
    show_envvar=True,
    type=DURATION,
    help="Wait after a scrape interval before reading it. Raise it if scrapes take longer.",
)
@click.option(
    "--proxy-image",
    required=True,
    show_envvar=True,
    help="Image of the proxy in the pods of new revisions, preferably with a digest.",
)
@click.option(
    "--address",
    default="0.0.0.0",  # noqa: S104 - kubelet and Prometheus come from other addresses
    show_default=True,
    show_envvar=True,
    help="Address on which /metrics, /healthz and /readyz are served.",
)
@click.option(
    "--port",
    default=8080,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(1, 65535),
    help="Port of these endpoints.",
)
@click.option(
    "--kubeconfig",
    type=_FILE,
    show_envvar=True,
    help="Kubeconfig for the API server.  [default: the pod's service account]",
)
@click.option(
    "--log-format",
    default=logs.LogFormat.AUTO.value,
    show_default=True,
    show_envvar=True,
    type=click.Choice([each.value for each in logs.LogFormat]),
    help="Format of the log; auto is text on a terminal and JSON elsewhere.",
)
@click.option("--crash-at", type=_CrashAt(), hidden=True, allow_from_autoenv=False)
def run(**options: Any) -> None:
    """Run the operator until SIGTERM or SIGINT.

    It watches ModelDeployments and runs their rollouts. Only one process may run at a time. On a
    signal it finishes the writes in progress and exits. Users keep the versions they have, and the
    next process continues the rollouts.

    \b
    Run it outside a cluster:
      model-rollouts run --kubeconfig ~/.kube/config \\
        --prometheus-url http://localhost:9090 --proxy-image envoyproxy/envoy:v1.36.0

    Exit codes: 0 stopped by a signal, 1 failure, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    logs.configure(logs.LogFormat(options["log_format"]), sys.stderr)
    try:
        made = _options(options)
    except InputError as error:
        raise click.UsageError(str(error)) from None
    try:
        run_operator(made, core(made.settings))
    except ConnectionConfigError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"could not start: {error}") from None


def _options(options: dict[str, Any]) -> Options:
    step_ms = round(options["scrape_interval"] * 1000)
    return Options(
        settings=Settings(
            proxy=ProxySettings(options["proxy_image"]),
            grid=Grid(step_ms, max(Grid().lookback_ms, 3 * step_ms)),
        ),
        release=_release(),
        prometheus=ServerOptions(
            options["prometheus_url"],
            token_file=options["prometheus_token_file"],
            tls=options["prometheus_ca_file"],
        ),
        namespaces=options["namespaces"],
        kubeconfig=options["kubeconfig"],
        address=options["address"],
        port=options["port"],
        settle_s=options["scrape_settle"],
        crash_at=options["crash_at"],
    )


def _release() -> str:
    try:
        return version("model-rollouts")
    except PackageNotFoundError:
        return "unknown"
