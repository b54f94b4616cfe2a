"""`model-rollouts run`: the operator itself, as it runs in its pod."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from model_rollouts.cli.certificates import CERTIFICATES
from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.process_options import kubeconfig, log_format
from model_rollouts.cli.prometheus_file import prometheus
from model_rollouts.cli.types import (
    ADDRESS,
    COMPANIONS,
    RESOURCES,
    SHARDED,
)
from model_rollouts.cluster.connection import ConnectionConfigError
from model_rollouts.cluster.leases import LeaseName
from model_rollouts.engine import logs
from model_rollouts.engine.executor import CrashPoint
from model_rollouts.engine.leadership import DeposedError
from model_rollouts.engine.outage import OwnPod
from model_rollouts.engine.wiring import Options, core
from model_rollouts.engine.wiring import run as run_operator
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.grid import Grid
from model_rollouts.resources.capture import Observer
from model_rollouts.resources.pod import CONCURRENCY, USER, ProxySettings
from model_rollouts.resources.proxy import EVERY_ADDRESS
from model_rollouts.rollout import Pace, Settings
from model_rollouts.routes.controllers import MOST_WEIGHT

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


class _Lease(click.ParamType[LeaseName]):
    """NAMESPACE/NAME."""

    name = "namespace/name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> LeaseName:
        """The Lease of that name."""
        if isinstance(value, LeaseName):
            return value
        namespace, slash, name = str(value).partition("/")
        if not (namespace and slash and name) or "/" in name:
            self.fail(f"found '{value}', write NAMESPACE/NAME", param, ctx)
        return LeaseName(namespace, name)


class _MostWeight(click.ParamType[tuple[str, int]]):
    """CONTROLLER=NUMBER."""

    name = "controller=number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """The controller's name and the largest weight that its gateways take."""
        if isinstance(value, tuple):
            return value
        name, _, number = str(value).rpartition("=")
        if not (name and number.isdecimal() and MORE_THAN_ONE <= int(number) <= MOST_WEIGHT):
            self.fail(
                f"found '{value}', write CONTROLLER=NUMBER with a number from {MORE_THAN_ONE} to "
                f"{MOST_WEIGHT:,}, e.g. example.com/gateway=1000",
                param,
                ctx,
            )
        return name, int(number)


MORE_THAN_ONE = 10
"""With less there is no share for a canary to begin with."""


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
    help="CA bundle for Prometheus, in PEM. Read again when it changes.  [default: the system's "
    "certificates]",
)
@click.option(
    "--prometheus-config",
    type=_FILE,
    show_envvar=True,
    help="YAML file with everything else about Prometheus: headers, tenants, basic authentication, "
    "client certificate, matchers, label names, timeout. docs/install.md has its fields.",
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
    "--in-mesh",
    is_flag=True,
    show_envvar=True,
    help="A service mesh puts sidecars into pods of models by a label of their namespaces. The "
    "proxies of new revisions then also take requests from inside their pods.",
)
@click.option(
    "--proxy-user",
    default=USER,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(0),
    help="User of the proxy in the pods of new revisions; 0 leaves it to the platform, as "
    "OpenShift wants it.",
)
@click.option(
    "--proxy-address",
    default=EVERY_ADDRESS,
    show_default=True,
    show_envvar=True,
    type=ADDRESS,
    help="Address on which the proxy listens; :: where pods have IPv6 only.",
)
@click.option(
    "--proxy-concurrency",
    default=CONCURRENCY,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(1),
    help="Threads of the proxy.",
)
@click.option(
    "--proxy-resources",
    type=RESOURCES,
    show_envvar=True,
    help="Requests and limits of the proxy's container, as JSON.  [default: 100m CPU and 128Mi "
    "requested, at most 512Mi]",
)
@click.option(
    "--observer-address",
    type=SHARDED,
    show_envvar=True,
    help="Host and port to which proxies of models with spec.capture send records, with {shard} "
    "where the number of a Service stands, e.g. "
    "model-rollouts-observer-{shard}.model-rollouts.svc:9800.  [default: none; spec.capture is "
    "refused]",
)
@click.option(
    "--observer-ca-file",
    type=CERTIFICATES,
    show_envvar=True,
    help="CA bundle for the observer, in PEM. Read at the start; each revision keeps what it was "
    "made with.",
)
@click.option(
    "--observer-http-address",
    type=SHARDED,
    show_envvar=True,
    help="Host and port of the observer's HTTP endpoints, with {shard} as above, e.g. "
    "model-rollouts-observer-{shard}.model-rollouts.svc:9801. The status then names the answers "
    "that differ most, by their ids.  [default: none; it names none]",
)
@click.option(
    "--most-weight",
    "most_weights",
    type=_MostWeight(),
    multiple=True,
    envvar="MODEL_ROLLOUTS_MOST_WEIGHT",
    show_envvar=True,
    help="Largest weight that a backend of an HTTPRoute may have, for gateways of a controller "
    "(controllerName of their GatewayClass); can be repeated.  [default: what is known of the "
    "controller, otherwise 1,000,000]",
)
@click.option(
    "--companions",
    type=COMPANIONS,
    default="[]",
    show_envvar=True,
    help="Objects to write beside the Services of each revision, as a JSON list of templates; see "
    "docs/gateways.md.  [default: none]",
)
@click.option(
    "--address",
    default="0.0.0.0",  # noqa: S104 - kubelet and Prometheus come from other addresses
    show_default=True,
    show_envvar=True,
    type=ADDRESS,
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
@kubeconfig
@click.option(
    "--lease",
    type=_Lease(),
    show_envvar=True,
    help="Lease by which one of several processes leads; the others stand by.  [default: none; "
    "this process leads, whatever others do]",
)
@log_format
@click.option("--crash-at", type=_CrashAt(), hidden=True, allow_from_autoenv=False)
def run(**options: Any) -> None:
    """Run the operator until SIGTERM or SIGINT.

    It watches ModelDeployments and runs their rollouts. Only one process may do so at a time: give
    all of them the same --lease. On a signal it finishes the writes in progress and exits. Users
    keep the versions they have, and the next process continues the rollouts.

    \b
    Run it outside a cluster:
      model-rollouts run --kubeconfig ~/.kube/config \\
        --prometheus-url http://localhost:9090 --proxy-image envoyproxy/envoy:v1.36.0

    Exit codes: 0 stopped by a signal, 1 failure, or another process leads instead of this one, 2
    wrong command line.
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
    except DeposedError as error:
        raise click.ClickException(f"{error}: start this one again, to stand by") from None
    except OSError as error:
        raise click.ClickException(f"could not start: {error}") from None


def _options(options: dict[str, Any]) -> Options:
    step_ms = round(options["scrape_interval"] * 1000)
    server, batching = prometheus(
        options["prometheus_url"],
        token_file=options["prometheus_token_file"],
        ca_file=options["prometheus_ca_file"],
        config=options["prometheus_config"],
    )
    return Options(
        settings=Settings(
            proxy=_proxy(options),
            grid=Grid(step_ms, max(Grid().lookback_ms, 3 * step_ms)),
            pace=Pace(settle_ms=round(options["scrape_settle"] * 1000)),
            companions=options["companions"],
            most_weights=dict(options["most_weights"]),
        ),
        release=_release(),
        prometheus=server,
        batching=batching,
        namespaces=options["namespaces"],
        kubeconfig=options["kubeconfig"],
        address=options["address"],
        port=options["port"],
        settle_s=options["scrape_settle"],
        crash_at=options["crash_at"],
        pod=_own_pod(os.environ),
        lease=options["lease"],
        observer_http_address=options["observer_http_address"],
    )


def _proxy(options: Mapping[str, Any]) -> ProxySettings:
    settings = ProxySettings(
        options["proxy_image"],
        user=options["proxy_user"] or None,
        address=options["proxy_address"],
        concurrency=options["proxy_concurrency"],
        in_mesh=options["in_mesh"],
        observer=_observer(options["observer_address"], options["observer_ca_file"]),
    )
    resources = options["proxy_resources"]
    return settings if resources is None else replace(settings, resources=resources)


def _observer(address: str | None, ca_file: Path | None) -> Observer | None:
    if address is None and ca_file is None:
        return None
    if address is None or ca_file is None:
        found, missing = "--observer-address", "--observer-ca-file"
        if address is None:
            found, missing = missing, found
        raise click.UsageError(
            f"{found}: found no {missing}, write both: tokens of pods go over TLS alone"
        )
    return Observer(address, ca_file.read_text("ascii"))


def _own_pod(environment: Mapping[str, str]) -> OwnPod | None:
    """The pod of this process, as the downward API tells it, None where it does not."""
    found = [environment.get(name) for name in ("POD_NAMESPACE", "POD_NAME", "POD_UID")]
    known = [each for each in found if each]
    return OwnPod(*known) if len(known) == len(found) else None


def _release() -> str:
    try:
        return version("model-rollouts")
    except PackageNotFoundError:
        return "unknown"
