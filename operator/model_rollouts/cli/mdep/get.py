"""`kubectl mdep get`: where a rollout is, as a tree; with -w, as it changes."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from model_rollouts.cli.mdep import options
from model_rollouts.cli.mdep.view import View, view
from model_rollouts.cluster.kinds import EVENT, POD

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.api import Api


@click.command(short_help="Show a rollout: revisions, pods, objectives, events.")
@options.named
@click.option("--watch", "-w", is_flag=True, help="Show it anew whenever something changes.")
@options.output("json", "yaml")
def get(**given: Any) -> None:
    """Show where the rollout of the ModelDeployment NAME is.

    Revisions with their roles, shares of users and pods, and why a pod does not start; each
    objective with what was counted, its limit and how far it is; what is awaited and for how long;
    the last events. docs/kubectl-mdep.md has the JSON of `-o json`.

    \b
    As it changes, until Ctrl-C:
      kubectl mdep get arrival -n flights -w

    Exit codes: 0 success, 1 it could not be read, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    api, namespace = options.connected(given)
    if given["watch"]:
        from model_rollouts.cli.mdep.live import follow

        follow(api, namespace, given["name"], given["output"])
        return
    show(look(api, namespace, given["name"]), given["output"])


def look(api: "Api", namespace: str, name: str) -> View:
    """A rollout as it is now: three questions at a time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as asking:
        obj = asking.submit(options.fetch, api, namespace, name)
        pods = asking.submit(options.allowed, api, POD, namespace, **options.owned_by(name))
        events = asking.submit(options.allowed, api, EVENT, namespace, **options.about(name))
        return view(obj.result(), pods.result(), events.result(), time.time())


def show(seen: View, output: str | None) -> None:
    """Print it."""
    if output is not None:
        click.echo("\n".join(serialized(seen, output)))
        return
    from model_rollouts.cli.mdep import drawing

    to = drawing.console()
    to.print(drawing.rollout(seen, to))


def serialized(found: Any, output: str) -> Iterator[str]:
    """The JSON of a command as it, or as YAML."""
    if output == "json":
        yield json.dumps(found, indent=2, ensure_ascii=False)
        return
    import yaml

    yield yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100).rstrip()
