"""`kubectl mdep forecast`: how long a canary takes at the present traffic."""

from typing import TYPE_CHECKING, Any

import click

from model_rollouts.cli.mdep import options
from model_rollouts.cli.mdep.get import serialized
from model_rollouts.cluster.kinds import CONTROLLER_REVISION

if TYPE_CHECKING:
    from model_rollouts.api.deployment import ModelDeployment
    from model_rollouts.cli.mdep.api import Api
    from model_rollouts.rollout import Evidence

RATE = click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="REQ/S",
    help="Requests per second to both versions.  [default: as counted of the rollout]",
)


@click.command(short_help="Forecast how long a canary takes at the present traffic.")
@options.named
@RATE
@options.output("json", "yaml")
def forecast(**given: Any) -> None:
    """Forecast the canary of NAME, from its beginning, as the operator does before it begins.

    The traffic, and how errors come in bursts, are those that were counted of the rollout; without
    one, write --rate. Mirrored requests are not a part of it.

    Exit codes: 0 success, 1 it could not be read, 2 wrong command line.
    """
    api, namespace = options.connected(given)
    obj = options.fetch(api, namespace, given["name"])
    deployment, known = judged(api, namespace, obj)
    rate = rate_of(given["rate"], known, obj)
    found = told(deployment, rate, known)
    if given["output"] is not None:
        click.echo("\n".join(serialized(found, given["output"])))
    else:
        click.echo(found["message"])


def judged(
    api: "Api", namespace: str, obj: dict[str, Any]
) -> "tuple[ModelDeployment, Evidence | None]":
    """The resource, and the evidence that its status keeps."""
    from model_rollouts.api.deployment import read
    from model_rollouts.rollout import stored_evidence

    deployment = options.readable(obj, read)
    return deployment, stored_evidence(deployment, stored(api, namespace, obj["metadata"]["name"]))


def stored(api: "Api", namespace: str, name: str) -> list[dict[str, Any]]:
    """The ControllerRevisions; none where they may not be read: only edges of buckets need them."""
    found = options.allowed(api, CONTROLLER_REVISION, namespace, **options.owned_by(name))
    return found or []


def rate_of(asked: float | None, known: "Evidence | None", obj: dict[str, Any]) -> float:
    """The requests per second; raises ClickException where nothing tells them."""
    rate = asked if asked is not None else None if known is None else known.rate
    if rate is None:
        raise click.ClickException(
            f"no rollout of ModelDeployment '{obj['metadata']['name']}' counts requests now: write "
            "--rate with the requests per second that it gets"
        )
    return rate


def told(deployment: "ModelDeployment", rate: float, known: "Evidence | None") -> dict[str, Any]:
    """A forecast as JSON. Raises ClickException for objectives that cannot be judged."""
    from model_rollouts.rollout import forecast_of

    try:
        found = forecast_of(deployment, rate, known)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    return {
        "requestsPerSecond": float(f"{rate:.2g}"),
        "decision": found.decision.value,
        "seconds": found.seconds,
        "requests": found.requests,
        "underpowered": found.underpowered,
        "excluded": [{"objective": each.objective, "rate": each.rate} for each in found.excluded],
        "message": found.words,
    }
