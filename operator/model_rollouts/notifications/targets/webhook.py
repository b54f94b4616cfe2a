"""A POST of JSON: id, title, text and the facts, for whatever shows messages."""

import msgspec

from model_rollouts.notifications.kinds import Severity
from model_rollouts.notifications.message import Message, context
from model_rollouts.notifications.targets.http import Http
from model_rollouts.notifications.targets.target import Place


class Webhook:
    """An address, and a token if it wants one."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._http = Http()

    async def send(self, message: Message) -> None:
        """Deliver it. Raises DeliveryError."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.id}
        token = self._place.token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        await self._http.post(self._place.web_address(), body(message), headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def body(message: Message) -> bytes:
    """The JSON."""
    return msgspec.json.encode(
        {
            "id": message.id,
            "title": message.title,
            "text": message.text,
            "severity": message.severity.value,
            "page": message.severity is Severity.PAGE,
            "cluster": message.cluster,
            "occasions": [
                {"id": each.id, "thread": f"{each.uid}/{each.revision}", **context(each)}
                for each in message.occasions
            ],
        }
    )
