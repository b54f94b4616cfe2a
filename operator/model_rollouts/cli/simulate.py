"""`model-rollouts simulate`: what to expect of a rollout before anybody depends on it."""

import json
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from model_rollouts.cli.duration import DURATION
from model_rollouts.cli.percentage import PART_PERCENTAGE, PERCENTAGE
from model_rollouts.cli.types import judging, slice_target
from model_rollouts.decision import Assurance, Compare, DeadlinePolicy
from model_rollouts.simulation.experiment import STABLE_TAIL, InSlice, Scenario, Spread, Summary
from model_rollouts.simulation.experiment import simulate as play
from model_rollouts.simulation.trial import End
from model_rollouts.text import count, duration, percent, seconds

ALL = "all"
PLOT_FORMATS = (".png", ".svg")

TITLES = {
    End.PROMOTED: "Pro-\nmoted",
    End.PROMOTED_WITH_BOUND: "With\nbound",
    End.ROLLED_BACK: "Rolled\nback",
    End.UNDECIDED: "Unde-\ncided",
}
STYLES = {
    End.PROMOTED: "green",
    End.PROMOTED_WITH_BOUND: "cyan",
    End.ROLLED_BACK: "red",
    End.UNDECIDED: "yellow",
}
ALWAYS_SHOWN = (End.PROMOTED, End.ROLLED_BACK)


@click.command(short_help="Simulate rollouts with synthetic traffic.")
@click.option(
    "--rate",
    required=True,
    type=click.FloatRange(0, min_open=True),
    metavar="REQ/S",
    help="Requests per second to the whole service, both versions together.",
)
@judging
@click.option(
    "--errors",
    type=PERCENTAGE,
    help="Assumed share of failed requests of the candidate.  [default: half of what --target "
    "allows]",
)
@click.option(
    "--stable-errors",
    type=PERCENTAGE,
    help="Assumed share of failed requests of stable.  [default: half of what --target allows]",
)
@click.option(
    "--slow",
    type=PERCENTAGE,
    help="With --within: assumed share of slow requests of the candidate.  [default: half of what "
    "--share allows]",
)
@click.option(
    "--stable-slow",
    type=PERCENTAGE,
    help="With --within: assumed share of slow requests of stable.  [default: half of what --share "
    "allows]",
)
@click.option(
    "--refused",
    default="0%",
    show_default=True,
    type=PERCENTAGE,
    help="Assumed share of requests that the candidate refuses with a status 4xx.",
)
@click.option(
    "--stable-refused",
    default="0%",
    show_default=True,
    type=PERCENTAGE,
    help="Assumed share of requests that stable refuses with a status 4xx.",
)
@click.option(
    "--tail",
    default="1%",
    show_default=True,
    type=PERCENTAGE,
    help="Without --within: assumed share of the candidate's requests above stable's p99.",
)
@click.option(
    "--slice",
    "slice_share",
    type=PART_PERCENTAGE,
    help="Adds an errors objective on a slice, a Guard: share of all requests that are in it.",
)
@slice_target
@click.option(
    "--slice-errors",
    type=PERCENTAGE,
    help="With --slice: assumed share of its requests that the candidate fails, among those of "
    "--errors.  [default: --errors]",
)
@click.option(
    "--stable-slice-errors",
    type=PERCENTAGE,
    help="With --slice: the same of stable.  [default: --stable-errors]",
)
@click.option(
    "--slice-slow",
    type=PERCENTAGE,
    help="With --slice and --within: adds an objective on its times, a Guard with the promise of "
    "--within and --share; assumed share of its requests that are slow at the candidate, among "
    "those of --slow.",
)
@click.option(
    "--stable-slice-slow",
    type=PERCENTAGE,
    help="With --slice-slow: the same of stable.  [default: --stable-slow]",
)
@click.option(
    "--deadline",
    default="24h",
    show_default=True,
    type=DURATION,
    help="Time limit for a rollout that stays undecided.",
)
@click.option(
    "--on-deadline",
    default=DeadlinePolicy.PROMOTE_WITH_BOUND.value,
    show_default=True,
    type=click.Choice([policy.value for policy in DeadlinePolicy]),
    help="What happens to a version that is undecided at the deadline.",
)
@click.option(
    "--assurance",
    default=ALL,
    show_default=True,
    type=click.Choice([ALL, *(a.value for a in Assurance)]),
    help="How small a worsening must be ruled out before promotion.",
)
@click.option(
    "--scrape",
    default="5s",
    show_default=True,
    type=DURATION,
    help="Scrape interval.",
)
@click.option(
    "--replicas",
    default=1,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Pods that serve all users.",
)
@click.option(
    "--max-extra-replicas",
    type=click.IntRange(0),
    help="Pods that the candidate may have beyond them, as strategy.maxExtraReplicas. Steps that "
    "would take more are smaller.  [default: no bound]",
)
@click.option(
    "--trials",
    default=200,
    show_default=True,
    type=click.IntRange(1, 1_000_000),
    help="Number of rollouts to simulate for each assurance.",
)
@click.option(
    "--seed", default=1, show_default=True, help="Random seed. The same seed gives the same result."
)
@click.option(
    "--output",
    "-o",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json"]),
    help="Format of the result.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a plot to this .png or .svg file. Needs the extra 'plot'.",
)
def simulate(**options: Any) -> None:
    """Simulate rollouts with synthetic traffic and count how they end.

    From your objectives, traffic and steps, and from error rates that you assume, it shows for each
    assurance how likely promotion and rollback are, how long they take, and how many requests fail
    or are slow until then. Decisions are made by the operator's own code, with the default guards
    (docs/guards.md), and the weight moves by its own rules. Pods are ready at once and do not
    crash, and those of both versions are scraped at the same moments. Where stable's are scraped at
    other moments, a comparison takes one more scrape interval.

    \b
    A good version at 50 requests per second:
      model-rollouts simulate --rate 50 --errors 0.02%
    A version with ten times the allowed errors, with a plot:
      model-rollouts simulate --rate 50 --errors 1% --plot bad.png
    A version that is bad for one request in twenty alone:
      model-rollouts simulate --rate 50 --target 98% --slice 5% --slice-errors 20%
    Errors and latency at low traffic:
      model-rollouts simulate --rate 2 --target 99% --within 300ms --slow 0.8%
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    plot: Path | None = options["plot"]
    if plot is not None:
        _require_plotting(plot)
    _require_used()
    if options["max_extra_replicas"] == 0 and options["replicas"] == 1:
        raise click.UsageError(
            "--max-extra-replicas: found 0 with --replicas 1: its only pod is replaced without a "
            "canary, write 1 or more"
        )
    scenario = _scenario(options)
    _require_possible(scenario)
    chosen = [a for a in Assurance if options["assurance"] in (ALL, a.value)]
    try:
        for assurance in chosen:
            scenario.judge(assurance)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    shortest = len(scenario.steps) * scenario.min_step
    if shortest >= scenario.deadline:
        raise click.UsageError(
            f"--deadline: found {duration(scenario.deadline)} for {count(len(scenario.steps))} "
            f"steps of at least {duration(scenario.min_step)}, write more than "
            f"{duration(shortest)}, or fewer or shorter steps"
        )
    summaries = _play(scenario, chosen, options["trials"], options["seed"])
    if options["output"] == "json":
        click.echo(json.dumps(_as_json(scenario, summaries, options["seed"]), indent=2))
    else:
        _print(scenario, summaries)
    if plot is not None:
        from model_rollouts.cli.plot import draw

        try:
            draw(scenario, summaries, plot)
        except OSError as error:
            raise click.ClickException(f"could not write {plot}: {error.strerror}") from None
        click.echo(f"wrote {plot}", err=True)


def _require_used() -> None:
    """Refuse what would be ignored: options of a latency objective without one, or beside one."""
    context = click.get_current_context()
    given = {
        name
        for name in ("share", "slow", "stable_slow", "tail", "within")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    is_timed = "within" in given
    for name in sorted(given - {"within"}):
        if is_timed is (name == "tail"):
            option = f"--{name.replace('_', '-')}"
            needs = "no --within" if is_timed else "--within, such as --within 300ms"
            raise click.UsageError(f"{option} needs {needs}")

    of_slice = [
        name
        for name in (
            "slice_target",
            "slice_errors",
            "stable_slice_errors",
            "slice_slow",
            "stable_slice_slow",
        )
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if of_slice and context.params["slice_share"] is None:
        raise click.UsageError(
            f"--{of_slice[0].replace('_', '-')} needs --slice, such as --slice 5%"
        )
    if context.params["slice_slow"] is not None and not is_timed:
        raise click.UsageError("--slice-slow needs --within, such as --within 300ms")
    if context.params["stable_slice_slow"] is not None and context.params["slice_slow"] is None:
        raise click.UsageError("--stable-slice-slow needs --slice-slow, such as --slice-slow 5%")


def _in_slice(
    options: dict[str, Any], errors: float, stable_errors: float, stable_slow: float
) -> InSlice | None:
    if options["slice_share"] is None:
        return None
    inside, stable_inside = options["slice_errors"], options["stable_slice_errors"]
    slow, at_stable = options["slice_slow"], options["stable_slice_slow"]
    return InSlice(
        share=options["slice_share"],
        target=options["slice_target"],
        errors=errors if inside is None else inside,
        stable_errors=stable_errors if stable_inside is None else stable_inside,
        slow=slow,
        stable_slow=stable_slow if slow is not None and at_stable is None else at_stable,
    )


def _require_possible(scenario: Scenario) -> None:
    """Refuse a slice with more, or fewer, failed or slow requests than all requests can have."""
    part = scenario.in_slice
    if part is None:
        return
    for option, errors, inside in (
        ("--errors", scenario.errors, part.errors),
        ("--stable-errors", scenario.stable_errors, part.stable_errors),
        ("--slow", scenario.slow, part.slow),
        ("--stable-slow", scenario.stable_slow, part.stable_slow),
    ):
        if inside is None:
            continue
        least = part.share * inside
        most = least + 1 - part.share
        if not least - 1e-12 <= errors <= most + 1e-12:
            raise click.UsageError(
                f"{option}: found {percent(errors)}, and {percent(inside)} of a slice of "
                f"{percent(part.share)}; write {percent(least)} to {percent(most)}, of which the "
                "slice's are a part"
            )


def _require_plotting(plot: Path) -> None:
    if plot.suffix not in PLOT_FORMATS:
        raise click.BadParameter(
            f"found '{plot}', write a file name that ends in .png or .svg", param_hint="--plot"
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise click.ClickException(
            "--plot needs matplotlib, which is not installed: pip install 'model-rollouts[plot]'"
        ) from None


def _scenario(options: dict[str, Any]) -> Scenario:
    allowed, slow = 1 - options["target"], 1 - options["share"]

    def guess(name: str, default: float) -> float:
        value: float | None = options[name]
        return default if value is None else value

    failed, stable_failed = guess("errors", allowed / 2), guess("stable_errors", allowed / 2)
    late, stable_late = guess("slow", slow / 2), guess("stable_slow", slow / 2)
    part = _in_slice(options, failed, stable_failed, stable_late)
    if part is not None and options["errors"] is None:
        # Half of what is allowed, outside of the slice: its own come to that.
        failed = part.share * part.errors + (1 - part.share) * failed
    if part is not None and part.slow is not None and options["slow"] is None:
        late = part.share * part.slow + (1 - part.share) * late
    return Scenario(
        target=options["target"],
        within=options["within"],
        share=options["share"],
        requests_per_second=options["rate"],
        errors=failed,
        stable_errors=stable_failed,
        in_slice=part,
        slow=late,
        stable_slow=stable_late,
        steps=options["steps"],
        min_step=options["min_step"],
        deadline=options["deadline"],
        on_deadline=DeadlinePolicy(options["on_deadline"]),
        compare=Compare(options["compare"]),
        dispersion=options["dispersion"],
        scrape=options["scrape"],
        replicas=options["replicas"],
        max_extra=options["max_extra_replicas"],
        refused=options["refused"],
        stable_refused=options["stable_refused"],
        tail=options["tail"],
    )


def _play(scenario: Scenario, chosen: list[Assurance], trials: int, seed: int) -> list[Summary]:
    progress = Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with progress:
        tasks = [progress.add_task(assurance.value, total=trials) for assurance in chosen]
        return [
            play(
                scenario,
                assurance,
                trials=trials,
                seed=seed,
                progress=lambda task=task: progress.advance(task),  # type: ignore[misc]
            )
            for assurance, task in zip(chosen, tasks, strict=True)
        ]


def _print(scenario: Scenario, summaries: list[Summary]) -> None:
    console = Console(highlight=False)
    console.print(_promise(scenario), soft_wrap=True)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Assurance\n(rules out)", no_wrap=True)
    shown = [end for end in End if end in ALWAYS_SHOWN or any(s.ends[end] for s in summaries)]
    for end in shown:
        table.add_column(TITLES[end], justify="right", style=STYLES[end], no_wrap=True)
    for title in ("Time to\npromotion", "Time to\nrollback", "Failed\nor slow"):
        table.add_column(title, justify="right", no_wrap=True)
    for summary in summaries:
        limits = ", ".join(percent(limit) for limit in summary.bad_limits.values())
        table.add_row(
            f"{summary.assurance}\n({limits})",
            *(f"{100 * summary.share(end):.1f} %" for end in shown),
            _times(summary.promotion_seconds),
            _times(summary.rollback_seconds),
            f"{count(summary.bad.median)}\n({count(summary.bad.p95)})",
        )
    console.print(table)
    console.print(
        "Times and requests: median (95th percentile) of "
        f"{count(summaries[0].trials)} rollouts each.",
        style="dim",
        soft_wrap=True,
    )
    if scenario.dispersion > 1:
        console.print(
            f"The judge is told that errors come in bursts (dispersion {scenario.dispersion:g}); "
            "the simulated ones do not, so real rollouts are less regular.",
            style="dim",
            soft_wrap=True,
        )


def _times(spread: Spread | None) -> str:
    return "-" if spread is None else f"{duration(spread.median)}\n({duration(spread.p95)})"


def _promise(scenario: Scenario) -> str:
    words = (
        f"{scenario.requests_per_second:g} req/s; errors: {percent(scenario.target)} must succeed, "
        f"candidate fails {percent(scenario.errors)}, stable {percent(scenario.stable_errors)}"
    )
    if scenario.within is not None:
        words += (
            f"; latency: {percent(scenario.share)} within {seconds(scenario.within)}, "
            f"candidate {percent(scenario.slow)} slower, stable {percent(scenario.stable_slow)}"
        )
    if scenario.refused or scenario.stable_refused:
        words += (
            f"; 4xx: candidate {percent(scenario.refused)}, "
            f"stable {percent(scenario.stable_refused)}"
        )
    if scenario.within is None and scenario.tail != STABLE_TAIL:
        words += f"; above stable's p99: candidate {percent(scenario.tail)}"
    if (part := scenario.in_slice) is not None:
        words += (
            f"; slice of {percent(part.share)}: {percent(part.target)} must succeed, "
            f"candidate fails {percent(part.errors)}, stable {percent(part.stable_errors)}"
        )
        if part.slow is not None and part.stable_slow is not None:
            words += f", candidate {percent(part.slow)} slower, stable {percent(part.stable_slow)}"
    words += f"; steps {', '.join(percent(step) for step in scenario.steps)}"
    if any(step.is_reduced for step in scenario.given_steps):
        given = ", ".join(percent(float(step.weight)) for step in scenario.given_steps[:-1])
        words += f", of which the extra pods allow {given}"
    return words + "."


def _as_json(scenario: Scenario, summaries: list[Summary], seed: int) -> dict[str, Any]:
    def spread(value: Spread | None) -> dict[str, float] | None:
        return None if value is None else {"median": value.median, "p95": value.p95}

    return {
        "scenario": {
            "requestsPerSecond": scenario.requests_per_second,
            "target": scenario.target,
            "errors": scenario.errors,
            "stableErrors": scenario.stable_errors,
            "withinSeconds": scenario.within,
            "share": scenario.share if scenario.within is not None else None,
            "slow": scenario.slow if scenario.within is not None else None,
            "stableSlow": scenario.stable_slow if scenario.within is not None else None,
            "steps": scenario.steps,
            "minStepSeconds": scenario.min_step,
            "deadlineSeconds": scenario.deadline,
            "onDeadline": scenario.on_deadline,
            "compare": scenario.compare,
            "dispersion": scenario.dispersion,
            "scrapeSeconds": scenario.scrape,
            "replicas": scenario.replicas,
            "maxExtraReplicas": scenario.max_extra,
            "weights": [float(step.weight) for step in scenario.given_steps[:-1]],
            "refused": scenario.refused,
            "stableRefused": scenario.stable_refused,
            "slice": None
            if scenario.in_slice is None
            else {
                "share": scenario.in_slice.share,
                "target": scenario.in_slice.target,
                "errors": scenario.in_slice.errors,
                "stableErrors": scenario.in_slice.stable_errors,
                "slow": scenario.in_slice.slow,
                "stableSlow": scenario.in_slice.stable_slow,
            },
            "tail": scenario.tail if scenario.within is None else None,
            "seed": seed,
        },
        "results": [
            {
                "assurance": summary.assurance,
                "badLimits": summary.bad_limits,
                "trials": summary.trials,
                "ends": {end.value: summary.ends[end] for end in End},
                "promotionSeconds": spread(summary.promotion_seconds),
                "rollbackSeconds": spread(summary.rollback_seconds),
                "badAnswers": spread(summary.bad),
            }
            for summary in summaries
        ],
    }
