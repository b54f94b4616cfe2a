"""Which kind is converted by what."""

from collections.abc import Mapping
from typing import NamedTuple

from model_rollouts.cli.mdep.conversions import canary, deployment, inference_service, rollout
from model_rollouts.cli.mdep.conversions.draft import Convert


class Row(NamedTuple):
    """A kind of resource. `group` is the beginning of its apiVersion."""

    group: str
    kind: str
    convert: Convert


CATALOGUE: tuple[Row, ...] = (
    Row("serving.kserve.io/", "InferenceService", inference_service.convert),
    Row("argoproj.io/", "Rollout", rollout.convert),
    Row("flagger.app/", "Canary", canary.convert),
    # The last one: other resources refer to Deployments.
    Row("apps/", "Deployment", deployment.convert),
)


def row_of(obj: Mapping[str, object]) -> Row | None:
    """The row of an object; None for what is not converted."""
    api, kind = str(obj.get("apiVersion")), obj.get("kind")
    return next(
        (each for each in CATALOGUE if each.kind == kind and api.startswith(each.group)), None
    )
