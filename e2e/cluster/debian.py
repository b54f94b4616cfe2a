"""Programs from Debian packages, unpacked into the cache instead of installed.

Unpacking keeps the machine as it is: no service is started, no file of the system changes, and a
container engine that the machine already has cannot be replaced by accident.
"""

import contextlib
from functools import cache
from pathlib import Path

from e2e.cluster.filling import alone, filled
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
    wanted = f"{package}={version}"

    def unpack(unfinished: Path) -> None:
        scratch = unfinished.parent
        run(["apt-get", "download", "-q", wanted], cwd=scratch, hint=_NEEDS_DEBIAN)
        (archive,) = scratch.glob("*.deb")
        run(["dpkg-deb", "--extract", archive, unfinished], hint=_NEEDS_DEBIAN)

    return filled(CACHE / "debian" / f"{package}_{version.replace(':', '%3a')}", unpack)


def program(package: str, name: str) -> Path:
    """Return the path of program `name` in `package`, fetching the package when needed."""
    root = unpacked(package)
    for directory in ("usr/bin", "usr/sbin", "bin", "sbin"):
        candidate = root / directory / name
        if candidate.is_file():
            return candidate
    raise StepError(f"package {package} at {root} has no program {name}")


def package_manager() -> contextlib.AbstractContextManager[None]:
    """Have apt to oneself: of two that change something at once, apt turns the second away."""
    return alone(CACHE / "debian" / "apt")


def _candidate(package: str) -> str:
    version = _known(package)
    if not version:
        with package_manager():
            # Whoever had it before may have fetched the lists.
            version = _known(package)
            if not version:
                run(["apt-get", "update", "-q"], hint=_NEEDS_DEBIAN)
                version = _known(package)
    if not version:
        raise StepError(
            f"apt knows no package {package}",
            hint="add Debian's main component to the package sources",
        )
    return version


def _known(package: str) -> str:
    """The version that apt would install; empty when its lists have none."""
    policy = run(["apt-cache", "policy", package], hint=_NEEDS_DEBIAN)
    versions = [line.split()[1] for line in policy.splitlines() if "Candidate:" in line]
    return versions[0] if versions and versions[0] != "(none)" else ""


_NEEDS_DEBIAN = "use a Debian-like machine, or PROVIDER=kind"
