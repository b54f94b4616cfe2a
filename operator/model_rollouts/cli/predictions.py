"""`model-rollouts predictions`: what models were asked and answered, from the prediction log."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.observer_extra import observer_extra, storage_options

LONGEST_CELL = 60


@click.command(
    short_help="Show predictions from the log.",
    context_settings={"auto_envvar_prefix": "MODEL_ROLLOUTS_PREDICTIONS"},
)
@click.option(
    "--log",
    required=True,
    envvar=["MODEL_ROLLOUTS_PREDICTIONS_LOG", "MODEL_ROLLOUTS_OBSERVER_LOG"],
    show_envvar=True,
    help="Where the prediction log is: a folder, or an address such as s3://bucket/prefix.",
)
@storage_options
@click.option("--id", help="Prediction id or request id; finds both versions' answers.")
@click.option("--namespace", "-n", help="Namespace of the ModelDeployment.")
@click.option("--model", help="Name of the ModelDeployment.")
@click.option("--version", help="Version of the model, as in spec.model.version.")
@click.option("--revision", help="Name of a revision.")
@click.option("--slice", help="Slice of the requests.")
@click.option(
    "--since",
    type=DURATION,
    help="Only requests that began so long ago at most, such as 1h.",
)
@click.option("--until", type=DURATION, help="Only requests that began longer ago than this.")
@click.option(
    "--disagreements",
    is_flag=True,
    help="Only rows on which two versions disagree, each after the row that it disagrees with; the "
    "furthest apart first.",
)
@click.option(
    "--answered",
    is_flag=True,
    help="Only rows with an answer that can be read; with --disagreements, only pairs of two.",
)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="How many rows at most; with --disagreements, how many pairs.",
)
@click.option(
    "--output",
    "-o",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json"]),
    help="json is one line for each row, with all columns.",
)
def predictions(**options: Any) -> None:
    """Show what models were asked and answered, from the prediction log.

    The latest requests come first. docs/predictions.md has examples, and reads the same log with
    other tools. It needs the extra `observer` of this package.

    Exit codes: 0 success, 1 the log cannot be read, 2 wrong command line.
    """
    with observer_extra():
        from model_rollouts.observer.store.query import LogError, Question, rows
    now = datetime.now(UTC)
    question = Question(
        id=options["id"],
        namespace=options["namespace"],
        model=options["model"],
        version=options["version"],
        revision=options["revision"],
        slice=options["slice"],
        since=_ago(now, options["since"]),
        until=_ago(now, options["until"]),
        disagrees=options["disagreements"],
        answered=options["answered"],
        limit=options["limit"],
    )
    try:
        found = rows(options["log"], dict(options["storage_options"]), question)
    except LogError as error:
        raise click.ClickException(str(error)) from None
    if options["output"] == "json":
        for each in found:
            click.echo(json.dumps(each, ensure_ascii=False))
    elif found:
        _print(found)
    else:
        click.echo("no predictions found", err=True)


def _ago(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now - timedelta(seconds=seconds)


def _print(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("time", "id", "model", "version", "arm", "status", "ms", "outputs", "apart"):
        table.add_column(name)
    for each in found:
        outputs = " ".join(f"{name}={value}" for name, value in each["outputs"].items())
        apart = each["disagreement"]
        cells = (
            each["time"],
            each["prediction_id"] or each["request_id"],
            f"{each['namespace']}/{each['model']}",
            each["version"],
            each["arm"],
            str(each["status"]) if each["status"] else each["flags"] or "none",
            f"{each['latency_ms']:.1f}",
            outputs or each["outcome"],
            "" if apart is None else f"{apart:.4g}",
        )
        # Ids and answers are anybody's: they are texts, and no markup or control characters.
        table.add_row(*(Text(_printable(cell)) for cell in cells))
    Console(width=None if Console().is_terminal else 250, markup=False).print(table)


def _printable(text: str) -> str:
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return shown if len(shown) <= LONGEST_CELL else f"{shown[: LONGEST_CELL - 1]}…"
