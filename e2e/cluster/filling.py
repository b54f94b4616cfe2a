"""Makes each thing in the cache once per machine, however many processes want it at once.

Test workers, two checkouts, or a person beside a test run meet on an empty cache. One of them makes
the thing, under a lock and beside its place; a rename puts it there, so that nothing half made ever
looks finished. The operating system gives a lock back when its holder ends, also by SIGKILL.
"""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE_SECONDS = 5.0
"""Whoever waits for longer is told what for."""


def filled(target: Path, fill: Callable[[Path], object]) -> Path:
    """Return `target`, a file or a folder, made by `fill` unless it is there.

    Different targets are filled in parallel, the same one by one process while others wait for it.
    What `fill` raises is raised, and the next process that wants the target tries again.

    Args:
        target: where it has to be.
        fill: makes it at the path that it is given. The folder around that path is its own, empty
            at first and removed afterwards: room for what is needed only on the way.
    """
    if not target.exists():
        with alone(target):
            # Whoever had the lock before has probably made it.
            if not target.exists():
                _fill(target, fill)
    return target


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only process of the machine with the lock for `path` until the end of the context.

    The lock is a hidden file beside `path`, which need not exist. Waiting has no end, because a
    cold build has none that could be told beforehand; after PATIENCE_SECONDS standard error says
    what is awaited.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except Timeout:
        print(f"Waiting for another process that works on {path}", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fill(target: Path, fill: Callable[[Path], object]) -> None:
    prefix = f".{target.name}.unfinished-"
    for left in target.parent.iterdir():
        # We have the lock: its owner was ended halfway.
        if left.name.startswith(prefix):
            shutil.rmtree(left, ignore_errors=True)
    # A name of its own: a program that such an owner had started may still write to the old one.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as scratch:
        unfinished = Path(scratch) / target.name
        fill(unfinished)
        unfinished.rename(target)
