"""One event for an outage of Prometheus, however many ModelDeployments wait for it.

Each of them says it in its conditions. The event is on the operator's own pod: it is of no
ModelDeployment more than of any other.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from model_rollouts.api.conditions import Reason
from model_rollouts.cluster.events import Occurrence
from model_rollouts.cluster.kinds import POD
from model_rollouts.engine.failures import EVENT_AGAIN_S
from model_rollouts.resources.shapes import Object

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnPod:
    """The pod in which the operator runs."""

    namespace: str
    name: str
    uid: str

    @property
    def regarding(self) -> Object:
        """The pod, as far as an event needs it."""
        metadata = {"namespace": self.namespace, "name": self.name, "uid": self.uid}
        return {"apiVersion": POD.api_version, "kind": POD.name, "metadata": metadata}


class Outage:
    """Hears of each reading of samples, and stands between the plans and the recorder of events.

    Without a pod, as outside of a cluster, every ModelDeployment has an event of its own. `clock`
    is in Unix seconds.
    """

    def __init__(
        self,
        record: Callable[[Occurrence], None],
        pod: OwnPod | None,
        clock: Callable[[], float],
    ) -> None:
        self._record = record
        self._pod = pod
        self._clock = clock
        self._lasts = False
        self._told_at: float | None = None

    def heard(self, failure: str | None) -> None:
        """What came of one reading: the failure, when nothing at all was answered."""
        if (failure is not None) is not self._lasts:
            _log.info("Prometheus answers again" if failure is None else failure)
        self._lasts = failure is not None
        now = self._clock()
        again = self._told_at is None or abs(now - self._told_at) >= EVENT_AGAIN_S
        if failure is not None and self._pod is not None and again:
            self._told_at = now
            note = (
                f"Prometheus gives no usable answer: {failure}. No version is judged meanwhile: "
                "all ModelDeployments that need it keep the weights that they have, and say so in "
                "their conditions. The operator asks again at each scrape interval. Repair "
                "Prometheus, or correct how the operator asks it (docs/install.md)."
            )
            at = datetime.fromtimestamp(now, UTC)
            reason = Reason.METRICS_UNAVAILABLE.value
            self._record(
                Occurrence(self._pod.regarding, "Warning", reason, "ReadSamples", note, at)
            )

    def record(self, occurrence: Occurrence) -> None:
        """Record an event, unless it tells a ModelDeployment of what is told here."""
        told = self._lasts and self._pod is not None
        if not (told and occurrence.reason == Reason.METRICS_UNAVAILABLE):
            self._record(occurrence)
