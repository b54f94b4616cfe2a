"""Every change of a kind of object on the cluster with the moment at which it was seen.

What a scene asserts about the way between two states (no weight moved, Ready was never true) must
not depend on having looked at the right moment.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from e2e.cluster.kubectl import Kubectl
from e2e.scenes.following import Follower
from e2e.waiting import wait_until

Object = dict[str, Any]
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Change:
    """One change. `at` is when it arrived, in Unix seconds; `type` ADDED, MODIFIED or DELETED."""

    at: float
    type: str
    object: Object

    @property
    def namespace(self) -> str:
        """Where the object is."""
        return str(self.object["metadata"].get("namespace", ""))

    @property
    def is_end(self) -> bool:
        """Whether the object is gone, or asked to go."""
        return self.type == "DELETED" or "deletionTimestamp" in self.object["metadata"]


class Chronicle:
    """The changes of one kind in all namespaces; a context manager.

    What existed when it began comes first, as added at that time. The API server ends a watch when
    it likes, e.g. when a CRD changes: then the next one begins, again with all that exists.
    """

    def __init__(self, kubectl: Kubectl, path: str) -> None:
        """Prepare to follow the kind at `path` of the API server, such as `/api/v1/pods`."""
        self._kubectl = kubectl
        self.path = path
        self._changes: list[Change] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._ending = threading.Event()
        self._follower = self._begin()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()
        return self

    def _begin(self) -> Follower:
        watch = f"{self.path}?watch=true"
        return Follower(self._kubectl, "get", "--raw", watch, take=self._take)

    def _keep(self) -> None:
        while not self._ending.wait(_POLL_SECONDS):
            if not self._follower.running:
                self._follower.wait()
                self._follower = self._begin()

    def _take(self, at: float, line: str) -> None:
        event = json.loads(line)
        if event["type"] == "ERROR":
            return
        self._changes.append(Change(at, event["type"], event["object"]))

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ending.set()
        self._keeper.join()
        self._follower.stop()

    def of(self, namespace: str, since: float = 0.0) -> tuple[Change, ...]:
        """The changes in `namespace` from `since` (Unix seconds) on, in their order."""
        return tuple(
            change
            for change in tuple(self._changes)
            if change.at >= since and change.namespace == namespace
        )

    def wait_for(
        self,
        namespace: str,
        holds: Callable[[Object], bool],
        complaint: str,
        *,
        since: float = 0.0,
        seconds: float = 60.0,
    ) -> Change:
        """The first change from `since` on whose object `holds`; fails after `seconds`."""

        def found() -> Change | None:
            return next((each for each in self.of(namespace, since) if holds(each.object)), None)

        try:
            wait_until(lambda: found() is not None, complaint, seconds)
        except AssertionError as error:
            for last in self.of(namespace)[-1:]:
                error.add_note(f"seen last: {json.dumps(last.object.get('status'))}")
            raise
        change = found()
        assert change is not None
        return change
