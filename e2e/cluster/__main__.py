"""The command line of the cluster tooling; `make cluster` and `make cluster-down` call it."""

import sys
from collections.abc import Iterable
from functools import partial

import click
from rich.console import Console

from e2e.cluster import addons, images, progress, tools
from e2e.cluster.local.provider import LocalProvider
from e2e.cluster.paths import CACHE
from e2e.cluster.progress import Step, StepError
from e2e.cluster.provider import choose

console = Console()
TESTED_AGAINST = (*tools.API_SERVER, "prometheus", "helm")
"""The programs that tests without a cluster need."""


@click.group(help="Starts and stops a real Kubernetes cluster for tests and demonstrations.")
def main() -> None:
    """Group of the commands."""


@main.command()
@click.option(
    "--audit/--no-audit",
    default=None,
    help="Write one line per API request to a log, or stop that.  [as it is]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done and stop.")
def up(audit: bool | None, dry_run: bool) -> None:
    """Start the cluster, or repair one that is damaged."""
    provider = choose()
    steps = [*provider.create(audit), *addons.install(provider)]
    if dry_run:
        for number, step in enumerate(steps, start=1):
            click.echo(f"[{number}/{len(steps)}] {step.title}")
        return
    console.print(f"Cluster by provider [bold]{provider.name}[/bold]; cache in {CACHE}")
    took = progress.run(steps, console)
    console.print(f"\n[bold green]Ready[/bold green] after {took:.0f} s.", highlight=False)
    click.echo(f"  export KUBECONFIG={provider.kubeconfig}")
    click.echo(f"  Prometheus: {addons.prometheus_url(provider)}")
    click.echo("  End it with `make cluster-down`.")


@main.command()
def down() -> None:
    """Stop the cluster and leave nothing of it but the cache."""
    took = progress.run(choose().delete(), console)
    console.print(f"\nNothing of the cluster is left; it took {took:.0f} s.", highlight=False)


@main.command(name="tools")
def build_tools() -> None:
    """Build the programs that tests without a cluster run against."""
    _build(TESTED_AGAINST)


@main.command()
def programs() -> None:
    """Build every Go program that tests and the cluster need."""
    _build(dict.fromkeys((*TESTED_AGAINST, *choose().programs())))


@main.command()
def stores() -> None:
    """Build the stores of samples that `make test-stores` asks; CI needs none of them."""
    _build(tools.STORES_OF_SAMPLES)


@main.command()
def parts() -> None:
    """Fetch and build what else the cluster needs."""
    progress.run(choose().parts(), console)


@main.command()
@click.argument("name", type=click.Choice([image.name for image in images.OURS]))
def load(name: str) -> None:
    """Build image NAME and bring it to the node."""
    (image,) = (image for image in images.OURS if image.name == name)
    choose().load(image)
    click.echo(image.reference)


@main.command(name="kwok")
@click.option("--nodes", default=10, show_default=True, type=click.IntRange(1, 5000))
def pretend(nodes: int) -> None:
    """Add pretended nodes (kwok) to a running local cluster, for runs with many pods.

    Pods reach them with a toleration for the taint kwok.x-k8s.io/node and the nodeSelector
    `type: kwok`.
    """
    provider = choose()
    if not isinstance(provider, LocalProvider):
        raise StepError(
            "kwok is started by the local provider only", hint="use PROVIDER=local, or kwokctl"
        )
    click.echo(f"kwok {provider.pretend_nodes(nodes)}, {nodes} nodes ready")


@main.command()
def kubeconfig() -> None:
    """Print the path of the administrator's kubeconfig."""
    click.echo(choose().kubeconfig)


def _build(names: Iterable[str]) -> None:
    progress.run([Step(f"build {name}", partial(tools.build, name)) for name in names], console)


if __name__ == "__main__":
    try:
        main()
    except StepError as error:
        progress.explain(error, console)
        sys.exit(1)
