"""CloudEvents over HTTP, for programs: each fact is one event, in structured mode.

The form is that of the specification (https://github.com/cloudevents/spec/tree/v1.0.2), the data
that of docs/messages.schema.json, which `model-rollouts notifications schema` writes.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from msgspec import Meta

from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.message import Message, context
from model_rollouts.notifications.occasions import Occasion
from model_rollouts.notifications.targets.http import Http
from model_rollouts.notifications.targets.target import Place

TYPE = "dev.modelrollouts"


class Owner(msgspec.Struct, forbid_unknown_fields=True):
    """`spec.owner`; what it does not say is empty."""

    team: str
    channel: str
    runbook: str


class Users(msgspec.Struct, forbid_unknown_fields=True):
    """How many users a version had, as far as it was seen."""

    share: Annotated[str, Meta(description="Largest share of users, such as 25%.")]
    since: Annotated[str, Meta(description="When it had its first users, in UTC (RFC 3339).")]


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """Something that can be done."""

    purpose: str
    line: Annotated[str, Meta(description="A command line.")]


class Data(msgspec.Struct, forbid_unknown_fields=True):
    """What happened to a ModelDeployment. Texts that there are not are empty."""

    kind: Annotated[Topic, Meta(description="As in docs/messages.md; also the end of the type.")]
    severity: Annotated[str, Meta(description="Info, Warning or Page.")]
    cluster: str
    namespace: str
    name: str
    uid: Annotated[str, Meta(description="UID of the ModelDeployment.")]
    labels: dict[str, str]
    version: Annotated[str, Meta(description="The version that it is about.")]
    revision: str
    stable: Annotated[str, Meta(description="The version that serves.")]
    reason: Annotated[str, Meta(description="One word for programs.")]
    message: Annotated[str, Meta(description="Why, as a sentence; its wording can change.")]
    share: Annotated[str, Meta(description="Of a Progress: the share of users now, such as 10%.")]
    requests: Annotated[int, Meta(ge=0, description="Requests of the version that were counted.")]
    numbers: Annotated[list[str], Meta(description="Other objectives that failed, in sentences.")]
    commit: Annotated[str, Meta(description="spec.model.gitCommit, if the spec is of the version.")]
    owner: Owner
    users: Users | None
    commands: list[Command]


class CloudEvents:
    """An address, and a token if it wants one."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._http = Http()

    async def send(self, message: Message) -> None:
        """Deliver each fact. Raises DeliveryError."""
        token = self._place.token()
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        for each in message.occasions:
            made = to_structured_event(event(each, message.cluster))
            headers = {**made.headers, **authorization}
            await self._http.post(self._place.web_address(), made.body, headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def event(occasion: Occasion, cluster: str) -> CloudEvent:
    """The event of a fact. Source and id are the same whenever it is sent."""
    where = f"namespaces/{occasion.namespace}/modeldeployments/{occasion.name}"
    attributes: dict[str, Any] = {
        "id": occasion.id,
        "source": f"/clusters/{cluster}/{where}" if cluster else f"/{where}",
        "type": f"{TYPE}.{occasion.kind.value}",
        "time": datetime.fromtimestamp(occasion.at, UTC),
        "datacontenttype": "application/json",
    }
    if occasion.version:
        attributes["subject"] = occasion.version
    return CloudEvent(attributes, msgspec.to_builtins(data(occasion, cluster)))


def data(occasion: Occasion, cluster: str) -> Data:
    """The data of the event."""
    exposure = occasion.exposure
    return Data(
        kind=occasion.kind,
        severity=occasion.kind.row.severity.value,
        cluster=cluster,
        namespace=occasion.namespace,
        name=occasion.name,
        uid=occasion.uid,
        labels=occasion.labels,
        version=occasion.version,
        revision=occasion.revision,
        stable=occasion.stable,
        reason=occasion.reason,
        message=occasion.message,
        share=occasion.share,
        requests=occasion.requests,
        numbers=list(occasion.numbers),
        commit=occasion.commit,
        owner=Owner(occasion.team, occasion.channel, occasion.runbook),
        users=None if exposure is None else Users(exposure.share, _time(exposure.since)),
        commands=[Command(**each) for each in context(occasion)["commands"]],
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of the data."""
    found = msgspec.json.schema(Data)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
