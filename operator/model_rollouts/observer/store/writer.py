"""The thread that commits: chunks wait in a bounded queue, and what has no room is dropped."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from model_rollouts.observer.capture.sequences import State
from model_rollouts.observer.exporter.counters import Counters
from model_rollouts.observer.store.chunk import Chunk
from model_rollouts.observer.store.table import (
    FencedError,
    PredictionTable,
    StorageError,
    UnwritableError,
)

FLUSH_S = 5.0
"""So long rows wait for their commit at most; as much is lost when the process is killed."""
CHUNK_BYTES = 16 * 1024 * 1024
MOST_BYTES = 96 * 1024 * 1024
"""Memory of all rows that wait; beyond, records are not stored, which is counted."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 10.0
UPKEEP_S = 600.0

_log = logging.getLogger(__name__)

Retention = Callable[[str, str], timedelta]
"""Of a namespace and a model."""


class Writer:
    """Owns the table from the moment on when it starts.

    `chunk` and `seal` are called by the thread that takes records; all else is done by a thread of
    its own, because commits block.
    """

    def __init__(
        self,
        table: PredictionTable,
        counters: Counters,
        retention: Retention,
        *,
        flush_s: float = FLUSH_S,
        most_bytes: int = MOST_BYTES,
        upkeep_s: float = UPKEEP_S,
    ) -> None:
        self._table = table
        self._counters = counters
        self._retention = retention
        self._flush_s = flush_s
        self._most_bytes = most_bytes
        self._upkeep_s = upkeep_s
        self._current = Chunk()
        self._began = time.monotonic()
        self._queue: deque[Chunk] = deque()
        self._queued_bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self.trouble = ""
        """What is wrong with the storage, "" when nothing is."""
        self.is_fenced = False
        """Whether another process writes with this observer's id: then this one has to end."""

    @property
    def waiting_bytes(self) -> int:
        """About how much memory the rows take that are not committed."""
        return self._queued_bytes + self._current.bytes

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def chunk(self) -> Chunk | None:
        """Where the next record goes; None when there is no room."""
        if self.waiting_bytes >= self._most_bytes or self.is_fenced:
            return None
        return self._current

    def why(self) -> str:
        """Why there is no room: a word for the count."""
        return f"storage_{self.trouble.partition(':')[0] or 'slow'}"

    def is_due(self) -> bool:
        """Whether the current chunk has waited long enough, or is large."""
        chunk = self._current
        if not chunk.rows:
            return False
        return chunk.bytes >= CHUNK_BYTES or time.monotonic() - self._began >= self._flush_s

    def seal(self, state: list[State]) -> None:
        """End the current chunk: `state` is that of the numbers of all records until now."""
        sealed, self._current = self._current, Chunk()
        self._began = time.monotonic()
        sealed.state = state
        with self._changed:
            if sealed.rows:
                self._queue.append(sealed)
                self._queued_bytes += sealed.bytes
            self._changed.notify()

    def stop(self, within_s: float) -> bool:
        """Commit what waits, and end; whether all of it was committed."""
        with self._changed:
            self._stopping = True
            self._deadline = time.monotonic() + within_s
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(within_s + 5)
        return not self._queue

    def _run(self) -> None:
        upkeep = time.monotonic() + self._upkeep_s
        while not self.is_fenced:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping, timeout=1.0)
                chunk = self._queue[0] if self._queue else None
                if chunk is None and self._stopping:
                    return
            if chunk is not None:
                if not self._committed(chunk):
                    return
                with self._changed:
                    self._queue.popleft()
                    self._queued_bytes -= chunk.bytes
            elif time.monotonic() >= upkeep:
                self._keep_up()
                upkeep = time.monotonic() + self._upkeep_s

    def _committed(self, chunk: Chunk) -> bool:
        """Commit a chunk however long it takes; False when this thread has to end before."""
        delay = FIRST_DELAY_S
        while True:
            try:
                self._table.commit(chunk)
            except StorageError as error:
                self._counters.commits.labels(error.why).inc()
                self._tell(f"{error.why}: {error}")
            except UnwritableError as error:
                self._counters.commits.labels("unwritable").inc()
                for (*revision, _), count in chunk.records.items():
                    self._counters.dropped.labels(*revision, "unwritable").inc(count)
                _log.error("%d rows cannot be written: %s", len(chunk.rows), error)
                return True
            except FencedError as error:
                self._counters.commits.labels("fenced").inc()
                self._tell(f"fenced: {error}")
                self.is_fenced = True
                return False
            else:
                self._counters.commits.labels("done").inc()
                self._tell("")
                for labels, count in chunk.records.items():
                    self._counters.stored.labels(*labels).inc(count)
                return True
            if self._ends_within(delay):
                return False
            delay = min(2 * delay, LONGEST_DELAY_S)

    def _ends_within(self, delay: float) -> bool:
        """Wait for so long; whether the process has to end meanwhile."""
        with self._changed:
            until = time.monotonic() + delay
            while (left := min(until, self._deadline) - time.monotonic()) > 0:
                self._changed.wait(left)
            return time.monotonic() >= self._deadline

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            if trouble:
                _log.error("the prediction log is not written: %s", trouble)
            else:
                _log.info("the prediction log is written again")
        self.trouble = trouble

    def _keep_up(self) -> None:
        try:
            self._table.keep_up(self._retention, datetime.now(UTC))
        except StorageError as error:
            _log.warning("the upkeep of the prediction log failed: %s", error)
