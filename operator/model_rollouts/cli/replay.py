"""`model-rollouts replay`: what would have been decided on recorded samples, when and why."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource
from pydantic import ValidationError

from model_rollouts.api.deployment import read
from model_rollouts.api.duration import span
from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.prometheus_options import progress_bar, prometheus_options, read_samples
from model_rollouts.cli.replay_output import print_end, print_moment, print_table
from model_rollouts.cli.types import TIME, WARMUP, judging, slice_target
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
from model_rollouts.replay.recording import Header, Recording, read_file
from model_rollouts.replay.story import Event, Story, What, intervals
from model_rollouts.rollout import Counting, declared

EXIT_CODES = {What.PROMOTED: 0, What.ROLLED_BACK: 3, What.UNDECIDED: 4}
SERVER_NEEDS = ("namespace", "candidate", "from", "until")
JUDGED_BY = (
    "target",
    "within",
    "share",
    "steps",
    "compare",
    "dispersion",
    "slices",
    "slice_target",
    "assurance",
)
"""Options that take the place of the spec of an incident."""
LEFT_OUT = ("guards",)
"""Of samples that are judged by options."""


@click.command(short_help="Replay a rollout from recorded samples.")
@click.argument("recording", required=False, type=click.Path(dir_okay=False, path_type=Path))
@prometheus_options
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
    judged by the operator's own code. The replay chooses its own weights, step by step, whatever
    weights the rollout had. A file that `kubectl mdep record` wrote is judged by the spec in it,
    unless an objective, an assurance or steps are given here; samples alone are judged by these,
    without guards (docs/guards.md).

    \b
    Save the samples of a rollout, and judge them:
      model-rollouts replay --prometheus http://localhost:9090 --namespace shop \\
        --stable m-4f2c --candidate m-9be0 --from 2026-11-22T14:00:00Z \\
        --until 2026-11-22T15:00:00Z --record rollout.jsonl
    Judge them again with other objectives:
      model-rollouts replay rollout.jsonl --target 99% --within 300ms
      model-rollouts replay rollout.jsonl --slice long-haul --slice-target 97%
    Judge an incident by its own spec:
      kubectl mdep record arrival --prometheus http://localhost:9090 incident.jsonl.gz
      model-rollouts replay incident.jsonl.gz
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    try:
        samples = _samples(options)
        end = _tell(samples, _judged(options, samples), options["output"])
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
        recording.save(options["record"])
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
    return read_samples(options, header)


class _Judged(NamedTuple):
    """By what recorded samples are judged, and what of that is left out, for a person."""

    judge: Judge
    min_step_s: float
    warmup_ms: int
    left_out: tuple[str, ...]


def _judged(options: dict[str, Any], samples: Recording) -> _Judged:
    if samples.is_empty and samples.objects:
        raise click.UsageError(
            "the file has no samples: record it again with --prometheus, or write --prometheus here"
        )
    min_step, warmup = options["min_step"], round(1000 * options["warmup"])
    obj = samples.object_of("ModelDeployment")
    if obj is None or any(map(_is_given, JUDGED_BY)):
        return _Judged(_judge(options, samples), min_step, warmup, LEFT_OUT)
    try:
        spec = read(obj).spec
        found = declared(
            spec,
            samples.thresholds(),
            samples.slices(),
            baseline=samples.header.stable is not None,
        )
    except ValueError as error:
        raise click.ClickException(
            f"the spec of the recording cannot be judged by these samples: {_one_line(error)}; "
            "write --target or --within"
        ) from None
    canary = spec.strategy.canary
    if not _is_given("min_step"):
        min_step = span(canary.min_step_duration).total_seconds()
    if not _is_given("warmup"):
        warmup = round(1000 * span(canary.warmup).total_seconds())
    return _Judged(found.judge, min_step, warmup, found.left_out)


def _one_line(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    wrong = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"


def _is_given(name: str) -> bool:
    """Whether an option was written, on the command line or in the environment."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP, None)


def _judge(options: dict[str, Any], samples: Recording) -> Judge:
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
    return Judge(rules, {each.name: told for each in objectives if each.name != "breaker"})


def _tell(samples: Recording, judged: _Judged, output: str) -> Event:
    """Run the replay and print it; returns how it ends."""
    counting = Counting(judged.judge.rules.objectives)
    story = Story(judged.judge, counting, judged.min_step_s)
    head = samples.header
    as_lines = output == "jsonl"
    events: list[Event] = []
    last_ms = head.from_ms
    with progress_bar("judging") as progress:
        for record in intervals(samples, counting, judged.warmup_ms):
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
        print_table(head, judged.judge, judged.left_out, events)
    return events[-1]
