"""What is seen of one ModelDeployment: the object, its children, and strangers in their places."""

from model_rollouts.cluster.kinds import (
    CHILDREN,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    HTTP_ROUTE,
    POD_DISRUPTION_BUDGET,
    SERVICE,
)
from model_rollouts.engine.store import Key, Store
from model_rollouts.resources import names
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import Children


def children(store: Store, model: Object) -> Children:
    """The children of `model`, and who is in the way of them.

    A child is what the model controls, and what carries our labels and those of the model without
    any controller: it is adopted. So is a route of the model's name that sends users to one of its
    revisions: somebody replaced ours by it. What carries the labels under another controller, or
    the model's own name as an HTTPRoute without being its child, is a stranger; it is dying when
    its controller is a ModelDeployment that is no more, such as one of the same name that was
    deleted.
    """
    metadata = model["metadata"]
    key = Key(metadata["namespace"], metadata["name"])
    by_kind: dict[str, dict[str, Object]] = {kind.name: {} for kind in CHILDREN}
    for child in (*store.owned(metadata["uid"]), *store.orphans(key)):
        by_kind[child["kind"]][child["metadata"]["name"]] = child
    strangers = store.strangers(key, metadata["uid"])
    return Children(
        revisions=tuple(by_kind[CONTROLLER_REVISION.name].values()),
        deployments=by_kind[DEPLOYMENT.name],
        services=by_kind[SERVICE.name],
        budget=by_kind[POD_DISRUPTION_BUDGET.name].get(names.disruption_budget(metadata["name"])),
        route=by_kind[HTTP_ROUTE.name].get(metadata["name"]),
        strangers=strangers.living,
        dying=strangers.dying,
    )
