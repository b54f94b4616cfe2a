"""Whether what the spec asks for may begin: what is checked first, and what would be made of it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.resources import controller_revision
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.resources.shapes import Body
from model_rollouts.rollout.actions import Apply
from model_rollouts.rollout.objects import workloads
from model_rollouts.rollout.objects.route import controller_of, follows_spec
from model_rollouts.rollout.observed import Checked, Gateway
from model_rollouts.rollout.policies import chain, needs
from model_rollouts.rollout.policies.admission import Admission
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state import revisions
from model_rollouts.rollout.state.revisions import Wanted
from model_rollouts.rollout.state.state import RolloutState

_ADVICE = (
    "The operator asks again within 30 s; look at the webhook or policy that answers so, and at "
    "the operator's permissions."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Why a version may not start, or the route not follow the spec: `holds`, empty when it may.

    `stored` is the ControllerRevision of a version that is not stored yet, and `tries` its
    Deployment, which is tried dry; None where there is none. `alike` are the Deployments, under the
    same name, of stored revisions that may be the same.
    """

    holds: tuple[Hold, ...] = ()
    stored: Body | None = None
    tries: Apply | None = None
    alike: Mapping[str, Body] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether nothing forbids it."""
        return not self.holds

    @property
    def stalls(self) -> bool:
        """Whether you have to correct something before it may."""
        return any(each.stalls for each in self.holds)


def admit(state: RolloutState, proxy: ProxySettings) -> Entry:
    """What is known of the entry of what the spec asks for.

    A check that is not answered yet holds it like one that failed.
    """
    if state.spec_fault is not None:
        brief = "this release refuses the spec"
        return Entry((Hold(Reason.INVALID_SPEC, state.spec_fault, brief, stalls=True),))
    if state.wanted.is_presumed:
        return _presumed(state, proxy)
    if not (state.phase.is_preparing or follows_spec(state)):
        return Entry()
    stored, tries = None, None
    fault: ResourceError | None = None
    if state.phase is Phase.ADMISSION:
        try:
            stored = revisions.to_store(state.deployment, state.wanted, state.revisions, proxy)
            tries = _tried(state, stored)
        except ResourceError as error:
            fault = error
    alike = {} if tries is None else _alike(state, state.wanted, proxy)
    found = chain.refusals(
        Admission(
            state.deployment,
            state.wanted,
            state.revisions,
            state.observed.children,
            state.observed.checked or Checked(state.deployment.metadata.generation, Gateway()),
            state.shadows,
            fault,
            controller_of(state),
        )
    )
    if needs.lacks_checks(state) and not any(each.stalls for each in found):
        found = (_unanswered(state), *found)
    return Entry(found, stored, tries, alike)


def _presumed(state: RolloutState, proxy: ProxySettings) -> Entry:
    """What is asked of the API server before it is known whether this is a new version."""
    new = revisions.as_new(state.wanted, state.deployment.metadata.name, state.revisions)
    tries: Apply | None = None
    with contextlib.suppress(ResourceError):
        # Told once it is known to be new.
        tries = _tried(state, revisions.to_store(state.deployment, new, state.revisions, proxy))
    return Entry((_unanswered(state),), None, tries, _alike(state, new, proxy))


def _alike(state: RolloutState, new: Wanted, proxy: ProxySettings) -> dict[str, Body]:
    """The Deployments of stored revisions that may be the same, rendered as the new one is."""
    found = {}
    for name in new.alike:
        known = revisions.written_as(state.revisions[name], new.name)
        with contextlib.suppress(ResourceError):
            # What cannot be rendered any more is another one.
            stored = revisions.to_store(state.deployment, known, state.revisions, proxy)
            found[name] = _tried(state, stored).body
    return found


def _tried(state: RolloutState, stored: Body) -> Apply:
    deployment, *_ = controller_revision.objects(stored, revisions.owner_of(state.deployment), 1)
    return workloads.applied(deployment, "it is tried")


def _unanswered(state: RolloutState) -> Hold:
    """What a check is not answered with for a while is told; nearly always it is at once."""
    failed = next((each for each in state.observed.failures if not each.writes), None)
    version = state.spec.model.version
    why = "" if failed is None else f": {failed.what}: {failed.answer}"
    advice = "" if failed is None else f" {_ADVICE}"
    return Hold(
        Reason.CHECKING,
        f"The API server has not answered the checks of version {version} yet{why}.{advice}",
        f"its checks are not answered yet{why}",
        told=needs.waits_long(state.observed, state.now),
    )
