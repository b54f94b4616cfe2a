"""`model-rollouts replay`: what would have been decided on recorded samples, when and why."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.prometheus_file import prometheus
from model_rollouts.cli.replay_output import print_end, print_moment, print_table
from model_rollouts.cli.types import (
    CERTIFICATES,
    TIME,
    WARMUP,
    judging,
    slice_target,
)
from model_rollouts.decision import (
    Assurance,
    Compare,
    Dispersion,
    Judge,
    Objective,
    Role,
    Rules,
    Slice,
    breaker,
    errors,
    latency,
)
from model_rollouts.metrics.errors import InputError
from model_rollouts.prometheus.errors import AnswerError, QueryError
from model_rollouts.replay.fetch import fetch
from model_rollouts.replay.recording import Header, Recording, read_file
from model_rollouts.replay.story import Event, Story, What, intervals
from model_rollouts.rollout import Counting

EXIT_CODES = {What.PROMOTED: 0, What.ROLLED_BACK: 3, What.UNDECIDED: 4}
SERVER_NEEDS = ("namespace", "candidate", "from", "until")


@click.command(short_help="Replay a rollout from recorded samples.")
@click.argument("recording", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--prometheus",
    "url",
    metavar="URL",
    help="Read samples from the Prometheus at this address. Needs the extra 'inspect'.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with a bearer token for Prometheus.",
)
@click.option(
    "--ca-file",
    type=CERTIFICATES,
    help="CA bundle for Prometheus, in PEM.  [default: the system's certificates]",
)
@click.option(
    "--prometheus-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with everything else about Prometheus, as for `model-rollouts run`.",
)
@click.option("--namespace", help="Namespace of the model.")
@click.option("--candidate", metavar="REVISION", help="Revision to judge.")
@click.option("--stable", metavar="REVISION", help="Revision to compare it with.  [default: none]")
@click.option("--from", "from_", type=TIME, help="Start, such as 2026-11-22T14:00:00Z.")
@click.option("--until", type=TIME, help="End, such as 2026-11-22T15:00:00Z.")
@click.option("--step", default="5s", show_default=True, type=DURATION, help="Scrape interval.")
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also save the samples to this file, as a RECORDING for later.",
)
@judging
@click.option(
    "--slice",
    "slices",
    multiple=True,
    metavar="NAME",
    help="Adds an errors objective on this slice, a Guard. Can be repeated.",
)
@slice_target
@click.option(
    "--assurance",
    default=Assurance.STANDARD.value,
    show_default=True,
    type=click.Choice([each.value for each in Assurance], case_sensitive=False),
    help="How small a worsening must be ruled out before promotion.",
)
@click.option(
    "--warmup",
    default="1m",
    show_default=True,
    type=WARMUP,
    help="How long answers do not count for latency after the first request to a pod.",
)
@click.option(
    "--output",
    "-o",
    default="table",
    show_default=True,
    type=click.Choice(["table", "jsonl"]),
    help="Format of the result.",
)
@click.option(
    "--exit-code",
    is_flag=True,
    help="Exit with 0 if promoted, 3 if rolled back, 4 if undecided.",
)
def replay(**options: Any) -> None:
    """Replay a rollout from recorded samples: what would be decided, when and why.

    Samples come from a RECORDING, or from a Prometheus that still has them. They are counted and
    judged by the operator's own code. The guards on refused requests, restarts and tails are left
    out (docs/guards.md). The replay chooses its own weights, step by step, whatever
    weights the rollout had.

    \b
    Save the samples of a rollout, and judge them:
      model-rollouts replay --prometheus http://localhost:9090 --namespace shop \\
        --stable m-4f2c --candidate m-9be0 --from 2026-11-22T14:00:00Z \\
        --until 2026-11-22T15:00:00Z --record rollout.jsonl
    Judge them again with other objectives:
      model-rollouts replay rollout.jsonl --target 99% --within 300ms
      model-rollouts replay rollout.jsonl --slice long-haul --slice-target 97%
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    try:
        samples = _samples(options)
        counting, judge = _judge(options, samples)
        end = _tell(samples, counting, judge, options)
    except (InputError, QueryError, AnswerError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    if options["exit_code"]:
        sys.exit(EXIT_CODES[end.what])


def _samples(options: dict[str, Any]) -> Recording:
    path, url = options["recording"], options["url"]
    if (path is None) == (url is None):
        raise click.UsageError(
            "found both a RECORDING and --prometheus, or neither; write one of them"
        )
    if path is not None:
        for name in (*SERVER_NEEDS, "record"):
            if options["from_" if name == "from" else name] is not None:
                raise click.UsageError(f"--{name} needs --prometheus instead of a RECORDING")
        return read_file(path)
    for name in SERVER_NEEDS:
        if options["from_" if name == "from" else name] is None:
            raise click.UsageError(f"--prometheus also needs --{name}")
    recording = _fetch(options)
    if options["record"] is not None:
        with options["record"].open("w", encoding="utf-8") as file:
            recording.write(file)
        click.echo(f"wrote {options['record']}", err=True)
    return recording


def _fetch(options: dict[str, Any]) -> Recording:
    header = Header(
        namespace=options["namespace"],
        stable=options["stable"],
        candidate=options["candidate"],
        from_ms=round(options["from_"].timestamp() * 1000),
        until_ms=round(options["until"].timestamp() * 1000),
        step_ms=round(options["step"] * 1000),
    )
    try:
        from model_rollouts.prometheus.inspect import connect, raw_samples
    except ImportError as error:
        raise click.ClickException(f"--prometheus: {error}") from None
    server, batching = prometheus(
        options["url"],
        token_file=options["token_file"],
        ca_file=options["ca_file"],
        config=options["prometheus_config"],
        timeout_s=60,
    )
    with (
        closing(connect(server, header.namespace)) as connected,
        _progress("reading samples") as progress,
    ):
        return fetch(partial(raw_samples, connected), header, batching, progress)


def _judge(options: dict[str, Any], samples: Recording) -> tuple[Counting, Judge]:
    assurance, compare = Assurance(options["assurance"]), Compare(options["compare"])
    objectives: list[Objective] = [
        errors("errors", options["target"], assurance=assurance, compare=compare),
        breaker(),
    ]
    for name in dict.fromkeys(options["slices"]):
        if name not in (known := samples.slices()):
            raise click.UsageError(
                f"--slice: found '{name}', write {' or '.join(known)}"
                if known
                else f"--slice: found '{name}', and the samples have no slice: the revisions "
                "counted none, or an earlier release recorded them"
            )
        objectives.append(
            errors(
                f"{name}-errors",
                options["slice_target"],
                assurance=assurance,
                compare=compare,
                role=Role.GUARD,
                slice=Slice(name),
            )
        )
    if options["within"] is not None:
        edges = samples.thresholds()
        if not edges:
            raise click.UsageError("--within: the samples have no latency histogram")
        objectives.append(
            latency(
                "latency",
                options["within"],
                options["share"],
                edges,
                assurance=assurance,
                compare=compare,
            )
        )
    try:
        rules = Rules(
            tuple(objectives),
            steps=options["steps"],
            baseline=samples.header.stable is not None,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    told = Dispersion(options["dispersion"], options["dispersion"])
    judge = Judge(rules, {each.name: told for each in objectives if each.name != "breaker"})
    return Counting(rules.objectives), judge


def _tell(samples: Recording, counting: Counting, judge: Judge, options: dict[str, Any]) -> Event:
    """Run the replay and print it; returns how it ends."""
    story = Story(judge, counting, options["min_step"])
    head = samples.header
    as_lines = options["output"] == "jsonl"
    events: list[Event] = []
    last_ms = head.from_ms
    with _progress("judging") as progress:
        for record in intervals(samples, counting, round(options["warmup"] * 1000)):
            moment = story.tell(record)
            events += moment.events
            last_ms = record.end_ms
            progress(last_ms - head.from_ms, head.until_ms - head.from_ms)
            if as_lines:
                print_moment(moment)
            if story.ended:
                break
        else:
            events.append(story.end(last_ms))
            if as_lines:
                print_end(events[-1])
    if not as_lines:
        print_table(head, judge, events)
    return events[-1]


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on terminals, and nothing elsewhere."""
    bar = Progress(
        "{task.description}",
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
