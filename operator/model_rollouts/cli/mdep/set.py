"""`kubectl mdep set image | version | model | objective`: one part of the spec."""

import copy
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import click

from model_rollouts.cli.mdep import change

CONTAINER = "model"

FIELDS = {
    "target": ("availability", "target"),
    "within": ("latency", "within"),
    "share": ("latency", "share"),
    "stage": ("latency", "stage"),
    "good": ("limits", "good"),
    "bad": ("limits", "bad"),
    "role": (None, "role"),
    "compare": (None, "compare"),
    "slice": (None, "slice"),
}
"""What can be set of an objective, and where it is written."""

Field = tuple[tuple[str | None, str], str]
"""Where a field is written, and its value."""

TYPES = {"availability": "Availability", "latency": "Latency"}
"""Types of which an objective can be made by its fields alone."""


@click.group("set", short_help="Set the image, the version, the model or an objective.")
def set_() -> None:
    """Set one thing in the spec of a ModelDeployment: image, version, model or an objective."""


@set_.command(short_help="Set the image of the model.")
@change.changing
@click.argument("image")
@click.option("--version", help="The version that the image is.  [default: it stays as it is]")
def image(**given: Any) -> None:
    """Set the image of the container `model` of NAME, with its version.

    \b
    Another version by its digest:
      kubectl mdep set image arrival registry.example.com/arrival@sha256:… --version 4

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace

    def edit(obj: change.Object) -> None:
        _container(obj)["image"] = given["image"]
        if given["version"]:
            obj["spec"]["model"]["version"] = given["version"]
        else:
            version = change.spec_version(obj)
            click.echo(
                f"The version stays {version}: with another image, messages call two revisions so. "
                "--version names the other one.",
                err=True,
            )

    change.make(given, edit)


@set_.command(short_help="Set the version of the model.")
@change.changing
@click.argument("version")
@click.option("--image", help="The image of that version.  [default: it stays as it is]")
def version(**given: Any) -> None:
    """Set spec.model.version of NAME, and the image of that version.

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """

    def edit(obj: change.Object) -> None:
        obj["spec"]["model"]["version"] = given["version"]
        if given["image"]:
            _container(obj)["image"] = given["image"]

    change.make(given, edit)


@set_.command(short_help="Set version and provenance of the model, from MLflow.")
@change.changing
@click.option(
    "--from",
    "uri",
    required=True,
    metavar="URI",
    help="The version in MLflow: models:/NAME/VERSION or models:/NAME@ALIAS.",
)
@click.option(
    "--tracking-uri",
    required=True,
    envvar="MLFLOW_TRACKING_URI",
    show_envvar=True,
    metavar="URL",
    help="MLflow's tracking server.",
)
@click.option(
    "--metric",
    help="The metric of its run that is the benchmark.  [default: that of the benchmark before]",
)
@click.option(
    "--better",
    type=click.Choice(["Lower", "Higher"]),
    help="Which values of the metric are better.  [default: as before]",
)
@click.option("--image", help="The image of that version.  [default: it stays as it is]")
def model(**given: Any) -> None:
    """Set spec.model of NAME to what MLflow knows of a version.

    Version, URI and digest of its files, git commit, training data and benchmark. What MLflow does
    not know is removed, because it was that of another version, and said; the API server refuses
    the change if spec.provenance requires it. Credentials are those of MLflow's clients:
    MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.

    \b
      kubectl mdep set model fraud --from models:/fraud/12 --tracking-uri http://mlflow:5000 \\
        --image registry.example.com/fraud@sha256:… --write fraud.yaml

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    from model_rollouts.cli.mdep.mlflow import Asked, Server, known
    from model_rollouts.cli.prometheus_options import progress_bar

    server = Server(given["tracking_uri"])

    @lru_cache(maxsize=1)
    def found(benchmark: str) -> Any:
        asked = Asked(given["uri"], given["metric"], given["better"], json.loads(benchmark))
        with progress_bar("hashing files") as progress:
            answer = known(server, asked, progress)
        for each in answer.lacks:
            click.echo(f"MLflow does not know {each}.", err=True)
        return answer.model

    def edit(obj: change.Object) -> None:
        before = obj["spec"].get("model") or {}
        # Once, though the change may be made anew: only the benchmark before is asked about.
        obj["spec"]["model"] = copy.deepcopy(found(json.dumps(before.get("benchmark"))))
        if given["image"]:
            _container(obj)["image"] = given["image"]

    change.make(given, edit)


@set_.command(short_help="Set fields of an objective, add one or remove it.")
@change.changing
@click.argument("objective")
@click.argument("fields", nargs=-1, metavar="FIELD=VALUE...")
@click.option("--remove", is_flag=True, help="Remove the objective.")
def objective(**given: Any) -> None:
    """Set fields of an objective of NAME; one that is not there yet is added.

    Fields: target (Availability), within, share and stage (Latency), good and bad (limits), role,
    compare and slice. Evidence that was gathered under other objectives counts no more.

    \b
    A looser target, and a guard on slow requests:
      kubectl mdep set objective arrival errors target=99.5%
      kubectl mdep set objective arrival latency within=300ms share=99% role=Guard

    Exit codes: 0 success, 1 it was not changed, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    if given["remove"] == bool(given["fields"]):
        raise click.UsageError("write FIELD=VALUE, or --remove")
    fields = [_field(each) for each in given["fields"]]

    def edit(obj: change.Object) -> None:
        if given["remove"]:
            found = obj["spec"].get("objectives") or []
            named = next((each for each in found if each["name"] == given["objective"]), None)
            if named is None:
                raise _unknown(given["objective"], found)
            found.remove(named)
        else:
            _set(obj, given["objective"], fields)

    change.make(given, edit)


def set_fields(obj: change.Object, name: str, fields: Sequence[str]) -> None:
    """Set FIELD=VALUEs of an objective in place. Raises ClickException."""
    _set(obj, name, [_field(each) for each in fields])


def _set(obj: change.Object, name: str, fields: list[Field]) -> None:
    found = obj["spec"].setdefault("objectives", [])
    named = next((each for each in found if each["name"] == name), None)
    if named is None:
        named = _added(name, fields, found)
        found.append(named)
    for (part, key), value in fields:
        if part in TYPES and part not in named:
            raise click.ClickException(
                f"objective '{named['name']}' is of type {named['type']}: it has no {key}"
            )
        inside = named if part is None else named.setdefault(part, {})
        inside[key] = value


def _container(obj: change.Object) -> dict[str, Any]:
    containers: list[dict[str, Any]] = obj["spec"]["template"]["spec"]["containers"]
    return next(each for each in containers if each["name"] == CONTAINER)


def _field(text: str) -> Field:
    key, equals, value = text.partition("=")
    if not equals or not value or key not in FIELDS:
        raise click.UsageError(f"found '{text}', write FIELD=VALUE with one of {', '.join(FIELDS)}")
    return FIELDS[key], value


def _added(name: str, fields: list[Field], found: list[Any]) -> dict[str, Any]:
    """A new objective, of the type that its fields are of."""
    parts = {part for (part, _), _ in fields if part in TYPES}
    if len(parts) != 1:
        raise _unknown(name, found)
    (part,) = parts
    assert part is not None
    return {"name": name, "type": TYPES[part], part: {}}


def _unknown(name: str, found: list[Any]) -> click.ClickException:
    known = ", ".join(each["name"] for each in found) or "none"
    return click.ClickException(
        f"found no objective '{name}', there is {known}; to add one, write target=… "
        "(Availability), or within=… and share=… (Latency)"
    )
