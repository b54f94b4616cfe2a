"""What users ask, held against the training data: seven whole days of the log, once a day.

A day is counted once, in the bins of the reference, and nothing is written: what a restart forgets
is counted again from the log. A week has each hour and each weekday as often, so that neither is a
change. Nothing is decided by it.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from model_rollouts.api.model import ReferenceFile
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import CONFIG_MAP
from model_rollouts.observer.distributions import (
    BadReferenceError,
    IncomparableError,
    Movement,
    Reference,
    added,
    compare,
    read,
    write,
)
from model_rollouts.observer.exporter.counters import Counters
from model_rollouts.observer.settings import Key, Models
from model_rollouts.observer.store.columns import LogColumns
from model_rollouts.observer.store.query import LogError, Question
from model_rollouts.observer.tables import TableError, count

DAYS = 7
CHECK_S = 600.0
"""How often it is seen whether there is a new day, another reference, or an error no more."""
LATE_S = 900.0
"""After midnight, until the last requests of a day are in the log."""
FILE = "reference.json"
"""The key of the ConfigMap."""

_log = logging.getLogger(__name__)


class InputMovement(msgspec.Struct, frozen=True, rename="camel"):
    """An input: the share of requests that are elsewhere, and what changed most, in words."""

    name: str
    moved: bool
    distance: float
    tolerance: float
    sentence: str
    importance: float | None


class InputsReport(msgspec.Struct, frozen=True, rename="camel"):
    """What is known of the inputs of a model; `why` says why nothing is, and is empty otherwise.

    since, until: the first and the last day, UTC; reference: the digest of its file; absent: inputs
    of the reference that the log has of no request.
    """

    reference: str
    why: str = ""
    since: str = ""
    until: str = ""
    requests: int = 0
    inputs: tuple[InputMovement, ...] = ()
    absent: tuple[str, ...] = ()


class _NotNowError(Exception):
    """Nothing can be compared now; the message says why, and what can be done."""


class InputWatch:
    """The inputs of all models whose spec names a reference. `clock` is Unix time."""

    def __init__(
        self,
        client: ClusterClient,
        models: Models,
        counters: Counters,
        log: str,
        storage_options: dict[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._models = models
        self._counters = counters
        self._log = log
        self._options = storage_options
        self._clock = clock
        self._days: dict[Key, dict[tuple[str, datetime], bytes]] = {}
        """The counts of whole days, by digest of the reference and day: its file is the smallest
        form of them."""
        self._done: dict[Key, tuple[ReferenceFile, datetime]] = {}
        self.reports: dict[Key, InputsReport] = {}

    async def follow(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                await self.look()
            except Exception:
                # The other half of the process has to go on, and the next look may succeed.
                _log.exception("inputs could not be compared with their references")

    async def look(self) -> None:
        """Compare what was not compared with the reference of today's spec, or could not be."""
        midnight = datetime.fromtimestamp(self._clock() - LATE_S, UTC).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        for key, settings in list(self._models.known().items()):
            asked = settings.reference
            if asked is None:
                self._forget(key)
            elif self._done.get(key) != (asked, midnight):
                try:
                    report = await self._compared(key, asked, midnight)
                    self._done[key] = (asked, midnight)
                except _NotNowError as error:
                    report = InputsReport(asked.digest, str(error))
                self._tell(key, report)

    async def _compared(self, key: Key, asked: ReferenceFile, midnight: datetime) -> InputsReport:
        reference = await self._reference(key, asked)
        known = self._days.get(key, {})
        kept: dict[tuple[str, datetime], bytes] = {}
        days = [midnight - timedelta(days=back) for back in range(DAYS, 0, -1)]
        empty = []
        for day in days:
            place = (asked.digest, day)
            found = known.get(place)
            if found is None:
                found = await asyncio.to_thread(self._counted, key, day, reference)
            if found is None:
                empty.append(day)
            else:
                kept[place] = found
                self._days[key] = known | kept
        self._days[key] = kept
        if empty:
            raise _NotNowError(
                f"{DAYS - len(empty)} of the last {DAYS} days have requests in the log, and "
                f"{empty[-1]:%Y-%m-%d} has none: inputs are compared once all of them have"
            )
        try:
            now = added([read(each) for each in kept.values()])
            against = compare(reference, now)
        except IncomparableError as error:
            raise _NotNowError(str(error)) from None
        return InputsReport(
            asked.digest,
            "",
            f"{days[0]:%Y-%m-%d}",
            f"{days[-1]:%Y-%m-%d}",
            now.rows,
            tuple(_told(each) for each in against.movements if each.role == "input"),
            tuple(name for name in against.gone if name in {e.name for e in reference.inputs}),
        )

    async def _reference(self, key: Key, asked: ReferenceFile) -> Reference:
        namespace, _ = key
        what = f"ConfigMap {namespace}/{asked.config_map}"
        try:
            body = await self._client.get(CONFIG_MAP, namespace, asked.config_map)
        except ApiError as error:
            advice = ": apply the Role in docs/shifts.md" if error.status == 403 else ""
            raise _NotNowError(f"{what} could not be read: {error.answer}{advice}") from None
        if body is None:
            raise _NotNowError(
                f"{what} is not there: write kubectl -n {namespace} create configmap "
                f"{asked.config_map} --from-file={FILE}"
            )
        text = (body.get("data") or {}).get(FILE)
        if not isinstance(text, str):
            raise _NotNowError(f"{what} has no key {FILE}: make it with --from-file={FILE}")
        content = text.encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if digest != asked.digest:
            raise _NotNowError(
                f"{what}, {FILE}: found {digest}, spec.model.reference.digest is {asked.digest}: "
                "correct one of them"
            )
        try:
            return read(content)
        except BadReferenceError as error:
            raise _NotNowError(f"{what}, {FILE}: {error}") from None

    def _counted(self, key: Key, day: datetime, like: Reference) -> bytes | None:
        """What users asked on a day, in the bins of `like`; None if there is nothing of it."""
        namespace, model = key
        asked = Question(namespace=namespace, model=model, since=day, until=day + timedelta(days=1))
        try:
            columns = LogColumns(self._log, self._options, asked, "live")
            if not any(True for _ in columns.batches([])):
                return None
            return write(count(columns, like, lambda *_: None))
        except (LogError, TableError, BadReferenceError) as error:
            raise _NotNowError(str(error)) from None

    def _tell(self, key: Key, report: InputsReport) -> None:
        before = self.reports.get(key)
        self.reports[key] = report
        self._counters.forget_inputs(*key)
        for each in report.inputs:
            self._counters.input_distance.labels(*key, each.name).set(each.distance)
            self._counters.input_moved.labels(*key, each.name).set(each.moved)
        if report.why and (before is None or before.why != report.why):
            _log.warning("%s: inputs are not compared: %s", "/".join(key), report.why)

    def _forget(self, key: Key) -> None:
        if self.reports.pop(key, None) is not None:
            self._counters.forget_inputs(*key)
        self._days.pop(key, None)
        self._done.pop(key, None)


def _told(movement: Movement) -> InputMovement:
    return InputMovement(
        movement.name,
        movement.has_moved,
        movement.distance,
        movement.tolerance,
        movement.sentence,
        movement.importance,
    )
