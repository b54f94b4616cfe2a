"""Processes of stores on loopback: started, awaited, and ended by their pid."""

import contextlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

PATIENCE_S = 60.0


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str | Path], directory: Path, ready: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the context; it is ready when the URL `ready` answers."""
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=output, stderr=subprocess.STDOUT, cwd=directory
        )
    try:
        _await(name, process, ready, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(name: str, process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended at once: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(ready, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"{name} was not ready within {PATIENCE_S:g} s: {log.read_text()[-2000:]}")
