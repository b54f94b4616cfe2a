"""The Service through which another revision stands in for one whose fallback is PreviousRevision.

Its name belongs to the revision that may fail, and whom it selects changes with the roles: no proxy
is started anew for that.
"""

from collections.abc import Iterator, Mapping

from model_rollouts.resources import names
from model_rollouts.resources.names import owned
from model_rollouts.resources.services import backup_service
from model_rollouts.resources.shapes import Body
from model_rollouts.rollout.objects import drift, workloads
from model_rollouts.rollout.state import second_chances
from model_rollouts.rollout.state.revisions import owner_of
from model_rollouts.rollout.state.state import RolloutState


def written(state: RolloutState, pods: Mapping[str, int]) -> Iterator[tuple[Body, str]]:
    """Those of the revisions that have `pods` and somebody who stands in, unless they are right.

    One without anybody is not made: there is nothing that it could select. Of a version that served
    before it stays as it was, for when that one serves again.
    """
    metadata, owner = state.deployment.metadata, owner_of(state.deployment)
    may_have_users = {state.roles.stable, state.roles.candidate, state.wanted.name}
    for name, _ in workloads.inhabited(state, pods):
        if name not in may_have_users or not second_chances.falls_back(state, name):
            continue
        found = second_chances.stands_in(state, name)
        if found is None:
            continue
        port = (
            names.STANDBY_PORT if second_chances.falls_back(state, found.name) else names.LIVE_PORT
        )
        body = backup_service(metadata.name, name, found.name, port)
        body = owned(body, metadata.namespace, owner)
        present = workloads.there(state, body)
        if drift.drifted(present, body) and not workloads.is_tried(state, body, present):
            why = "it is new" if present is None else f"version {found.version} stands in now"
            yield body, why
