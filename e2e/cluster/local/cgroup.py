"""The node's cgroup: the one place from which every process of the node can be found and ended.

Both versions are handled: with version 1 the `pids` hierarchy is the register of processes, with
version 2 the only one.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from e2e.cluster.local.layout import CGROUP
from e2e.cluster.progress import StepError

ROOT = Path("/sys/fs/cgroup")
END_SECONDS = 20.0


def version_2() -> bool:
    """Whether the machine has only the unified hierarchy."""
    return (ROOT / "cgroup.controllers").exists()


def create() -> None:
    """Create the node's cgroup everywhere; components go to a leaf of it, pods beside that leaf."""
    for hierarchy in _hierarchies():
        (hierarchy / CGROUP).mkdir(exist_ok=True)
        # A new cpuset has no processors until it is given its parent's.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not version_2() and (hierarchy / name).exists():
                (hierarchy / CGROUP / name).write_text((hierarchy / name).read_text())
    # Version 2 forbids processes in a cgroup that has children with controllers.
    _components().mkdir(parents=True, exist_ok=True)


def join() -> None:
    """Move the calling process into the components' leaf; for use between fork and exec."""
    (_components() / "cgroup.procs").write_text(str(os.getpid()))


def pids() -> set[int]:
    """The pids of all processes of the node: components, container shims and containers."""
    found: set[int] = set()
    for listing in (_registry() / CGROUP).rglob("cgroup.procs"):
        # A container's cgroup may go while we look.
        with contextlib.suppress(OSError):
            found.update(int(line) for line in listing.read_text().split())
    return found


def directories() -> list[Path]:
    """The node's cgroup in every hierarchy where it exists."""
    return [top for hierarchy in _hierarchies() if (top := hierarchy / CGROUP).exists()]


def _hierarchies() -> list[Path]:
    if version_2():
        return [ROOT]
    return [path for path in sorted(ROOT.iterdir()) if (path / "cgroup.procs").exists()]


def end_all() -> int:
    """End every process of the node and remove its cgroups; return how many were ended.

    Raises:
        StepError: a process did not end.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + END_SECONDS
    # Several rounds: a shim may start a process while it is being ended itself.
    while running := pids():
        if time.monotonic() > deadline:
            raise StepError(
                f"processes {sorted(running)} of the node did not end within {END_SECONDS:.0f} s",
                hint="look at them with `ps`; a process in state D waits for the disk",
            )
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended |= running
        _pause()
    _remove(deadline)
    return len(ended)


def _remove(deadline: float) -> None:
    for top in directories():
        while top.exists():
            for directory in sorted((p for p in top.rglob("*") if p.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    directory.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()
            if top.exists():
                # The kernel frees a cgroup only when its last process is fully gone.
                if time.monotonic() > deadline:
                    raise StepError(f"cgroup {top} could not be removed")
                _pause()


def _pause() -> None:
    # The kernel has no event for "this cgroup is empty" in version 1, so this polls.
    time.sleep(0.05)


def _registry() -> Path:
    return ROOT if version_2() else ROOT / "pids"


def _components() -> Path:
    return _registry() / CGROUP / "components"
