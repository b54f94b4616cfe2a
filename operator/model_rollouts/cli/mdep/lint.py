"""`kubectl mdep lint`: manifests checked without a cluster."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import yaml

    from model_rollouts.cli.mdep.offline import Problem

STDIN = "-"
ERROR, WARNING = "error", "warning"


@click.command(short_help="Check manifests without a cluster.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
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
    for path in _paths(given["files"]):
        for name, node, obj in _documents(path):
            checked += 1
            rows += [
                {
                    "file": path,
                    "line": _line(node, problem.path),
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

    metadata = {"namespace": "default", **obj["metadata"]}
    try:
        deployment = read({**obj, "metadata": metadata})
    except ValueError as error:
        # The schema and the rules hold: whatever the models say beyond that is theirs to tell.
        yield ERROR, Problem((), " ".join(str(error).split()))
        return
    yield from ((WARNING, each) for each in odd(deployment, rate))


def _paths(files: tuple[str, ...]) -> Iterator[str]:
    for each in files:
        path = Path(each)
        if each != STDIN and path.is_dir():
            yield from map(str, sorted((*path.rglob("*.yaml"), *path.rglob("*.yml"))))
        else:
            yield each


def _documents(path: str) -> "Iterator[tuple[str, yaml.Node, dict[str, Any]]]":
    """Name, marks and content of each ModelDeployment in a file."""
    import yaml

    from model_rollouts.api.group import KIND

    try:
        text = sys.stdin.read() if path == STDIN else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise click.ClickException(f"could not read '{path}': {why}") from None
    try:
        loader = _loader(text)
        while loader.check_node():
            node = loader.get_node()
            obj = loader.construct_document(node)
            if isinstance(obj, dict) and obj.get("kind") == KIND:
                obj.setdefault("metadata", {})
                yield str((obj["metadata"] or {}).get("name") or ""), node, obj
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise click.ClickException(f"{path}{place}: {problem}") from None


def _loader(text: str) -> Any:
    """A loader that takes dates for texts, as the API server does."""
    import yaml

    known = yaml.SafeLoader.yaml_implicit_resolvers.items()
    timestamp = "tag:yaml.org,2002:timestamp"
    resolvers = {first: [pair for pair in each if pair[0] != timestamp] for first, each in known}
    return type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})(text)


def _line(node: "yaml.Node", path: tuple[str | int, ...]) -> int:
    """The line of a field, or of the nearest that is there, from 1."""
    import yaml

    line = node.start_mark.line
    for each in path:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == each), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(each, int):
            node = node.value[each]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1
