"""`kubectl mdep convert`: other tools' resources as ModelDeployments, with what is left to do."""

from typing import TYPE_CHECKING, Any

import click

from model_rollouts.cli.mdep.files import documents, line_of, paths

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.conversions.draft import Draft

WIDTH = 98


@click.command(short_help="Convert resources of other tools to ModelDeployments.")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True)
)
def convert(**given: Any) -> None:
    """Convert the resources in FILEs, in a folder or on stdin (-), and print ModelDeployments.

    Deployment (Kubernetes), InferenceService (KServe), Rollout (Argo Rollouts) and Canary (Flagger)
    are converted. Comments say what you have to write, and what has no place here. Put what a
    resource refers to into the files too: the Deployment of a Canary, the ServingRuntime of an
    InferenceService. Check the result with `lint`.

    \b
    From a cluster:
      kubectl get deployment,canary -o yaml | kubectl mdep convert - > models.yaml

    Exit codes: 0 success, 1 nothing to convert, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    from model_rollouts.cli.mdep.conversions.catalogue import CATALOGUE, row_of

    objects = [obj for path in paths(given["files"]) for _, obj in documents(path)]
    objects = [each for obj in objects for each in _unpacked(obj)]
    chosen = [(row, obj) for obj in objects if (row := row_of(obj))]
    if any(row is not CATALOGUE[-1] for row, _ in chosen):
        # A Deployment beside others is what they refer to.
        referred = _referred(objects)
        chosen = [
            (row, obj)
            for row, obj in chosen
            if row is not CATALOGUE[-1] or obj["metadata"]["name"] not in referred
        ]
    if not chosen:
        kinds = ", ".join(each.kind for each in CATALOGUE)
        raise click.ClickException(f"found nothing to convert: write files with {kinds}")
    click.echo(
        "---\n".join(written(row.convert(obj, objects), obj) for row, obj in chosen), nl=False
    )


def written(draft: "Draft", source: dict[str, Any]) -> str:
    """A draft as YAML, with its comments."""
    import textwrap

    import yaml

    text = yaml.safe_dump(draft.obj, sort_keys=False, allow_unicode=True, width=WIDTH)
    node = yaml.compose(text, yaml.SafeLoader)
    assert node is not None
    lines = text.splitlines()
    for path, note in sorted(
        draft.notes.items(), key=lambda each: line_of(node, each[0]), reverse=True
    ):
        at = line_of(node, path) - 1
        indent = " " * (len(lines[at]) - len(lines[at].lstrip(" -")))
        lines[at:at] = textwrap.wrap(
            note, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
    head = [f"# From {source['kind']} {source['metadata'].get('name')}, by `kubectl mdep convert`."]
    if draft.lost:
        head.append("# Not carried over:")
        for each in draft.lost:
            head += textwrap.wrap(each, WIDTH, initial_indent="# - ", subsequent_indent="#   ")
    return "\n".join([*head, *lines]) + "\n"


def _unpacked(obj: dict[str, Any]) -> list[dict[str, Any]]:
    """The items of a list, as `kubectl get -o yaml` writes it."""
    items = obj.get("items") if str(obj.get("kind")).endswith("List") else None
    found: list[dict[str, Any]] = [obj] if items is None else list(items)
    return [each for each in found if isinstance(each.get("metadata"), dict)]


def _referred(objects: list[dict[str, Any]]) -> set[str]:
    specs = [each.get("spec") or {} for each in objects]
    references = [each.get(key) for each in specs for key in ("targetRef", "workloadRef")]
    return {str(each.get("name")) for each in references if isinstance(each, dict)}
