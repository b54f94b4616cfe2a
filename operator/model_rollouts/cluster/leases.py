"""The Lease by which one of several operators leads: read, taken, renewed and given back.

Each method is one request. Who leads follows from it in `engine.leadership`; nothing is decided
here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from model_rollouts.cluster import micro_time
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import LEASE
from model_rollouts.cluster.requests import JSON_PATCH, MERGE_PATCH, Requests
from model_rollouts.resources.shapes import Body, Object

RELEASED_S = 1
"""A Lease that was given back lasts so long, as with the controllers of Kubernetes itself."""


class LeaseName(NamedTuple):
    """Which Lease."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a Lease says: two that are equal were read without a renewal in between.

    `lasts_s` is for how many seconds it holds from each renewal. `renewed_at` is when that was, in
    Unix seconds by the clock of the holder's machine. None is what the Lease does not say.
    """

    holder: str | None
    lasts_s: int | None = None
    renewed_at: float | None = None
    transitions: int = 0

    @property
    def is_released(self) -> bool:
        """Whether its holder gave it back: one emptied by hand may have a holder at work."""
        return self.holder is None and self.lasts_s == RELEASED_S

    def spec(self) -> Body:
        """The Lease that says so, taken just now."""
        assert self.renewed_at is not None  # only what was read may lack it
        at = _time(self.renewed_at)
        return {
            **({} if self.holder is None else {"holderIdentity": self.holder}),
            "leaseDurationSeconds": self.lasts_s,
            "acquireTime": at,
            "renewTime": at,
            "leaseTransitions": self.transitions,
        }


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as it was read; `version` is that of the object, `uid` another one once recreated."""

    version: str
    uid: str
    claim: Claim


class Leases:
    """All methods raise ApiError. `requests` are bounded by no leadership: they make it."""

    def __init__(self, requests: Requests, name: LeaseName) -> None:
        self._requests = requests
        self.name = name

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.close()

    async def read(self) -> Lease | None:
        """The Lease, None when there is none."""
        try:
            found = await self._requests.send("GET", LEASE, LEASE.path(*self.name))
        except ApiError as error:
            if error.is_missing:
                return None
            raise
        metadata = found["metadata"]
        claim = _claim(found.get("spec") or {})
        return Lease(metadata["resourceVersion"], metadata["uid"], claim)

    async def create(self, claim: Claim) -> None:
        """Make it; that it exists is an ApiError of status 409."""
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"namespace": self.name.namespace, "name": self.name.name},
            "spec": claim.spec(),
        }
        await self._requests.send("POST", LEASE, LEASE.path(self.name.namespace), body=body)

    async def take(self, claim: Claim, before: Lease) -> None:
        """Make it say `claim`; that it is not as it was `before` is an ApiError of status 409."""
        metadata = {"resourceVersion": before.version}
        await self._patch({"metadata": metadata, "spec": claim.spec()}, MERGE_PATCH)

    async def renew(self, holder: str, at: float) -> None:
        """Say that `holder` still leads, at Unix seconds `at` of its clock.

        That it is not the holder is an ApiError of status 422: the API server compares, so that
        renewals under way do not get into each other's way, whoever annotates the Lease meanwhile.
        """
        await self._patch([_is_held_by(holder), _set("renewTime", _time(at))], JSON_PATCH)

    async def release(self, holder: str, at: float) -> None:
        """Give it back: others may take it at once. Status 422 as with `renew`."""
        patch = [
            _is_held_by(holder),
            {"op": "remove", "path": "/spec/holderIdentity"},
            _set("leaseDurationSeconds", RELEASED_S),
            _set("renewTime", _time(at)),
        ]
        await self._patch(patch, JSON_PATCH)

    async def _patch(self, patch: Any, content_type: str) -> None:
        path = LEASE.path(*self.name)
        await self._requests.send("PATCH", LEASE, path, body=patch, content_type=content_type)


def _claim(spec: Object) -> Claim:
    lasts, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    return Claim(
        spec.get("holderIdentity") or None,
        lasts if isinstance(lasts, int) else None,
        micro_time.read(spec.get("renewTime")),
        transitions if isinstance(transitions, int) else 0,
    )


def _is_held_by(holder: str) -> Mapping[str, Any]:
    return {"op": "test", "path": "/spec/holderIdentity", "value": holder}


def _set(field: str, value: object) -> Mapping[str, Any]:
    return {"op": "add", "path": f"/spec/{field}", "value": value}


def _time(at: float) -> str:
    return micro_time.written(datetime.fromtimestamp(at, UTC))
