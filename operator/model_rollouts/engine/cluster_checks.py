"""What is asked of the cluster before a new version is let in: gateways, routes, a dry run."""

import asyncio
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, Kind
from model_rollouts.engine.outcome import named
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import Apply, Checked, Gateway, Observed
from model_rollouts.routes.conflicts import compared, is_conflict
from model_rollouts.routes.reader import parent_gateways

ROUTES_S = 3.0
"""How long the HTTPRoutes of a list are taken for those of the cluster: many check at once."""

MOST_CONFLICTS = 5
"""Conflicting routes that are named; a person looks at the first ones."""


class UnansweredError(Exception):
    """A question that was not answered: `what` names it, `answer` is what came back."""

    def __init__(self, what: str, answer: str, *, is_refusal: bool = False) -> None:
        super().__init__(f"cannot {what}: {answer}")
        self.what = what
        self.answer = answer
        self.is_refusal = is_refusal


class Checker:
    """Asks the API server; raises UnansweredError when it does not answer."""

    def __init__(
        self,
        client: ClusterClient,
        namespaces: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._scopes: Sequence[str | None] = tuple(namespaces) or (None,)
        self._clock = clock
        self._listing: asyncio.Future[list[Object]] | None = None
        self._listed_at = 0.0

    async def check(self, observed: Observed, tries: Apply | None) -> Checked:
        """The answers for the generation that is seen; what `tries` applies is tried dry."""
        model = observed.obj
        return Checked(
            generation=model["metadata"]["generation"],
            gateway=await self._gateway(model, observed.children.route),
            refusal=None if tries is None else await self._refusal(tries),
        )

    async def _refusal(self, tries: Apply) -> str | None:
        try:
            await self._client.dry_run_apply(tries.body)
        except ApiError as error:
            if not error.is_refusal:
                what = f"try {named(tries.body)} in a dry run"
                raise _unanswered(what, error) from error
            return error.message
        return None

    async def _gateway(self, model: Object, own: Object | None) -> Gateway:
        missing: list[str] = []
        claims: list[frozenset[str] | None] = []
        for parent in parent_gateways(model):
            if parent is None:
                claims.append(None)
                continue
            gateway = await self._read(GATEWAY, *parent)
            if gateway is None:
                missing.append("/".join(parent))
            else:
                claims.append(await self._features(gateway))
        features: frozenset[str] | None = None
        known = [claim for claim in claims if claim is not None]
        if known and len(known) == len(claims):
            features = frozenset.intersection(*known)
        return Gateway(
            features=features,
            conflicts=await self._conflicts(model, own),
            missing=tuple(dict.fromkeys(missing)),
        )

    async def _read(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """The object; an empty one when we may not read it, so that nothing is known of it."""
        try:
            return await self._client.get(kind, namespace, name)
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                return {}
            place = name if namespace is None else f"{namespace}/{name}"
            raise _unanswered(f"read {kind.name} {place}", error) from error

    async def _features(self, gateway: Object) -> frozenset[str] | None:
        """What the class of a gateway claims to support; None when it claims nothing."""
        name = (gateway.get("spec") or {}).get("gatewayClassName")
        found = None if name is None else await self._read(GATEWAY_CLASS, None, name)
        claimed = ((found or {}).get("status") or {}).get("supportedFeatures") or ()
        # Gateway API 1.1 had plain names in this place.
        return (
            frozenset(each["name"] if isinstance(each, dict) else each for each in claimed) or None
        )

    async def _conflicts(self, model: Object, own: Object | None) -> tuple[str, ...]:
        mine = (model["metadata"]["namespace"], model["metadata"]["name"])
        found: list[str] = []
        for route in await self._routes():
            metadata = route["metadata"]
            name = (metadata["namespace"], metadata["name"])
            if name != mine and is_conflict(model, own, route):
                found.append("/".join(name))
        return tuple(sorted(found)[:MOST_CONFLICTS])

    async def _routes(self) -> list[Object]:
        """The HTTPRoutes of the cluster, of the list that is under way or has just come."""
        listing, now = self._listing, self._clock()
        if listing is None or _has_failed(listing) or now - self._listed_at > ROUTES_S:
            listing = self._listing = asyncio.ensure_future(self._list())
            self._listed_at = now
            listing.add_done_callback(self._release)
        # Who began the list may end before it: it is for all who wait for it.
        return await asyncio.shield(listing)

    def _release(self, listing: asyncio.Future[list[Object]]) -> None:
        """Keep no list for long: it is megabytes, and most of the time nobody checks."""

        def forget() -> None:
            if self._listing is listing:
                self._listing = None

        asyncio.get_running_loop().call_later(ROUTES_S, forget)

    async def _list(self) -> list[Object]:
        try:
            return [
                compared(route)
                for scope in self._scopes
                async for page in self._client.pages(HTTP_ROUTE, scope)
                for route in page.items
            ]
        except ApiError as error:
            raise _unanswered(f"list all {HTTP_ROUTE.name}s", error) from error


def _has_failed(listing: asyncio.Future[list[Object]]) -> bool:
    """Whether a list has ended without an answer."""
    return listing.done() and (listing.cancelled() or listing.exception() is not None)


def _unanswered(what: str, error: ApiError) -> UnansweredError:
    return UnansweredError(what, error.answer, is_refusal=error.is_refusal)
