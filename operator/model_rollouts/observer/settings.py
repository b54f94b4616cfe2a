"""What is kept and compared of a model, as its ModelDeployment says; read again every 30 s."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from model_rollouts.api.capture import BodySchema
from model_rollouts.api.disagreement import (
    Against,
    Disagreement,
    Distance,
    bound,
    comparison,
)
from model_rollouts.api.duration import span
from model_rollouts.api.model import ReferenceFile
from model_rollouts.api.ratio import share
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.observer.compare import Comparison
from model_rollouts.observer.identity import AwayError
from model_rollouts.observer.protocols import DeclaredBody

REREAD_S = 30.0
RETENTION_S = 7 * 24 * 3_600.0
"""The default of `spec.capture.retention`, 168h."""
EVERYTHING = "*"

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


@dataclass(frozen=True)
class ModelSettings:
    """What holds for a model now.

    `inputs` and `outputs` are the names of the tensors that are kept; None keeps all of them.
    `version` is that of the spec, and `versions` are those of the revisions that the status names.
    """

    version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    inputs: frozenset[str] | None = frozenset()
    outputs: frozenset[str] | None = frozenset()
    retention_s: float = RETENTION_S
    comparisons: tuple[Comparison, ...] = ()
    stable: str = ""
    """The revision that serves, by the status."""
    request: DeclaredBody | None = None
    answer: DeclaredBody | None = None
    """Where values stand in bodies of no known protocol; None leaves that to the protocol."""
    reference: ReferenceFile | None = None
    """What the training data look like, where the spec says it."""

    @cached_property
    def asks_twice(self) -> bool:
        """Whether a second answer of stable is compared."""
        return any(each.against_itself for each in self.comparisons)

    @cached_property
    def wanted_outputs(self) -> frozenset[str] | None:
        """Outputs that are kept or compared, None for all of them."""
        compared = {each.output for each in self.comparisons}
        if self.outputs is None or None in compared:
            return None
        return self.outputs | {name for name in compared if name is not None}

    def version_of(self, revision: str) -> str:
        """The version that a revision serves; what no status names yet is the one of the spec."""
        return self.versions.get(revision, self.version)

    def keeps_output(self, name: str) -> bool:
        """Whether values of an output may be kept and shown."""
        return self.outputs is None or name in self.outputs


def settings_of(body: Mapping[str, Any]) -> ModelSettings:
    """The settings in a ModelDeployment. What this release cannot read of it is left out."""
    spec = body.get("spec") or {}
    capture = spec.get("capture") or {}
    include = capture.get("include") or {}
    try:
        retention_s = span(str(capture["retention"])).total_seconds()
    except (KeyError, ValueError):
        retention_s = RETENTION_S
    request, answer = _declared(capture.get("schema"))
    return ModelSettings(
        str((spec.get("model") or {}).get("version") or ""),
        dict(_versions(body.get("status") or {})),
        _names(include.get("inputs")),
        _names(include.get("outputs")),
        retention_s,
        tuple(_comparisons(spec.get("objectives") or ())),
        str(((body.get("status") or {}).get("stable") or {}).get("revision") or ""),
        request,
        answer,
        _reference((spec.get("model") or {}).get("reference")),
    )


def _reference(found: Any) -> ReferenceFile | None:
    try:
        return ReferenceFile.model_validate(found)
    except ValidationError:
        return None


def _declared(schema: Any) -> Iterator[DeclaredBody | None]:
    """What is declared of requests, and of answers."""
    try:
        found = BodySchema.model_validate(schema or {})
    except ValidationError:
        found = BodySchema()
    for side in (found.request, found.answer):
        yield (
            None
            if side is None
            else DeclaredBody(
                None if side.rows is None else side.rows.split("."),
                {each.name: each.path.split(".") for each in side.values},
            )
        )


def _versions(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for each in (*(status.get("history") or ()), status.get("stable"), status.get("candidate")):
        if isinstance(each, Mapping) and each.get("revision") and each.get("version"):
            yield str(each["revision"]), str(each["version"])


def _names(names: Any) -> frozenset[str] | None:
    found = frozenset(str(each) for each in names or ())
    return None if EVERYTHING in found else found


def _comparisons(objectives: Any) -> Iterator[Comparison]:
    seen = set()
    for each in objectives:
        if not isinstance(each, Mapping) or each.get("type") != "Disagreement":
            continue
        try:
            block = Disagreement.model_validate(each.get("disagreement") or {})
        except ValidationError:
            continue
        allowed = bound(block.tolerance) if block.tolerance is not None else None
        digest = comparison(block)
        if digest in seen:
            continue
        seen.add(digest)
        yield Comparison(
            digest,
            block.of.value,
            block.output,
            allowed.amount if allowed else 0.0,
            allowed.is_relative if allowed else False,
            block.against is Against.SELF,
            (block.distance or Distance.MAX).value,
            block.top or 0,
            float(share(block.at_least)) if block.at_least else 1.0,
            block.fields or (),
        )


class Models:
    """The settings of all models that pods speak for."""

    def __init__(self, client: ClusterClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[Key, ModelSettings] = {}
        self._locks: dict[Key, asyncio.Lock] = {}

    def of(self, key: Key) -> ModelSettings:
        """What was last read; of a model that was never read, that nothing is kept or compared."""
        return self._known.get(key) or ModelSettings()

    def known(self) -> Mapping[Key, ModelSettings]:
        """All that were read."""
        return self._known

    async def load(self, key: Key, revision: str) -> ModelSettings:
        """The settings as of now if `revision` is new to them, else as last read; raises AwayError.

        A new version often comes with what it is compared by, and all that is mirrored until that
        is read again would be held against it.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            if revision not in self.of(key).versions:
                try:
                    self._known[key] = await self._read(key)
                except ApiError as error:
                    raise AwayError(f"{'/'.join(key)} could not be read: {error.answer}") from None
            return self._known[key]

    async def follow(self) -> None:
        """Read all of them again every 30 s; what cannot be read stays as it was."""
        while True:
            await asyncio.sleep(REREAD_S)
            for key in list(self._known):
                try:
                    self._known[key] = await self._read(key)
                except ApiError as error:
                    _log.warning("%s could not be read again: %s", "/".join(key), error.answer)

    async def _read(self, key: Key) -> ModelSettings:
        body = await self._client.get(MODEL_DEPLOYMENT, *key)
        return settings_of(body or {})
