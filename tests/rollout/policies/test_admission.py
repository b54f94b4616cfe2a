"""Why a version is not started, each with the object, the field and what to do."""

from typing import Any

import pytest

from model_rollouts.api.conditions import Reason
from model_rollouts.api.deployment import read
from model_rollouts.rollout.observed import Checked, Children, Gateway
from model_rollouts.rollout.policies.admission import Admission
from model_rollouts.rollout.policies.chain import refusals
from model_rollouts.rollout.state.revisions import Revision, wanted
from model_rollouts.routes.features import MIRROR, MIRROR_PERCENT
from tests.api.objects import ARTIFACT, DIGEST, OTHER_DIGEST, changed

ANY = Gateway()
BASE = {"metadata.namespace": "flights"}
OLD = Revision(
    "arrival-1", 1, {"version": "3", "artifact": {"uri": "u", "digest": OTHER_DIGEST}}, {}
)


def admission(
    changes: dict[str, Any] | None = None,
    *,
    gateway: Gateway = ANY,
    refusal: str | None = None,
    strangers: frozenset[str] = frozenset(),
    revisions: dict[str, Revision] | None = None,
    shadows: bool = False,
) -> Admission:
    deployment = read(changed(BASE | (changes or {})))
    known = revisions or {}
    return Admission(
        deployment,
        wanted(deployment.spec, "arrival", {}),
        known,
        Children(strangers=strangers),
        Checked(1, gateway, refusal),
        shadows,
    )


TIMEOUTS = {"spec.route.timeouts": {"request": "10s", "backendRequest": "5s"}}
BY_TAG = {"spec.template.spec.containers": [{"name": "model", "image": "registry/m:3"}]}

MIRRORS = Gateway(features=frozenset({MIRROR, MIRROR_PERCENT}))
AGAINST_ITSELF: list[dict[str, Any]] = [
    {"name": "errors", "type": "Availability", "availability": {"target": "99%"}},
    {
        "name": "answers",
        "type": "Disagreement",
        "disagreement": {"of": "Label", "against": "Self"},
        "limits": {"good": "1%", "bad": "2%"},
    },
]


CASES: list[tuple[str, Admission, Reason, bool, str]] = [
    (
        "a name is taken",
        admission(strangers=frozenset({"Service/arrival-1"})),
        Reason.NAME_TAKEN,
        True,
        "Service/arrival-1, which another owner has: rename or delete it",
    ),
    (
        "an image by tag, of an object older than the rule",
        admission(BY_TAG),
        Reason.PROVENANCE_MISSING,
        True,
        "provenance.require asks for image, which version 3 does not declare",
    ),
    (
        "a version with other bytes",
        admission({"spec.model.artifact": ARTIFACT}, revisions={"arrival-1": OLD}),
        Reason.PROVENANCE_MISSING,
        True,
        f"found {DIGEST} for version 3, but revision arrival-1 has that version with",
    ),
    (
        "no such Gateway",
        admission(gateway=Gateway(missing=("gateways/models",))),
        Reason.GATEWAY_NOT_ACCEPTED,
        False,
        "route.parentRefs: found no Gateway gateways/models: create it",
    ),
    (
        "another route with the same match",
        admission(gateway=Gateway(conflicts=("other/old",))),
        Reason.ROUTE_CONFLICT,
        True,
        "HTTPRoute other/old answers the same requests at the same Gateway: delete it",
    ),
    (
        "a Gateway without timeouts",
        admission(TIMEOUTS, gateway=Gateway(features=frozenset({"HTTPRouteRequestTimeout"}))),
        Reason.GATEWAY_INCAPABLE,
        True,
        "route.timeouts: the Gateway does not support HTTPRouteBackendTimeout",
    ),
    (
        "a Gateway that copies nothing",
        admission(gateway=Gateway(features=frozenset({"HTTPRoute"})), shadows=True),
        Reason.GATEWAY_INCAPABLE,
        True,
        "strategy.shadow: the Gateway does not support HTTPRouteRequestMirror, "
        "HTTPRouteRequestPercentageMirror: set percent: 0",
    ),
    (
        "a Gateway that copies all or nothing",
        admission(gateway=Gateway(features=frozenset({"HTTPRouteRequestMirror"})), shadows=True),
        Reason.GATEWAY_INCAPABLE,
        True,
        "strategy.shadow: the Gateway does not support HTTPRouteRequestPercentageMirror: set",
    ),
    (
        "a Gateway that copies once, where stable is to be compared with itself",
        admission({"spec.objectives": AGAINST_ITSELF}, gateway=MIRRORS, shadows=True),
        Reason.GATEWAY_INCAPABLE,
        True,
        "objectives: found against: Self, but the Gateway does not support "
        "HTTPRouteRequestMultipleMirrors: write against: Stable",
    ),
    (
        "no word about a shadow, of an object older than the rule",
        admission({"spec.strategy": {}}),
        Reason.INVALID_SPEC,
        True,
        "strategy.shadow: found no sideEffects: write None or Suppressed, or percent: 0",
    ),
    (
        "a shadow without its side effects, of an object older than the rule",
        admission({"spec.strategy.shadow": {"percent": 10}}),
        Reason.INVALID_SPEC,
        True,
        "strategy.shadow: found no sideEffects",
    ),
    (
        "a template that the API server refuses",
        admission(refusal="spec.template.spec.containers[0].image: Required value"),
        Reason.INVALID_TEMPLATE,
        True,
        "template: the API server refuses it: spec.template.spec.containers[0].image: Required",
    ),
]


@pytest.mark.parametrize(
    ("at", "reason", "stalls", "words"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_what_speaks_against_a_version(
    at: Admission, reason: Reason, stalls: bool, words: str
) -> None:
    (found,) = refusals(at)

    assert (found.reason, found.stalls) == (reason, stalls)
    assert words in found.message


@pytest.mark.parametrize(
    "at",
    [
        admission(gateway=MIRRORS, shadows=True),
        admission({"spec.objectives": AGAINST_ITSELF}, gateway=ANY, shadows=True),
        admission({"spec.objectives": AGAINST_ITSELF}, gateway=MIRRORS, shadows=False),
        admission(gateway=ANY, shadows=True),
        admission(gateway=Gateway(features=frozenset({"HTTPRoute"})), shadows=False),
        admission({"spec.strategy": {"mode": "Immediate"}}),
        admission(),
        admission(TIMEOUTS),
        admission(BY_TAG | {"spec.provenance": {"mode": "Warn"}}),
        admission(revisions={"arrival-1": OLD}),
        admission(
            {"spec.model.artifact": ARTIFACT | {"digest": OTHER_DIGEST}},
            revisions={"arrival-1": OLD},
        ),
        admission(TIMEOUTS, gateway=Gateway(features=None)),
    ],
)
def test_what_is_unknown_or_only_asked_for_speaks_against_nothing(at: Admission) -> None:
    assert refusals(at) == ()


def test_a_lasting_cause_is_told_before_a_passing_one() -> None:
    at = admission(refusal="no", gateway=Gateway(missing=("gateways/models",)))

    assert [hold.stalls for hold in refusals(at)] == [True, False]
