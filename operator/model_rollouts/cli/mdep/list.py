"""`kubectl mdep list`: all rollouts, a row each."""

import time
from typing import Any

import click

from model_rollouts.cli.mdep import options
from model_rollouts.cli.mdep.get import serialized
from model_rollouts.cli.mdep.view import View, summary
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.text import cut

URGENT = ("Now", "Look")


@click.command("list", short_help="List rollouts.")
@options.where
@click.option("--all-namespaces", "-A", is_flag=True, help="Those of all namespaces.")
@click.option("--selector", "-l", help="Only those with these labels, such as team=flights.")
@click.option("--urgent", is_flag=True, help="Only those whose action is Now or Look.")
@options.output("json", "yaml", "name")
def list_(**given: Any) -> None:
    """List the ModelDeployments of the namespace, a row each.

    ACTION says what you have to do: None, Wait, Look, or Now when users are affected.

    Exit codes: 0 success, 1 they could not be read, 2 wrong command line.
    """
    if given["all_namespaces"] and given["namespace"]:
        raise click.UsageError("found --namespace and --all-namespaces, write one of them")
    api, namespace = options.connected(given)
    everywhere = given["all_namespaces"]
    chosen = {"labelSelector": given["selector"]} if given["selector"] else {}
    found = options.listed(api, MODEL_DEPLOYMENT, None if everywhere else namespace, **chosen)
    rows = sorted(
        (summary(each, time.time()) for each in found),
        key=lambda each: (each["namespace"], each["name"]),
    )
    if given["urgent"]:
        rows = [each for each in rows if each["action"] in URGENT]
    if given["output"] == "name":
        for each in rows:
            click.echo(f"modeldeployment.modelrollouts.dev/{each['name']}")
    elif given["output"] is not None:
        click.echo("\n".join(serialized(rows, given["output"])))
    elif rows:
        _draw(rows, everywhere=everywhere)
    else:
        place = "any namespace" if everywhere else f"namespace '{namespace}'"
        urgent = " whose action is Now or Look" if given["urgent"] else ""
        click.echo(f"found no ModelDeployment{urgent} in {place}", err=True)


def _draw(rows: list[View], *, everywhere: bool) -> None:
    from model_rollouts.cli.mdep import drawing

    to = drawing.console()
    titles = ["NAMESPACE"] if everywhere else []
    titles += ["NAME", "SERVING", "CANDIDATE", "PHASE", "ACTION"]
    table = drawing.grid(*titles, "MESSAGE")
    cells = [_cells(each, everywhere=everywhere) for each in rows]
    taken = sum(max(map(len, column)) + 2 for column in zip(titles, *cells, strict=True))
    # A list has one line for each: `get` has the whole sentence.
    room = max(to.width - taken, len("MESSAGE"))
    for row, each in zip(cells, rows, strict=True):
        *names, phase, action = row
        table.add_row(
            *map(drawing.text, names),
            drawing.text(phase, drawing.PHASES.get(phase, "cyan")),
            drawing.text(action, drawing.ACTIONS.get(action, "")),
            drawing.text(cut(each["message"] or "", room)),
        )
    to.print(table)


def _cells(row: View, *, everywhere: bool) -> list[str]:
    candidate = row["candidate"] or "-"
    if row["candidate"] and row["weight"]:
        candidate += f" {row['weight']}"
    named = (
        row["name"],
        row["serving"] or "-",
        candidate,
        row["phase"] or "-",
        row["action"] or "-",
    )
    return [row["namespace"], *named] if everywhere else [*named]
