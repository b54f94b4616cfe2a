"""Rights that the operator can do without, and whether it has them: told once, and nothing waits.

A kind without which rollouts are as safe as before is left out where the API server refuses it, as
with the roles of an older chart or of a platform that gives no more. All other kinds are waited
for: without them a rollout would go on without knowing what is there.
"""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import POD_DISRUPTION_BUDGET, Kind
from model_rollouts.engine.operator_metrics import OperatorMetrics

WITHOUT = {
    POD_DISRUPTION_BUDGET: "a drain of nodes may end all pods of a model at once",
}
"""What is lost without each kind that the operator can do without."""

AGAIN_S = 600.0
"""How long a write that was refused is not tried again: rights may be given at any time."""

_NO_RIGHT = " cannot "
"""What the API server's authorizer says of each request: User "…" cannot patch resource "…"."""

_log = logging.getLogger(__name__)


class Rights:
    """What was refused, by kind and namespace (None: all)."""

    def __init__(
        self, instruments: OperatorMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._instruments = instruments
        self._clock = clock
        self._unread: set[tuple[Kind, str | None]] = set()
        self._unwritten: dict[tuple[Kind, str], float] = {}
        self._told: set[Kind] = set()

    def is_unread(self, kind: Kind) -> bool:
        """Whether it may not be read in any of the namespaces: a watch of it would end all."""
        return any(kind is refused for refused, _ in self._unread)

    def keeps(self, kind: Kind, namespace: str) -> bool:
        """Whether objects of that kind are made and changed in a namespace."""
        since = self._unwritten.get((kind, namespace))
        return not (
            (kind, None) in self._unread
            or (kind, namespace) in self._unread
            or (since is not None and self._clock() - since < AGAIN_S)
        )

    def was_read(self, kind: Kind, scope: str | None) -> None:
        """A list was answered."""
        self._unread.discard((kind, scope))
        self._tell(kind)

    def was_written(self, kind: Kind, namespace: str) -> None:
        """A write was answered."""
        if self._unwritten.pop((kind, namespace), None) is not None:
            self._tell(kind)

    def may_not_read(self, error: ApiError, kind: Kind, scope: str | None) -> bool:
        """Whether a list failed for want of a right that the operator can do without."""
        if kind not in WITHOUT or error.status != HTTPStatus.FORBIDDEN:
            return False
        self._unread.add((kind, scope))
        self._tell(kind, error)
        return True

    def may_not_write(self, error: ApiError, kind: Kind, namespace: str) -> bool:
        """The same of a write; a quota or a webhook that refuses one is a failure like any other.

        It is not tried again for `AGAIN_S`.
        """
        is_right = error.status == HTTPStatus.FORBIDDEN and _NO_RIGHT in error.message
        if kind not in WITHOUT or not is_right:
            return False
        self._unwritten[kind, namespace] = self._clock()
        self._tell(kind, error)
        return True

    def _tell(self, kind: Kind, error: ApiError | None = None) -> None:
        is_refused = self.is_unread(kind) or any(kind is of for of, _ in self._unwritten)
        if is_refused is (kind in self._told):
            return
        self._instruments.unreadable.labels(kind.plural).set(is_refused)
        if is_refused:
            self._told.add(kind)
            _log.warning(
                "%s may not be kept, so %s; all else works. Give the operator the rights of its "
                "chart: %s",
                kind.plural,
                WITHOUT[kind],
                error,
            )
        else:
            self._told.discard(kind)
            _log.info("%s are kept again", kind.plural)
