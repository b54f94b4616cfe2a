"""What the administrator wants beside each Service of a version that has pods."""

from collections.abc import Iterable, Iterator

from model_rollouts.resources import names
from model_rollouts.resources.companions import LIVE, SHADOW, named, rendered
from model_rollouts.rollout.actions import Accompany, Action
from model_rollouts.rollout.objects import workloads
from model_rollouts.rollout.state.state import RolloutState


def missing(state: RolloutState, revision: str) -> Iterator[Accompany]:
    """What is not known to be there: it is new, its Service is another one, or nobody has looked.

    The operator does not watch kinds that it does not know.
    """
    services, model = state.observed.children.services, state.deployment.metadata.name
    for kind, name in ((LIVE, revision), (SHADOW, names.shadow_service(revision))):
        # Without a Service there is nothing to be beside.
        if (service := services.get(name)) is None:
            continue
        for each in state.companions:
            if kind not in each.services:
                continue
            known = state.memory.accompanied.get(named(each, service, model, revision))
            if known != service["metadata"]["uid"]:
                yield Accompany(rendered(each, service, model, revision), each.plural)


def accompanied(state: RolloutState, actions: Iterable[Action]) -> dict[str, str]:
    """`Memory.accompanied` once the actions were done, of Services that there are."""
    if not state.companions:
        return {}
    there = {service["metadata"]["uid"] for service in state.observed.children.services.values()}
    known = {name: uid for name, uid in state.memory.accompanied.items() if uid in there}
    new = {
        workloads.key(each.body): _owner(each) for each in actions if isinstance(each, Accompany)
    }
    return known | new


def _owner(action: Accompany) -> str:
    uid: str = action.body["metadata"]["ownerReferences"][0]["uid"]
    return uid
