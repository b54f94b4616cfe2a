"""What is asked of the cluster before a new version is let in: gateways, routes, a dry run."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, Kind
from model_rollouts.engine.outcome import named
from model_rollouts.resources.canonical import canonical_template
from model_rollouts.resources.shapes import Body, Object
from model_rollouts.rollout import Apply, Checked, Gateway, Observed
from model_rollouts.routes import controllers
from model_rollouts.routes.addresses import addresses
from model_rollouts.routes.conflicts import compared, is_conflict
from model_rollouts.routes.features import UNTOLD
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

    async def check(
        self,
        observed: Observed,
        tries: Apply | None,
        before: Checked | None = None,
        alike: Mapping[str, Body] | None = None,
    ) -> Checked:
        """The answers for the generation that is seen; what `tries` applies is tried dry.

        So are the Deployments of stored revisions that are `alike`, by name.

        As long as something of what was found `before` is still in the way, only that is asked:
        all else is asked when it is gone, and a list of all routes of a cluster is long.
        """
        model = observed.obj
        if before is not None and before.generation == model["metadata"]["generation"]:
            left = await self._left(observed, tries, before)
            if left is not None:
                return left
        gateway = await self._gateway(model, observed.children.route)
        checked = Checked(model["metadata"]["generation"], gateway)
        if tries is None:
            return checked
        tried = await self._tried(tries.body)
        if isinstance(tried, str):
            return replace(checked, refusal=tried)
        return replace(checked, same_as=await self._same(tried, alike or {}))

    async def absent(self, names: Collection[str]) -> frozenset[str]:
        """Those Gateways, as `namespace/name`, that do not exist."""
        return frozenset(
            [name for name in names if await self._read(GATEWAY, *name.split("/")) is None]
        )

    async def _left(
        self, observed: Observed, tries: Apply | None, before: Checked
    ) -> Checked | None:
        """What is still in the way of that which was found before; None for nothing."""
        missing, conflicts = before.gateway.missing, []
        if len(await self.absent(missing)) < len(missing):
            missing = ()
        for name in before.gateway.conflicts:
            route = await self._read(HTTP_ROUTE, *name.split("/"))
            if route and is_conflict(observed.obj, observed.children.route, route):
                conflicts.append(name)
        if missing or conflicts:
            gateway = replace(before.gateway, missing=missing, conflicts=tuple(conflicts))
            return replace(before, gateway=gateway)
        if before.gateway.missing or before.gateway.conflicts or tries is None:
            return None
        refusal = None if before.refusal is None else await self._tried(tries.body)
        return replace(before, refusal=refusal) if isinstance(refusal, str) else None

    async def _tried(self, body: Body) -> Body | str:
        """The Deployment as the API server would store it, or why it would not."""
        try:
            return await self._client.dry_run_apply(body)
        except ApiError as error:
            if not error.is_refusal:
                what = f"try {named(body)} in a dry run"
                raise _unanswered(what, error) from error
            return error.message

    async def _same(self, tried: Body, alike: Mapping[str, Body]) -> str | None:
        """The first revision whose pods would be stored as those that were tried are."""
        for name, body in alike.items():
            known = await self._tried(body)
            if not isinstance(known, str) and _pods(known) == _pods(tried):
                return name
        return None

    async def _gateway(self, model: Object, own: Object | None) -> Gateway:
        missing: list[str] = []
        claims: list[frozenset[str] | None] = []
        names: set[str] = set()
        gateways: dict[tuple[str, str], Object] = {}
        for parent in parent_gateways(model):
            if parent is None:
                claims.append(None)
                continue
            gateway = await self._read(GATEWAY, *parent)
            if gateway is None:
                missing.append("/".join(parent))
            else:
                gateways[parent] = gateway
                of_class = await self._class(gateway)
                claims.append(_features(of_class))
                names.update(_controller(of_class))
        features: frozenset[str] | None = None
        known = [claim for claim in claims if claim is not None]
        if known and len(known) == len(claims):
            features = frozenset.intersection(*known)
        return Gateway(
            features=features,
            conflicts=await self._conflicts(model, own),
            # One that is there is enough: the route is told of the others.
            missing=() if claims else tuple(dict.fromkeys(missing)),
            controllers=frozenset(names),
            addresses=addresses(model, gateways),
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

    async def _class(self, gateway: Object) -> Object:
        """The class of a gateway; an empty one when nothing is known of it."""
        name = (gateway.get("spec") or {}).get("gatewayClassName")
        found = None if name is None else await self._read(GATEWAY_CLASS, None, name)
        return found or {}

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


def _pods(deployment: Body) -> Body:
    return canonical_template(deployment["spec"]["template"])


def _controller(gateway_class: Object) -> tuple[str, ...]:
    name = (gateway_class.get("spec") or {}).get("controllerName")
    return () if name is None else (str(name),)


def _features(gateway_class: Object) -> frozenset[str] | None:
    """What a class claims to support, or what is known of its controller when it claims nothing."""
    claimed = (gateway_class.get("status") or {}).get("supportedFeatures") or ()
    # Gateway API 1.1 had plain names in this place.
    found = frozenset(each["name"] if isinstance(each, dict) else each for each in claimed)
    if found:
        return found
    known = controllers.of(_controller(gateway_class), {}).features
    return None if known is None else known | UNTOLD


def _has_failed(listing: asyncio.Future[list[Object]]) -> bool:
    """Whether a list has ended without an answer."""
    return listing.done() and (listing.cancelled() or listing.exception() is not None)


def _unanswered(what: str, error: ApiError) -> UnansweredError:
    return UnansweredError(what, error.answer, is_refusal=error.is_refusal)
