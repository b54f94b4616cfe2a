"""The command: measure again, and fail where a figure is outside its range."""

import gc
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from benchmarks.check.measures import MEASURES, machine

RANGES = Path(__file__).with_name("ranges.toml")


@dataclass(frozen=True, slots=True)
class Range:
    """From where to where a figure may be, and why."""

    name: str
    low: float
    high: float
    unit: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its range; `value` None where it was not measured."""

    range: Range
    value: float | None

    @property
    def is_inside(self) -> bool:
        """Whether it is where it may be."""
        return self.value is not None and self.range.low <= self.value <= self.range.high


def ranges(path: Path = RANGES) -> dict[str, Range]:
    """All ranges of a file, by the name of their figure."""
    found = tomllib.loads(path.read_text())
    return {
        f"{benchmark}.{figure}": Range(f"{benchmark}.{figure}", **fields)
        for benchmark, figures in found.items()
        for figure, fields in figures.items()
    }


def compared(known: dict[str, Range], figures: dict[str, float]) -> list[Row]:
    """Each range with its figure. Raises ValueError for a figure that has no range."""
    if strangers := sorted(figures.keys() - known.keys()):
        raise ValueError(f"{RANGES.name} has no range for {', '.join(strangers)}; write one")
    return [Row(each, figures.get(name)) for name, each in known.items()]


def table(rows: list[Row]) -> Iterator[str]:
    """The rows for people; the reason of each that is outside."""
    width = max(len(row.range.name) for row in rows)
    yield f"{'figure':{width}}  {'found':>10}  {'from':>10}  {'to':>10}  unit"
    for row in rows:
        each, found = row.range, "-" if row.value is None else f"{row.value:,.4g}"
        said = "" if row.is_inside else "  OUTSIDE"
        yield (
            f"{each.name:{width}}  {found:>10}  {each.low:>10,.4g}  {each.high:>10,.4g}  "
            f"{each.unit}{said}"
        )
    for row in rows:
        if not row.is_inside:
            yield f"{row.range.name}: {row.range.reason}"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the figures and ranges as JSON.")
@click.option(
    "--only", type=click.Choice(sorted(MEASURES)), multiple=True, help="Only these benchmarks."
)
def main(as_json: bool, only: tuple[str, ...]) -> None:
    """Measure the short benchmarks again and hold them against benchmarks/check/ranges.toml."""
    # As `engine.wiring` has it.
    gc.set_threshold(50_000, 50, 50)
    chosen = only or tuple(MEASURES)
    figures: dict[str, float] = {}
    for name in chosen:
        click.echo(f"measuring {name} ...", err=True)
        figures |= MEASURES[name]()
    known = {name: each for name, each in ranges().items() if name.partition(".")[0] in chosen}
    rows = compared(known, figures)
    outside = [row for row in rows if not row.is_inside]
    if as_json:
        shown = [{**asdict(row.range), "value": row.value, "inside": row.is_inside} for row in rows]
        click.echo(json.dumps({"machine": round(machine(), 2), "figures": shown}, indent=2))
    else:
        for line in table(rows):
            click.echo(line)
        click.echo(
            f"{len(rows) - len(outside)} of {len(rows)} figures are in their ranges; "
            f"this machine takes {machine():.1f} times the CPU of the one of the ranges"
        )
    sys.exit(1 if outside else 0)


if __name__ == "__main__":
    main()
