"""The plugin for Krew: an archive with a launcher, and the manifest that names its hash.

    python -m e2e.krew --url https://releases.example.com/kubectl-mdep-v0.1.0.tar.gz --archive FILE

The archive is the same bytes wherever it is built, so that the committed manifest stays true.
"""

import gzip
import hashlib
import io
import tarfile
import tomllib
from pathlib import Path

import click

from e2e.cluster.paths import REPOSITORY

FOLDER = Path("manifests", "krew")
MANIFEST, LAUNCHER = FOLDER / "mdep.yaml", FOLDER / "kubectl-mdep"
EXAMPLE = "https://releases.example.com/kubectl-mdep-v{version}.tar.gz"
PLATFORMS = tuple((system, cpu) for system in ("linux", "darwin") for cpu in ("amd64", "arm64"))


def version() -> str:
    """The release."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    return str(project["project"]["version"])


def archive() -> bytes:
    """The launcher and the license, as .tar.gz; equal files give equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, mode in ((LAUNCHER, 0o755), (Path("LICENSE"), 0o644)):
            content = (REPOSITORY / path).read_bytes()
            entry = tarfile.TarInfo(path.name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    # Stored and not compressed: compressors differ between releases of zlib.
    stored = io.BytesIO()
    with gzip.GzipFile("", "wb", compresslevel=0, fileobj=stored, mtime=0) as file:
        file.write(packed.getvalue())
    return stored.getvalue()


def manifest(url: str) -> str:
    """The manifest of the plugin, as the index of Krew takes it."""
    digest = hashlib.sha256(archive()).hexdigest()
    platforms = "".join(
        f"""\
    - selector: {{matchLabels: {{os: {system}, arch: {cpu}}}}}
      uri: {url}
      sha256: {digest}
      bin: kubectl-mdep
"""
        for system, cpu in PLATFORMS
    )
    return f"""\
# Written by `python -m e2e.krew`. Replace the example address by that of the release.
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: mdep
spec:
  version: v{version()}
  shortDescription: Look at rollouts of machine-learning models and change them
  description: |
    Shows rollouts of ModelDeployments (Model Rollouts): revisions, pods, objectives with their
    counts, and what is awaited. Explains verdicts, waits for the end of a rollout, promotes and
    rolls back by a change of the spec, checks manifests offline, and converts those of other tools.
  caveats: |
    It runs the Python package model-rollouts by uv or pipx.
  platforms:
{platforms}"""


@click.command()
@click.option("--url", default=EXAMPLE, help="Where the archive will be.")
@click.option("--archive", "path", type=click.Path(path_type=Path), help="Write the archive too.")
def main(url: str, path: Path | None) -> None:
    """Write the manifest of the plugin for Krew."""
    (REPOSITORY / MANIFEST).write_text(manifest(url.format(version=version())))
    click.echo(f"wrote {MANIFEST}", err=True)
    if path is not None:
        path.write_bytes(archive())
        click.echo(f"wrote {path}", err=True)


if __name__ == "__main__":
    main()
