"""Events of what fails and what no status can tell: each once for a series, then every ten minutes.

The plan tells of all other failures; it cannot tell that its status is refused, or that there is no
plan.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from model_rollouts.cluster.events import Occurrence
from model_rollouts.engine.failures import EVENT_TIMES, STILL_UNDER_WAY, Failures
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import Failure

WRITE_REFUSED = "WriteRefused"
PLAN_FAILED = "PlanFailed"


class Reports:
    """Records events; `clock` is in Unix seconds."""

    def __init__(self, record: Callable[[Occurrence], None], clock: Callable[[], float]) -> None:
        self._record = record
        self._clock = clock

    def not_done(self, model: Object, failures: Failures, failure: Failure) -> None:
        """Tell of a request that has failed twice in a row."""
        note = (
            f"Cannot {failure.what}: {failure.answer}. The operator tries again within "
            "seconds to a minute. Check the admission webhooks, policies and quotas that concern "
            "the object, and the permissions of the operator."
        )
        self._tell(model, failures, failure, EVENT_TIMES, WRITE_REFUSED, "Write", note)

    def not_answered(self, model: Object, failures: Failures, what: str) -> None:
        """Tell of a write that takes long, while it is waited for."""
        note = (
            f"Cannot {what} so far: {STILL_UNDER_WAY}. The operator waits for it and tries again. "
            "Check the admission webhooks that concern the object, and the API server."
        )
        # What comes back in the end is told as well: it is not the same failure.
        failure = Failure(f"{what} in time", STILL_UNDER_WAY)
        self._tell(model, failures, failure, 1, WRITE_REFUSED, "Write", note)

    def not_planned(self, model: Object, failures: Failures, failure: Failure) -> None:
        """Tell of an error of the operator itself, at once."""
        note = (
            f"Cannot {failure.what}: {failure.answer}. This is an error in the operator. Versions "
            "keep the users that they have, and the operator tries again within a minute. Its log "
            "has the details; please report them."
        )
        self._tell(model, failures, failure, 1, PLAN_FAILED, "Plan", note)

    def _tell(
        self,
        model: Object,
        failures: Failures,
        failure: Failure,
        times: int,
        reason: str,
        action: str,
        note: str,
    ) -> None:
        now = self._clock()
        if failures.event_due(failure, now, times):
            at = datetime.fromtimestamp(now, UTC)
            self._record(Occurrence(model, "Warning", reason, action, note, at))
