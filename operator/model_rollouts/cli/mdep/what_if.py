"""`kubectl mdep what-if`: the same forecast with other steps, assurance or objectives."""

import copy
from typing import Any

import click

from model_rollouts.cli.mdep import forecast, options
from model_rollouts.cli.mdep.get import serialized
from model_rollouts.cli.mdep.set import set_fields


@click.command("what-if", short_help="Forecast a canary with other steps or objectives.")
@options.named
@forecast.RATE
@click.option("--steps", help="Other steps, such as 10%,50%.")
@click.option("--min-step", help="Another least time on each step, such as 2m.")
@click.option(
    "--assurance", type=click.Choice(["Fast", "Standard", "Strict"]), help="Another assurance."
)
@click.option("--deadline", help="Another deadline, such as 12h.")
@click.option("--replicas", type=click.IntRange(1), help="Another number of pods.")
@click.option("--max-extra-replicas", type=click.IntRange(0), help="Other extra pods.")
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="NAME:FIELD=VALUE,...",
    help="Other fields of an objective, as for `set objective`, such as errors:target=99.5%; can "
    "be repeated.",
)
@options.output("json", "yaml")
def what_if(**given: Any) -> None:
    """Forecast the canary of NAME with another spec, beside the one that it has. Changes nothing.

    \b
    Would a looser target and larger steps be decided sooner?
      kubectl mdep what-if arrival --steps 10%,50% --objective errors:target=99.5%

    Exit codes: 0 success, 1 it could not be read, 2 wrong command line.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines is a backspace
    from model_rollouts.api.deployment import read
    from model_rollouts.cli.mdep.offline import problems

    api, namespace = options.connected(given)
    obj = options.fetch(api, namespace, given["name"])
    other = _other(obj, given)
    if other == obj:
        raise click.UsageError("found nothing to change, write --steps, --objective or another")
    wrong = problems({key: value for key, value in other.items() if key != "status"})
    if wrong:
        raise click.ClickException("; ".join(f"{each.field}: {each.message}" for each in wrong[:3]))
    deployment, known = forecast.judged(api, namespace, obj)
    rate = forecast.rate_of(given["rate"], known, obj)
    found = {
        "now": forecast.told(deployment, rate, known),
        "then": forecast.told(options.readable(other, read), rate, known),
    }
    if given["output"] is not None:
        click.echo("\n".join(serialized(found, given["output"])))
        return
    click.echo(f"Now:  {found['now']['message']}")
    click.echo(f"Then: {found['then']['message']}")


def _other(obj: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    other = copy.deepcopy(obj)
    spec = other["spec"]
    strategy = spec.setdefault("strategy", {})
    if given["steps"]:
        steps = [each.strip() for each in given["steps"].split(",")]
        strategy.setdefault("canary", {})["steps"] = steps
    if given["min_step"]:
        strategy.setdefault("canary", {})["minStepDuration"] = given["min_step"]
    for option, key in (
        ("assurance", "assurance"),
        ("deadline", "deadline"),
        ("max_extra_replicas", "maxExtraReplicas"),
    ):
        if given[option] is not None:
            strategy[key] = given[option]
    if given["replicas"] is not None:
        spec["replicas"] = given["replicas"]
        # What runs is not what is asked about.
        (other.get("status") or {}).pop("desiredReplicas", None)
    for each in given["objectives"]:
        name, colon, fields = each.partition(":")
        if not colon:
            raise click.UsageError(f"found '{each}', write NAME:FIELD=VALUE")
        set_fields(other, name, fields.split(","))
    return other
