"""Tokens to pods. What the API server said of a token is kept for a minute, by its digest."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import POD
from model_rollouts.resources.names import MODEL_LABEL, REVISION_LABEL
from model_rollouts.resources.observer_address import AUDIENCE

KEPT_S = 60.0
"""A token whose pod is gone is refused after so long at the latest."""
MOST_KEPT = 10_000
MOST_AT_ONCE = 16
"""Reviews. Streams of a thousand pods open at once when this process starts."""

_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_USER = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Speaker:
    """A pod of a revision, as the API server knows it."""

    namespace: str
    pod: str
    uid: str
    model: str
    revision: str


class ForeignError(Exception):
    """Who speaks is nobody whose records are taken; `why` is a word for the count."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why


class AwayError(Exception):
    """The API server does not answer: whoever asks may ask again."""


class Identity:
    """Asks the API server who has a token."""

    def __init__(self, client: ClusterClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Speaker | ForeignError]] = OrderedDict()
        self._turn = asyncio.Semaphore(MOST_AT_ONCE)

    async def speaker(self, authorization: str | bytes) -> Speaker:
        """The pod that sends `authorization`; raises ForeignError and AwayError."""
        text = authorization if isinstance(authorization, str) else ""
        scheme, _, token = text.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise ForeignError("no_token", "the stream has no bearer token")
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        async with self._turn:
            now = self._clock()
            until, answer = self._known.get(digest, (now, None))
            if now >= until or answer is None:
                answer = await self._asked(token)
                self._known[digest] = now + KEPT_S, answer
                self._known.move_to_end(digest)
                while len(self._known) > MOST_KEPT:
                    self._known.popitem(last=False)
        if isinstance(answer, ForeignError):
            raise ForeignError(answer.why, str(answer))
        return answer

    async def _asked(self, token: str) -> Speaker | ForeignError:
        try:
            return await self._reviewed(token)
        except ForeignError as error:
            return error
        except ApiError as error:
            raise AwayError(f"the token could not be reviewed: {error.answer}") from None

    async def _reviewed(self, token: str) -> Speaker:
        status = await self._client.review_token(token, AUDIENCE)
        if not status.get("authenticated"):
            reason = status.get("error") or "no reason told"
            raise ForeignError("token", f"the token is not valid: {reason}")
        if AUDIENCE not in (status.get("audiences") or ()):
            raise ForeignError("audience", f"the token is not meant for {AUDIENCE}")
        user: Mapping[str, Any] = status.get("user") or {}
        extra = user.get("extra") or {}
        name, uid = (next(iter(extra.get(each) or ()), "") for each in (_POD_NAME, _POD_UID))
        account = str(user.get("username", ""))
        if not name or not uid or not account.startswith(_USER):
            raise ForeignError("no_pod", f"the token of {account!r} belongs to no pod")
        namespace = account.removeprefix(_USER).partition(":")[0]
        pod = await self._client.get(POD, namespace, name)
        metadata: Mapping[str, Any] = pod["metadata"] if pod is not None else {}
        if metadata.get("uid") != uid:
            raise ForeignError("gone", f"pod {namespace}/{name} with uid {uid} is gone")
        labels = metadata.get("labels") or {}
        model, revision = labels.get(MODEL_LABEL), labels.get(REVISION_LABEL)
        if not model or not revision:
            raise ForeignError("no_model", f"pod {namespace}/{name} belongs to no revision")
        return Speaker(namespace, name, uid, model, revision)
