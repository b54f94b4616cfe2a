"""Status, scale and the columns of `kubectl get`, on a real API server."""

from datetime import UTC, datetime

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.api.action import ActionNeeded
from model_rollouts.api.conditions import ConditionStatus, ConditionType, Reason, put
from model_rollouts.api.crd import NAME
from model_rollouts.api.deployment import read
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.status import (
    Arm,
    FallbackStatus,
    LatencyStatus,
    ObjectiveStatus,
    Past,
    Status,
    Verdict,
)
from tests.api.objects import MINIMAL, Client, Object, RefusedError, changed

NOW = datetime(2026, 3, 31, 12, 0, 0, tzinfo=UTC)

READY = put(
    (),
    ConditionType.READY,
    ConditionStatus.FALSE,
    Reason.JUDGING,
    "Canary.",
    generation=1,
    now=NOW,
)
STATUS = Status(
    observed_generation=1,
    phase=Phase.CANARY,
    message="Canary: version 3 gets 25 % of users, version 2 the rest.",
    action=ActionNeeded.WAIT,
    conditions=put(
        READY,
        ConditionType.AVAILABLE,
        ConditionStatus.TRUE,
        Reason.SERVING,
        "Stable serves.",
        generation=1,
        now=NOW,
    ),
    stable=Arm(revision="arrival-aaaaaaaaaa", version="2", weight="75%", rendered_by="0.1.0"),
    candidate=Arm(revision="arrival-bbbbbbbbbb", version="3", weight="25%"),
    step=2,
    objectives=(
        ObjectiveStatus(
            name="errors",
            verdict=Verdict.INCONCLUSIVE,
            bad=2,
            total=2140,
            message="2,140 of about 3,000 requests.",
        ),
    ),
    history=(
        Past(
            revision="arrival-aaaaaaaaaa",
            version="2",
            attempt=1,
            outcome=Outcome.PROMOTED,
            ended_at=NOW,
            message="Every objective was proven.",
        ),
    ),
    fallback=FallbackStatus(share="4.8%", answers=12, total=250),
    latency=(
        LatencyStatus(
            of="request", version="3", traffic="users", requests=250, p50="between 20 and 30 ms"
        ),
    ),
    evidence="1:abc",
    replicas=3,
    selector="modelrollouts.dev/revision=arrival-aaaaaaaaaa",
)


def with_status(stored: Object, status: Status) -> Object:
    """The object with the status as the operator writes it."""
    dumped = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return stored | {"status": dumped}


def test_a_status_comes_back_as_it_was_written(client: Client) -> None:
    stored = client.create(MINIMAL)

    client.replace(with_status(stored, STATUS), subresource="status")

    assert read(client.get("arrival")).status == STATUS


def test_a_status_is_not_taken_from_the_user(client: Client) -> None:
    stored = client.create(with_status(MINIMAL, STATUS))

    assert "status" not in stored


def test_writing_the_status_does_not_make_a_generation(client: Client) -> None:
    stored = client.create(MINIMAL)

    client.replace(with_status(stored, STATUS), subresource="status")

    assert client.get("arrival")["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        (
            "status.phase",
            "Comparing",
            "status.phase",
            '"Admission", "Starting", "Shadow", "Canary"',
        ),
        ("status.evidence", "e" * 8193, "status.evidence", "may not be more than 8192 bytes"),
        ("status.step", -1, "status.step", "greater than or equal to 0"),
        (
            "status.history",
            [
                {
                    "revision": f"arrival-{number}",
                    "version": "3",
                    "attempt": 1,
                    "outcome": "Promoted",
                    "endedAt": "2026-03-31T12:00:00Z",
                    "message": "",
                }
                for number in range(11)
            ],
            "status.history",
            "must have at most 10 items",
        ),
        (
            "status.conditions",
            [{"type": "Ready", "status": "True", "reason": "Serving", "message": ""}],
            "status.conditions[0].lastTransitionTime",
            "Required value",
        ),
    ],
)
def test_a_status_has_bounds(
    client: Client, path: str, value: object, field: str, message: str
) -> None:
    stored = with_status(client.create(MINIMAL), STATUS)

    with pytest.raises(RefusedError) as refused:
        client.replace(changed({path: value}, stored), subresource="status")

    assert message in refused.value.causes[field]


def test_an_autoscaler_reads_and_writes_the_scale(client: Client) -> None:
    client.replace(with_status(client.create(MINIMAL), STATUS), subresource="status")

    scale = client.get("arrival", "scale")
    client.replace(changed({"spec.replicas": 5}, scale), subresource="scale")

    assert scale["spec"] == {"replicas": 1}
    assert scale["status"] == {"replicas": 3, "selector": STATUS.selector}
    assert client.get("arrival")["spec"]["replicas"] == 5


def test_kubectl_shows_who_serves_and_what_is_awaited(
    api_server: ApiServer, namespace: str, client: Client
) -> None:
    client.replace(with_status(client.create(MINIMAL), STATUS), subresource="status")

    heading, row = api_server.kubectl("get", "mdep", "-n", namespace).splitlines()
    assert heading.split() == [
        *("NAME", "SERVING", "CANDIDATE", "PHASE", "WEIGHT", "AVAILABLE", "ACTION", "MESSAGE"),
        "AGE",
    ]
    assert row.split()[:7] == ["arrival", "2", "3", "Canary", "25%", "True", "Wait"]
    assert "Canary: version 3 gets 25 % of users, version 2 the rest." in row

    heading, row = api_server.kubectl("get", "mdep", "-n", namespace, "-o", "wide").splitlines()
    assert heading.split()[-4:] == ["READY", "VERSION", "STEP", "FALLBACK"]
    assert row.split()[-4:] == ["False", "3", "2", "4.8%"]


def test_the_short_name_and_the_category_are_accepted(api_server: ApiServer) -> None:
    accepted = api_server.kubectl.get("crd", NAME)["status"]["acceptedNames"]

    assert accepted["shortNames"] == ["mdep"]
    assert accepted["categories"] == ["all"]
