"""Programs from Debian packages, unpacked into the cache instead of installed.

Unpacking keeps the machine as it is: no service is started, no file of the system changes, and a
container engine that the machine already has cannot be replaced by accident.
"""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from e2e.cluster.paths import CACHE
from e2e.cluster.progress import StepError
from e2e.cluster.shell import run


@cache
def unpacked(package: str) -> Path:
    """Return the directory that holds the unpacked files of `package`, fetching it when needed.

    The directory is keyed by the version that apt would install, so an upgrade of the machine's
    package lists is picked up, and two versions never mix.

    Raises:
        StepError: it could not be fetched.
    """
    version = _candidate(package)
    target = CACHE / "debian" / f"{package}_{version.replace(':', '%3a')}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Unpacked beside the target and renamed: an interrupted run leaves no half-filled directory.
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{package}-"))
    try:
        run(["apt-get", "download", "-q", f"{package}={version}"], cwd=scratch, hint=_NEEDS_DEBIAN)
        (archive,) = scratch.glob("*.deb")
        run(["dpkg-deb", "--extract", archive, "files"], cwd=scratch, hint=_NEEDS_DEBIAN)
        (scratch / "files").rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def program(package: str, name: str) -> Path:
    """Return the path of program `name` in `package`, fetching the package when needed."""
    root = unpacked(package)
    for directory in ("usr/bin", "usr/sbin", "bin", "sbin"):
        candidate = root / directory / name
        if candidate.is_file():
            return candidate
    raise StepError(f"package {package} at {root} has no program {name}")


def _candidate(package: str) -> str:
    for attempt in range(2):
        policy = run(["apt-cache", "policy", package], hint=_NEEDS_DEBIAN)
        versions = [line.split()[1] for line in policy.splitlines() if "Candidate:" in line]
        if versions and versions[0] != "(none)":
            return versions[0]
        if attempt == 0:
            run(["apt-get", "update", "-q"], hint=_NEEDS_DEBIAN)
    raise StepError(
        f"apt knows no package {package}",
        hint="add Debian's main component to the package sources",
    )


_NEEDS_DEBIAN = "use a Debian-like machine, or PROVIDER=kind"
