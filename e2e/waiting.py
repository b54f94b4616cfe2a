"""Waiting for a state that announces itself nowhere, with a limit and a complaint."""

import time
from collections.abc import Callable

SECONDS = 60.0
_POLL_SECONDS = 0.2


def wait_until(holds: Callable[[], bool], complaint: str, seconds: float = SECONDS) -> None:
    """Ask `holds` until it is true; fail with `complaint` when that takes more than `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{complaint} within {seconds:.0f} s"
        time.sleep(_POLL_SECONDS)
