"""`kubectl mdep lint`: manifests checked without a cluster."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from model_rollouts.api.group import KIND
from model_rollouts.cli.mdep.files import documents, line_of, paths

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.offline import Problem

ERROR, WARNING = "error", "warning"


@click.command(short_help="Check manifests without a cluster.")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True)
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="REQ/S",
    help="Requests per second that the service gets: whether they decide before the deadline.",
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--output", "-o", type=click.Choice(["json"]), help="Print this instead.")
def lint(**given: Any) -> None:
    """Check the ModelDeployments in FILEs, or in a folder or on stdin (-), without a cluster.

    Errors are what the API server would refuse, with its messages: the schema and the CEL rules.
    Warnings are what only practice knows: objectives that no traffic decides before the deadline,
    steps that the pods cannot carry, a last step too small for latency to count, a time that a
    timeout in front of the model cuts, no readiness probe. Other kinds in the files are left out.

    Exit codes: 0 no errors, 1 errors or an unreadable file, 2 wrong command line.
    """
    rows, checked = [], 0
    for path in paths(given["files"]):
        for node, obj in documents(path):
            if obj.get("kind") != KIND:
                continue
            checked += 1
            name = str((obj.get("metadata") or {}).get("name") or "")
            rows += [
                {
                    "file": path,
                    "line": line_of(node, problem.path),
                    "name": name,
                    "severity": severity,
                    "field": problem.field,
                    "message": problem.message,
                }
                for severity, problem in _problems(obj, given["rate"])
            ]
    if given["output"] == "json":
        import json

        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for each in rows:
            style = "red" if each["severity"] == ERROR else "yellow"
            place = f"{each['file']}:{each['line']}: "
            severity = click.style(each["severity"], fg=style)
            click.echo(f"{place}{severity}: {each['field']}: {each['message']}")
    errors = sum(each["severity"] == ERROR for each in rows)
    told = f"{checked} checked: {errors} errors, {len(rows) - errors} warnings"
    click.echo(told if checked else "found no ModelDeployment in the files", err=True)
    raise SystemExit(1 if errors or (given["strict"] and rows) or not checked else 0)


def _problems(obj: dict[str, Any], rate: float | None) -> "Iterator[tuple[str, Problem]]":
    from model_rollouts.api.deployment import read
    from model_rollouts.cli.mdep.offline import Problem, problems

    found = problems(obj)
    yield from ((ERROR, each) for each in found)
    if found:
        return
    from model_rollouts.cli.mdep.practice import odd

    metadata = {"namespace": "default", **(obj.get("metadata") or {})}
    try:
        deployment = read({**obj, "metadata": metadata})
    except ValueError as error:
        # The schema and the rules hold: whatever the models say beyond that is theirs to tell.
        yield ERROR, Problem((), " ".join(str(error).split()))
        return
    yield from ((WARNING, each) for each in odd(deployment, rate))
