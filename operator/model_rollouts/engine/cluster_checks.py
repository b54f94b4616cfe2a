"""What is asked of the cluster before a new version is let in: gateways, routes, a dry run."""

from collections.abc import Sequence
from http import HTTPStatus

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, Kind
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import Apply, Checked, Gateway, Observed
from model_rollouts.routes.conflicts import is_conflict
from model_rollouts.routes.reader import parent_gateways

ASK_AGAIN_S = 30.0
"""How long an answer holds that may change without a change of the spec."""

MOST_CONFLICTS = 5
"""Conflicting routes that are named; a person looks at the first ones."""


class Checker:
    """Asks the API server; every method raises ApiError when it does not answer."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str] = ()) -> None:
        self._client = client
        self._scopes: Sequence[str | None] = tuple(namespaces) or (None,)

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
                raise
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
            raise

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
        for scope in self._scopes:
            async for page in self._client.pages(HTTP_ROUTE, scope):
                for route in page.items:
                    metadata = route["metadata"]
                    name = (metadata["namespace"], metadata["name"])
                    if name != mine and is_conflict(model, own, route):
                        found.append("/".join(name))
        return tuple(sorted(found)[:MOST_CONFLICTS])
