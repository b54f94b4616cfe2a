"""Asks the observer which answers differ most: ids and nothing else, for people to look at.

Nothing is decided by it, and nobody waits for it. Whatever answers there may be wrong, slow, huge
or somebody else's, and clients choose a part of each id, so that only what has the form of an id of
this operator's proxies is taken.
"""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from model_rollouts.resources.observer_address import shard
from model_rollouts.rollout import MOST_CASES, CasesQuery

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

    async def _ids(
        self, namespace: str, model: str, revision: str, comparison: str
    ) -> tuple[str, ...]:
        place = self._address.replace("{shard}", str(shard(namespace, model)))
        of = f"namespaces/{namespace}/models/{model}/revisions/{revision}"
        url = f"http://{place}/v1/{of}/disagreements"
        asked = {"limit": str(_ASKED), "comparison": comparison, "values": "false"}
        try:
            async with self._session.get(url, params=asked, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise ObserverError(f"{url}: HTTP {answer.status}")
                body = bytearray()
                async for part in answer.content.iter_any():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise ObserverError(f"{url}: the answer exceeds {LARGEST_ANSWER:,} bytes")
            cases = msgspec.json.decode(body, type=list[_Case])
        except TimeoutError:
            raise ObserverError(f"{url}: no answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, msgspec.MsgspecError, ValueError) as error:
            raise ObserverError(f"{url}: {error}") from None
        return tuple(dict.fromkeys(each.prediction_id for each in cases))


def _began_ms(prediction_id: str) -> int:
    """When its request began (Unix milliseconds), -1 for what is no id."""
    found = _ID.fullmatch(prediction_id)
    return -1 if found is None else int(found[1])
