"""How `replay` tells its story: a table for people, JSON lines for programs."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from model_rollouts.decision import Judge, promise
from model_rollouts.replay.recording import Header
from model_rollouts.replay.story import Event, Moment, What
from model_rollouts.text import duration, percent

STYLES = {What.PROMOTED: "green", What.ROLLED_BACK: "red", What.UNDECIDED: "yellow"}


def print_table(
    head: Header, judge: Judge, left_out: Sequence[str], events: Sequence[Event]
) -> None:
    """The events with their reasons, and which objectives are left out."""
    console = Console(highlight=False)
    against = f" compared with {head.stable}" if head.stable else ""
    promises = "; ".join(promise(each) for each in judge.rules.objectives)
    console.print(f"{head.namespace}/{head.candidate}{against}: {promises}.", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Time (UTC)", no_wrap=True)
    table.add_column("After", justify="right", no_wrap=True)
    table.add_column("Event", no_wrap=True)
    table.add_column("Weight", justify="right", no_wrap=True)
    table.add_column("Why")
    for event in events:
        table.add_row(
            _clock(event.at_ms),
            duration((event.at_ms - head.from_ms) / 1000),
            event.what.value,
            percent(event.weight),
            event.words,
            style=STYLES.get(event.what),
        )
    console.print(table)
    if left_out:
        console.print(f"Left out: {', '.join(left_out)}.", style="dim", soft_wrap=True)


def print_moment(moment: Moment) -> None:
    """One interval as a line of JSON."""
    record = moment.record
    line = {
        "start": _clock(record.start_ms),
        "end": _clock(record.end_ms),
        "traffic": moment.traffic.value,
        "arms": {
            name: {
                "pods": arm.pods,
                "resets": arm.resets,
                "objectives": {
                    each: {"total": tally.total, "bad": tally.bad}
                    for each, tally in arm.tallies.items()
                },
            }
            for name, arm in record.arms.items()
        },
        "findings": [
            {"reason": each.reason, "arm": each.arm, "message": each.message}
            for each in record.findings
        ],
        "failEvidence": moment.fail_evidence,
        "events": [_event(each) for each in moment.events],
    }
    click.echo(json.dumps(line))


def print_end(event: Event) -> None:
    """The end of the recording, which no interval brought, as a line of JSON."""
    click.echo(json.dumps({"events": [_event(event)]}))


def _event(event: Event) -> dict[str, Any]:
    return {
        "at": _clock(event.at_ms),
        "what": event.what.value,
        "weight": event.weight,
        "why": event.words,
    }


def _clock(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds")[:-6] + "Z"
