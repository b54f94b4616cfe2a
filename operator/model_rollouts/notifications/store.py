"""The cursor: what was told, and what waits for which target, in a SQLite file on a volume.

A fact and what follows from it are written in one transaction before anything is sent. A message
gets its id and its facts before it is sent too, so that after a kill the same one is sent again.
"""

import fcntl
import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from model_rollouts.notifications.occasions import Exposure, Occasion, digest

HOUR_S = 3_600.0
KEPT_S = 30 * 24 * HOUR_S
"""How long it is known that something was told which the status no longer says."""
LOST_S = 7 * 24 * HOUR_S
"""The same of an object that is not there any more."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS begun (at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS told (
  id TEXT PRIMARY KEY, uid TEXT NOT NULL, at REAL NOT NULL, has_ended INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS told_of ON told (uid);
CREATE TABLE IF NOT EXISTS waiting (
  id TEXT NOT NULL, target TEXT NOT NULL, uid TEXT NOT NULL, occasion TEXT NOT NULL,
  at REAL NOT NULL, due REAL NOT NULL, batch TEXT, PRIMARY KEY (id, target)
);
CREATE INDEX IF NOT EXISTS waiting_for ON waiting (target, due);
CREATE TABLE IF NOT EXISTS failing (target TEXT PRIMARY KEY, tries INTEGER, again REAL);
CREATE TABLE IF NOT EXISTS sent (target TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS exposed (
  uid TEXT NOT NULL, revision TEXT NOT NULL, share TEXT NOT NULL, since REAL NOT NULL,
  at REAL NOT NULL, PRIMARY KEY (uid, revision)
);
"""


class StoreError(Exception):
    """The file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into one message."""

    id: str
    occasions: tuple[Occasion, ...]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a target: how many facts, and since when the oldest does (Unix seconds)."""

    number: int
    oldest: float | None


class Store:
    """One file, for one process at a time; `None` keeps everything in memory. Times are Unix s."""

    def __init__(self, path: Path | None, now: float) -> None:
        self._lock = None if path is None else _locked(path)
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            # What was written must outlive the machine, not only the process.
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            with self.transaction():
                if self._one("SELECT at FROM begun") is None:
                    self._db.execute("INSERT INTO begun VALUES (?)", (now,))
        except sqlite3.Error as error:
            self.close()
            raise StoreError(f"{path}: {error}") from None
        self.begun: float = self._one("SELECT at FROM begun")
        """When the file was made: what had ended before is told to nobody."""

    def close(self) -> None:
        """Let another process have the file."""
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def is_told(self, id: str) -> bool:
        """Whether a fact was taken in already."""
        return self._one("SELECT 1 FROM told WHERE id = ?", id) is not None

    def tell(self, occasion: Occasion, targets: Collection[str], now: float, due: float) -> None:
        """Take in a fact, for these targets, not to be sent before `due`."""
        self._db.execute(
            "INSERT INTO told VALUES (?, ?, ?, ?)",
            (occasion.id, occasion.uid, now, occasion.has_ended),
        )
        text = json.dumps(occasion.as_json())
        self._db.executemany(
            "INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, NULL)",
            [(occasion.id, each, occasion.uid, text, now, due) for each in targets],
        )

    def settle(self, uid: str, holding: Collection[str], now: float) -> None:
        """Forget what is over: told anew if it comes again, and not sent if it was not due yet."""
        rows = self._db.execute("SELECT id FROM told WHERE uid = ? AND NOT has_ended", (uid,))
        over = [(id,) for (id,) in rows.fetchall() if id not in holding]
        self._db.executemany("DELETE FROM told WHERE id = ?", over)
        self._db.executemany(
            "DELETE FROM waiting WHERE id = ? AND batch IS NULL AND due > ?",
            [(id, now) for (id,) in over],
        )

    def expose(self, uid: str, revision: str, share: str, now: float) -> None:
        """Remember that a version has that share of users now."""
        found = self._one("SELECT share FROM exposed WHERE uid = ? AND revision = ?", uid, revision)
        if found is None:
            row = (uid, revision, share, now, now)
            self._db.execute("INSERT INTO exposed VALUES (?, ?, ?, ?, ?)", row)
        elif _percent(share) > _percent(found):
            self._db.execute(
                "UPDATE exposed SET share = ?, at = ? WHERE uid = ? AND revision = ?",
                (share, now, uid, revision),
            )

    def exposure(self, uid: str, revision: str) -> Exposure | None:
        """How many users a version had, None when it is not known that it had any."""
        row = self._db.execute(
            "SELECT share, since FROM exposed WHERE uid = ? AND revision = ?", (uid, revision)
        ).fetchone()
        return None if row is None else Exposure(*row)

    def unexpose(self, uid: str, revision: str) -> None:
        """The version has ended: another attempt begins without users."""
        self._db.execute("DELETE FROM exposed WHERE uid = ? AND revision = ?", (uid, revision))

    def sweep(self, uids: Collection[str], now: float) -> None:
        """Forget what was told long ago and can no longer be read; `uids` are all that exist."""
        with self.transaction():
            rows = self._db.execute("SELECT DISTINCT uid FROM told").fetchall()
            lost = [(uid, now - LOST_S) for (uid,) in rows if uid not in uids]
            self._db.executemany("DELETE FROM told WHERE uid = ? AND at < ?", lost)
            self._db.execute("DELETE FROM exposed WHERE at < ?", (now - KEPT_S,))
            self._db.execute("DELETE FROM sent WHERE at < ?", (now - HOUR_S,))

    def forget_ended(self, uid: str, holding: Collection[str], now: float) -> None:
        """Forget that something was told a month ago, if the status does not say it any more."""
        rows = self._db.execute(
            "SELECT id FROM told WHERE uid = ? AND has_ended AND at < ?", (uid, now - KEPT_S)
        )
        over = [(id,) for (id,) in rows.fetchall() if id not in holding]
        self._db.executemany("DELETE FROM told WHERE id = ?", over)

    def open_batch(self, target: str) -> Batch | None:
        """The message that was begun and whose answer was not recorded, if there is one."""
        id = self._one(
            "SELECT batch FROM waiting WHERE target = ? AND batch IS NOT NULL LIMIT 1", target
        )
        if id is None:
            return None
        rows = self._db.execute(
            "SELECT occasion FROM waiting WHERE target = ? AND batch = ? ORDER BY at, id",
            (target, id),
        )
        return Batch(id, tuple(Occasion.from_json(json.loads(text)) for (text,) in rows))

    def first_due(self, target: str) -> float | None:
        """Since when, or from when on, the first fact is due that is in no message yet."""
        due: float | None = self._one(
            "SELECT min(due) FROM waiting WHERE target = ? AND batch IS NULL", target
        )
        return due

    def begin(self, target: str, most: int, now: float) -> Batch:
        """Put what is due, `most` facts at most, into one message."""
        with self.transaction():
            rows = self._db.execute(
                "SELECT id FROM waiting WHERE target = ? AND batch IS NULL AND due <= ? "
                "ORDER BY due, at, id LIMIT ?",
                (target, now, most),
            ).fetchall()
            ids = [id for (id,) in rows]
            batch = ids[0] if len(ids) == 1 else digest(*ids)
            self._db.executemany(
                "UPDATE waiting SET batch = ? WHERE id = ? AND target = ?",
                [(batch, id, target) for id in ids],
            )
        begun = self.open_batch(target)
        assert begun is not None
        return begun

    def delivered(self, target: str, batch: Batch, now: float) -> None:
        """The target has it."""
        with self.transaction():
            self._done(target, batch.id)
            self._db.execute("DELETE FROM failing WHERE target = ?", (target,))
            self._db.execute("INSERT INTO sent VALUES (?, ?)", (target, now))

    def failed(self, target: str, batch: Batch, again: float, *, is_refused: bool) -> None:
        """The target has refused it, or nobody knows whether it has it; asked again at `again`.

        What it has for certain not taken may go with what has come since, in another message, and
        after it: what is refused for ever keeps nothing else waiting.
        """
        with self.transaction():
            if is_refused:
                self._db.execute(
                    "UPDATE waiting SET batch = NULL, due = ? WHERE target = ? AND batch = ?",
                    (again, target, batch.id),
                )
            row = (target, self.tries(target) + 1, again)
            self._db.execute("INSERT OR REPLACE INTO failing VALUES (?, ?, ?)", row)

    def tries(self, target: str) -> int:
        """How often in a row the target has failed."""
        return self._one("SELECT tries FROM failing WHERE target = ?", target) or 0

    def again(self, target: str) -> float:
        """When the target is asked again; long ago when it does not fail."""
        return self._one("SELECT again FROM failing WHERE target = ?", target) or 0.0

    def sent(self, target: str, since: float) -> Sequence[float]:
        """When messages were sent to a target since then, the oldest first."""
        rows = self._db.execute(
            "SELECT at FROM sent WHERE target = ? AND at > ? ORDER BY at", (target, since)
        )
        return [at for (at,) in rows]

    def give_up(self, target: str, before: float) -> int:
        """Drop what was taken in before then; returns how many facts that were."""
        with self.transaction():
            cursor = self._db.execute(
                "DELETE FROM waiting WHERE target = ? AND at < ?", (target, before)
            )
        return cursor.rowcount

    def drop_others(self, targets: Collection[str]) -> dict[str, int]:
        """Drop what waits for targets that there are no longer: their names, and how much."""
        rows = self._db.execute("SELECT target, count(*) FROM waiting GROUP BY target").fetchall()
        gone = {target: number for target, number in rows if target not in targets}
        with self.transaction():
            for table in ("waiting", "failing", "sent"):
                self._db.executemany(
                    f"DELETE FROM {table} WHERE target = ?",  # noqa: S608 - one of three words
                    [(target,) for target in gone],
                )
        return gone

    def backlog(self, target: str) -> Backlog:
        """What waits for a target."""
        row = self._db.execute(
            "SELECT count(*), min(at) FROM waiting WHERE target = ?", (target,)
        ).fetchone()
        return Backlog(*row)

    def _done(self, target: str, batch: str) -> None:
        self._db.execute("DELETE FROM waiting WHERE target = ? AND batch = ?", (target, batch))

    def _one(self, query: str, *values: object) -> Any:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]


def _locked(path: Path) -> TextIO:
    """Holds the file for this process. Raises StoreError when another one has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.with_suffix(".lock").open("w")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise StoreError(
            f"{path}: another process uses it, end that one or write another --cursor"
        ) from None
    return held


def _percent(share: str) -> float:
    try:
        return float(share.rstrip("%"))
    except ValueError:
        return 0.0
