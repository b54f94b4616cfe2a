"""`model-rollouts reference`: how training data are spread, and what moved since."""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.observer_extra import observer_extra, storage_options
from model_rollouts.cli.percentage import Percentage

if TYPE_CHECKING:
    from model_rollouts.observer.distributions import Column, Comparison, Movement, Reference

MOVED = 3
"""Exit code of `diff` when something moved."""
_SHOWN_CELLS = 6
_BAR = 8


class _Tolerance(Percentage):
    """A share such as 5%."""

    hint = "more than 0% and less than 100%"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share, above 0 and below 1."""
        share = super().convert(value, param, ctx)
        if not 0 < share < 1:
            self.fail(f"found '{value}', write {self.hint}", param, ctx)
        return share


class _NamedTolerance(click.ParamType[tuple[str, float]]):
    """COLUMN=5%."""

    name = "column=percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Name of the column and its share."""
        if isinstance(value, tuple):
            return value
        name, _, share = str(value).rpartition("=")
        if not name:
            self.fail(f"found '{value}', write COLUMN=PERCENT such as hour=10%", param, ctx)
        return name, TOLERANCE.convert(share, param, ctx)


TOLERANCE = _Tolerance()


_OF_LOG = (
    click.option("--log", help="Read a prediction log in place of files: a folder or an address."),
    storage_options,
    click.option("--namespace", "-n", help="With --log: namespace of the ModelDeployment."),
    click.option("--model", help="With --log: name of the ModelDeployment, which is needed."),
    click.option("--version", help="With --log: only this version of the model."),
    click.option("--slice", help="With --log: only this slice."),
    click.option(
        "--arm",
        default="live",
        show_default=True,
        type=click.Choice(["live", "shadow"]),
        help="With --log: what users asked, or mirrored requests.",
    ),
    click.option(
        "--since", type=DURATION, help="With --log: requests that began so long ago at most."
    ),
    click.option("--until", type=DURATION, help="With --log: requests that began longer ago."),
)


def _from_log(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose rows of the prediction log."""
    for option in reversed(_OF_LOG):
        command = option(command)
    return command


@click.group(short_help="Make, show and compare references of training data.")
def reference() -> None:
    """Make, show and compare references of training data.

    A reference says how values are spread: counts in bins, of each input, of scores and of labels.
    It is one small file without any row, and stays beside the model that was trained on the data.
    docs/shifts.md has its format, and how what moved is found.
    """


@reference.command(short_help="Make a reference of data files.")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option(
    "--write", "target", type=click.Path(dir_okay=False), help="Write it there.  [default: stdout]"
)
@click.option("--include", multiple=True, metavar="COLUMN", help="Only these inputs; repeatable.")
@click.option(
    "--exclude", multiple=True, metavar="COLUMN", help="Columns that are no inputs; repeatable."
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    metavar="COLUMN",
    help="Columns whose numbers are names of something, such as codes; repeatable.",
)
@click.option("--score", metavar="COLUMN", help="The column with the model's score.")
@click.option("--label", metavar="COLUMN", help="The column with the label.")
@click.option(
    "--bins",
    default=20,
    show_default=True,
    type=click.IntRange(2, 20),
    help="How many bins, or categories, a column gets at most.",
)
@click.option(
    "--like",
    metavar="REFERENCE",
    help="Take columns and bins of this reference, so that diff can compare the two.",
)
@click.option("--dataset", "dataset_id", default="", help="Id of the snapshot of the data set.")
@click.option(
    "--importances",
    metavar="FILE",
    help='JSON of how much the model uses each input, such as {"hour": 0.4}. It sorts what diff '
    "finds.",
)
@_from_log
def make(files: tuple[str, ...], **options: Any) -> None:
    """Make a reference of FILEs with the same columns: Parquet, CSV or Arrow, by their names' ends.

    With --log, of the requests in a prediction log. The same rows in the same order give the same
    bytes. It needs the extra `observer` of this package.

    \b
    model-rollouts reference make train.parquet --label delayed --write reference.json
    model-rollouts reference make may.csv --like reference.json --write may.json
    model-rollouts reference make --log LOG --model iris --version 3 --since 24h

    Exit codes: 0 success, 1 the files cannot be counted, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    own = ("include", "exclude", "categories", "score", "label", "importances")
    if options["like"] and any(options[each] for each in own):
        raise click.UsageError(
            "with --like, columns, bins and importances are those of that reference: leave out "
            "--include, --exclude, --category, --score, --label and --importances"
        )
    with observer_extra():
        from model_rollouts.observer import tables
        from model_rollouts.observer.store.query import LogError
    from model_rollouts.observer.distributions import BadReferenceError, write

    like = _read(options["like"]) if options["like"] else None
    importances = _importances(options["importances"])
    texts = options["categories"] if like is None else _texts(like)
    table = _rows(files, options, texts)
    try:
        with _progress() as progress:
            if like is not None:
                made = tables.count(table, like, progress, dataset_id=options["dataset_id"])
            else:
                outputs = {*table.outputs} - {*options["include"]} if options["log"] else ()
                choice = tables.Choice(
                    options["include"],
                    (*options["exclude"], *sorted(outputs)),
                    options["categories"],
                    options["score"],
                    options["label"],
                    options["bins"],
                )
                made = tables.make(
                    table,
                    choice,
                    progress,
                    dataset_id=options["dataset_id"],
                    importances=importances,
                )
        content = write(made)
    except (tables.TableError, BadReferenceError, LogError) as error:
        raise click.ClickException(str(error)) from None
    _put(options["target"], content)


@reference.command(short_help="Show what is in a reference.")
@click.argument("file", metavar="REFERENCE")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with its digest.")
def show(file: str, as_json: bool) -> None:
    """Show what is in REFERENCE.

    Exit codes: 0 success, 1 it is no reference, 2 wrong command line.
    """
    content = _content(file)
    found = _read(file, content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if as_json:
        click.echo(json.dumps({"digest": digest, **json.loads(content)}))
    else:
        _print_reference(found, digest)


@reference.command(short_help="Say what moved since a reference was made.")
@click.argument("file", metavar="REFERENCE")
@click.argument("others", nargs=-1, metavar="[OTHER...]")
@click.option(
    "--tolerance",
    default="5%",
    show_default=True,
    type=TOLERANCE,
    help="The share of rows that may be in other bins.",
)
@click.option(
    "--tolerance-of",
    "tolerances",
    multiple=True,
    type=_NamedTolerance(),
    help="Another tolerance for a column, such as hour=10%; repeatable.",
)
@_from_log
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def diff(
    file: str,
    others: tuple[str, ...],
    tolerance: float,
    tolerances: tuple[tuple[str, float], ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Say which columns moved between REFERENCE and OTHER, by how much, from what to what.

    OTHER is a reference with the same bins, or data files; with --log, it is the requests in a
    prediction log. Files and logs need the extra `observer` of this package. A
    column is named when more rows than the tolerance are elsewhere beyond chance: of all
    comparisons without such a change, at most 5 % name any. Rows count as independent.

    \b
    model-rollouts reference diff reference.json may.parquet
    model-rollouts reference diff reference.json may.parquet --tolerance-of hour=10% --json
    model-rollouts reference diff reference.json --log LOG --model iris --version 4 --since 1h

    Exit codes: 0 nothing moved, 3 something moved or an input is missing, 1 it cannot be compared,
    2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    from model_rollouts.observer.distributions import IncomparableError, compare

    before = _read(file)
    now = _other(before, others, options)
    try:
        found = compare(before, now, tolerance, dict(tolerances))
    except IncomparableError as error:
        raise click.ClickException(
            f"'{file}' and '{others[0] if others else options['log']}': {error}"
        ) from None
    if as_json:
        click.echo(json.dumps(_as_json(before, now, found)))
    else:
        _print_comparison(before, now, found)
    if found.moved or found.gone:
        sys.exit(MOVED)


def _other(before: "Reference", others: tuple[str, ...], options: dict[str, Any]) -> "Reference":
    """What the reference is compared with: another one, or rows counted in its bins."""
    if others and others[0].endswith(".json") and not options["log"]:
        if len(others) > 1:
            raise click.UsageError("write one reference, or several data files")
        return _read(others[0])
    table = _rows(others, options, _texts(before))
    from model_rollouts.observer import tables
    from model_rollouts.observer.store.query import LogError

    try:
        with _progress() as progress:
            return tables.count(table, before, progress)
    except (tables.TableError, LogError) as error:
        raise click.ClickException(str(error)) from None


def _rows(files: tuple[str, ...], options: dict[str, Any], texts: tuple[str, ...]) -> Any:
    """The rows that the command line names. Raises ClickException."""
    if bool(files) == bool(options["log"]):
        raise click.UsageError("write data files, or --log LOG --model NAME")
    chosen = [each for each in _QUESTION if options[each] is not None]
    if files and chosen:
        raise click.UsageError(f"--{chosen[0]} chooses rows of a prediction log: write --log, too")
    if options["log"] and options["model"] is None:
        raise click.UsageError("write --model NAME: inputs of two models are not alike")
    with observer_extra():
        from model_rollouts.observer import tables
    try:
        if files:
            return tables.Table(files, texts)
    except tables.TableError as error:
        raise click.ClickException(str(error)) from None
    return _log_rows(options)


_QUESTION = ("namespace", "model", "version", "slice", "since", "until")


def _log_rows(options: dict[str, Any]) -> Any:
    with observer_extra():
        from model_rollouts.observer.store.columns import LogColumns
        from model_rollouts.observer.store.query import LogError, Question
    now = datetime.now(UTC)
    asked = {name: options[name] for name in ("namespace", "model", "version", "slice")}
    for name in ("since", "until"):
        seconds = options[name]
        asked[name] = None if seconds is None else now - timedelta(seconds=seconds)
    storage = dict(options["storage_options"])
    try:
        return LogColumns(options["log"], storage, Question(**asked), options["arm"])
    except LogError as error:
        raise click.ClickException(str(error)) from None


def _texts(of: "Reference") -> tuple[str, ...]:
    """The columns that are counted as texts, whatever they look like in a CSV file."""
    from model_rollouts.observer.distributions import Numbers

    return tuple(each.name for each in of.columns if not isinstance(each, Numbers))


def _content(file: str) -> bytes:
    from model_rollouts.observer.distributions import LARGEST_FILE

    try:
        with Path(file).open("rb") as opened:
            # One byte more than is allowed, so that a wrong file of any size is refused quickly.
            return opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise click.ClickException(f"could not read '{file}': {error.strerror}") from None


def _read(file: str, content: bytes | None = None) -> "Reference":
    from model_rollouts.observer.distributions import BadReferenceError, read

    try:
        return read(_content(file) if content is None else content)
    except BadReferenceError as error:
        raise click.ClickException(
            f"'{file}' is no reference: {error}. Make one with: model-rollouts reference make"
        ) from None


def _importances(file: str | None) -> dict[str, float]:
    if file is None:
        return {}
    try:
        found = json.loads(Path(file).read_bytes())
    except OSError as error:
        raise click.ClickException(f"could not read '{file}': {error.strerror}") from None
    except ValueError:
        found = None
    is_named = isinstance(found, dict) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and each >= 0
        for each in found.values()
    )
    if not is_named:
        raise click.ClickException(
            f'\'{file}\' has no importances: write JSON such as {{"hour": 0.4, "carrier": 0.1}}, '
            "with numbers that are not negative"
        )
    return {str(name): float(each) for name, each in found.items()}


def _put(target: str | None, content: bytes) -> None:
    """Write it whole or not at all."""
    if target is None:
        click.echo(content, nl=False)
        return
    path = Path(target)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        mode = 0o666 & ~_umask()
        Path(file.name).chmod(mode)
        Path(file.name).replace(path)
    except OSError as error:
        raise click.ClickException(f"could not write '{target}': {error.strerror}") from None
    click.echo(f"wrote {target}, sha256:{hashlib.sha256(content).hexdigest()}", err=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar on terminals, and nothing elsewhere."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    from model_rollouts.cli.mdep.drawing import console

    bar = Progress(
        "{task.description}",
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        console=console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("reading", total=None)

        def update(what: str, done: int, total: int | None) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield update


def _print_reference(found: "Reference", digest: str) -> None:
    from rich.table import Table

    from model_rollouts.cli.mdep.drawing import console, text
    from model_rollouts.text import count, observed

    out = console()
    out.print(text(f"Reference {digest}"))
    of = f", snapshot {found.dataset.id}" if found.dataset.id else ""
    out.print(text(f"{count(found.rows)} rows of the data set {found.dataset.digest}{of}"))
    table = Table(box=None, pad_edge=False)
    for name in ("column", "role", "kind", "bins", "missing", "importance", "largest shares"):
        table.add_column(name)
    for column in found.columns:
        importance = found.importances.get(column.name)
        table.add_row(
            text(column.name),
            _role(found, column),
            _kind(column),
            str(len(column.counts)),
            observed(column.missing / found.rows) if column.missing else "none",
            "" if importance is None else f"{importance:.3g}",
            text(_largest(column, found.rows)),
        )
    out.print(table)


def _role(found: "Reference", column: "Column") -> str:
    if column is found.score:
        return "score"
    return "label" if column is found.label else "input"


def _kind(column: "Column") -> str:
    from model_rollouts.observer.distributions import Categories, Lengths

    if isinstance(column, Categories):
        return "category"
    return "text, by length" if isinstance(column, Lengths) else "number"


def _largest(column: "Column", rows: int) -> str:
    """The cells with most rows."""
    from model_rollouts.observer.distributions import label
    from model_rollouts.text import observed

    ranked = sorted(enumerate(column.cells), key=lambda pair: (-pair[1], pair[0]))
    parts = [
        f"{observed(rows_in / rows)} {label(column, index, index)}"
        for index, rows_in in ranked[:_SHOWN_CELLS]
        if rows_in
    ]
    return ", ".join(parts)


def _print_comparison(before: "Reference", now: "Reference", found: "Comparison") -> None:
    from rich.table import Table

    from model_rollouts.cli.mdep.drawing import console, text
    from model_rollouts.text import count, observed, percent

    out = console()
    table = Table(box=None, pad_edge=False)
    for name in ("column", "moved", "rows elsewhere", "", "largest change"):
        table.add_column(name)
    for each in found.movements:
        filled = round(each.distance * _BAR)
        table.add_row(
            text(each.name if each.role == "input" else f"{each.name} ({each.role})"),
            text(_state(each), style="bold red" if each.has_moved else ""),
            f"{observed(each.distance)}, {percent(each.tolerance)} allowed",
            "█" * filled + "░" * (_BAR - filled),
            # Of a column that did not move, it is what chance made of a sample.
            text("" if _state(each) == "no" else each.sentence),
        )
    out.print(table)
    for name in found.gone:
        out.print(text(f"{name}: not in the other data"))
    for name in found.new:
        out.print(text(f"{name}: not in the reference"))
    moved = f"{len(found.moved)} of {len(found.movements)} columns moved by more than the tolerance"
    out.print(text(f"{moved}: {count(before.rows)} rows then, {count(now.rows)} rows now."))


def _state(movement: "Movement") -> str:
    if movement.has_moved:
        return "yes"
    return "unclear" if movement.distance > movement.tolerance else "no"


def _as_json(before: "Reference", now: "Reference", found: "Comparison") -> dict[str, Any]:
    return {
        "rows": {"before": before.rows, "now": now.rows},
        "moved": [each.name for each in found.moved],
        "gone": list(found.gone),
        "new": list(found.new),
        "logEvalue": found.log_evalue,
        "columns": [
            {
                "name": each.name,
                "role": each.role,
                "moved": _state(each),
                "distance": each.distance,
                "tolerance": each.tolerance,
                "logEvalue": each.log_evalue,
                "where": each.where,
                "before": each.before,
                "now": each.now,
                "importance": each.importance,
                "sentence": each.sentence,
            }
            for each in found.movements
        ],
    }
