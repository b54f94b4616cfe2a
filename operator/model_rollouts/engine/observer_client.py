"""Asks the observer which answers differ most, ids and nothing else, and which inputs moved.

Nothing is decided by it, and nobody waits for it. Whatever answers there may be wrong, slow, huge
or somebody else's, and clients choose a part of each id, so that only what has the form of an id of
this operator's proxies is taken.
"""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Annotated, Self

import aiohttp
import msgspec

from model_rollouts.resources.observer_address import shard
from model_rollouts.rollout import MOST_CASES, CasesQuery, InputMoved, InputsSeen

TIMEOUT_S = 2.0
LARGEST_ANSWER = 256 * 1024
"""Bytes. A hundred cases without values take about 40 KiB."""

_ASKED = 100
"""As many as the observer has: those of an earlier trial of the version are passed over."""

_ID = re.compile(r"([0-9]{13})\.[a-z0-9](?:[-a-z0-9.]{0,61}[a-z0-9])?\.[A-Za-z0-9_-]{1,64}")
"""When the request began in Unix milliseconds, the revision of stable, and the request id."""


class ObserverError(Exception):
    """The observer did not answer; the message says why."""


class _Case(msgspec.Struct):
    prediction_id: str


class _Input(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=128)]
    moved: bool
    sentence: Annotated[str, msgspec.Meta(max_length=256)]


class _Report(msgspec.Struct):
    reference: str
    since: Annotated[str, msgspec.Meta(max_length=10)]
    until: Annotated[str, msgspec.Meta(max_length=10)]
    requests: int
    inputs: Annotated[tuple[_Input, ...], msgspec.Meta(max_length=50)]


class ObserverClient:
    """Its HTTP endpoints.

    `address` is host and port, with `{shard}` where the number of a model's Service stands.
    """

    def __init__(self, address: str, timeout_s: float = TIMEOUT_S) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def cases(
        self, namespace: str, model: str, query: CasesQuery
    ) -> Mapping[str, tuple[str, ...]]:
        """Prediction ids of the worst disagreements by objective, the worst first.

        At most `MOST_CASES` each, of requests since `query.since_ms`. Raises ObserverError.
        """
        found = {}
        for objective, comparison in query.comparisons:
            ids = await self._ids(namespace, model, query.revision, comparison)
            found[objective] = tuple(each for each in ids if _began_ms(each) >= query.since_ms)[
                :MOST_CASES
            ]
        return found

    async def inputs(self, namespace: str, model: str, reference: str) -> InputsSeen:
        """Which inputs moved since the reference with that digest; raises ObserverError.

        None did where nothing was looked at, or beside another reference.
        """
        found = await self._got(f"namespaces/{namespace}/models/{model}/inputs", namespace, model)
        none = InputsSeen(reference, 0.0)
        if found is None:
            return none
        url, body = found
        try:
            report = msgspec.json.decode(body, type=_Report)
        except (msgspec.MsgspecError, ValueError) as error:
            raise ObserverError(f"{url}: {error}") from None
        if report.reference != reference:
            return none
        moved = [
            InputMoved(_line(each.name), _line(each.sentence))
            for each in report.inputs
            if each.moved
        ]
        days = (report.since, report.until)
        return InputsSeen(reference, 0.0, tuple(moved), report.requests, *days)

    async def _ids(
        self, namespace: str, model: str, revision: str, comparison: str
    ) -> tuple[str, ...]:
        of = f"namespaces/{namespace}/models/{model}/revisions/{revision}/disagreements"
        asked = {"limit": str(_ASKED), "comparison": comparison, "values": "false"}
        found = await self._got(of, namespace, model, asked, is_there=True)
        assert found is not None  # what is not there is an error
        url, body = found
        try:
            cases = msgspec.json.decode(body, type=list[_Case])
        except (msgspec.MsgspecError, ValueError) as error:
            raise ObserverError(f"{url}: {error}") from None
        return tuple(dict.fromkeys(each.prediction_id for each in cases))

    async def _got(
        self,
        of: str,
        namespace: str,
        model: str,
        asked: Mapping[str, str] | None = None,
        *,
        is_there: bool = False,
    ) -> tuple[str, bytes] | None:
        """Address and body of an answer, None for 404 unless it has to be there."""
        place = self._address.replace("{shard}", str(shard(namespace, model)))
        url = f"http://{place}/v1/{of}"
        try:
            async with self._session.get(url, params=asked, allow_redirects=False) as answer:
                if answer.status == 404 and not is_there:
                    return None
                if answer.status != 200:
                    raise ObserverError(f"{url}: HTTP {answer.status}")
                body = bytearray()
                async for part in answer.content.iter_any():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise ObserverError(f"{url}: the answer exceeds {LARGEST_ANSWER:,} bytes")
        except TimeoutError:
            raise ObserverError(f"{url}: no answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise ObserverError(f"{url}: {error}") from None
        return url, bytes(body)


def _line(text: str) -> str:
    """A text of others in one line of a status."""
    return " ".join(text.split())


def _began_ms(prediction_id: str) -> int:
    """When its request began (Unix milliseconds), -1 for what is no id."""
    found = _ID.fullmatch(prediction_id)
    return -1 if found is None else int(found[1])
