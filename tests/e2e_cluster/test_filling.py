"""Whatever fills the cache does it once, however many processes want it and whoever is ended."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from e2e.cluster.filling import filled
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from tests.e2e_cluster import at_once

pytestmark = pytest.mark.fillers

IMAGE_PROGRAMS = {
    "unshare": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
    "mmdebstrap": 'for last; do :; done; echo base > "$last"',
    "buildah": """
names=$2.names; shift 4
case $1 in
  images) touch "$names"; cat "$names" ;;
  from) echo container ;;
  commit) for last; do :; done; echo "$last" >> "$names" ;;
  build) while [ "$1" != --iidfile ]; do shift; done; echo sha256:1 > "$2" ;;
  push) for last; do :; done; last=${last#docker-archive:}; echo image > "${last%%:*}" ;;
esac
""",
}
"""What stands for programs that take half a minute for a base image."""

APT_PROGRAMS = {
    "apt-cache": '[ -e "$MODEL_ROLLOUTS_CACHE/lists" ] && echo "  Candidate: 1.0"; true',
    "apt-get": """
case $1 in
  update) mkdir "$MODEL_ROLLOUTS_CACHE/lists" || exit 100 ;;
  download) touch lua5.4.deb ;;
esac
""",
    "dpkg-deb": 'mkdir "$3"',
}
"""What stands for a machine that has never fetched its lists of packages."""

VENV_PROGRAMS = {
    "python3": """
mkdir -p "$3/bin"
ln -s "$(command -v pip)" "$3/bin/python"
echo "venv" >> "$RUNS"
""",
    "pip": 'echo "pip" >> "$RUNS"',
}
"""What stands for `python3 -m venv` and its pip, which would take a minute."""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache, but for what the stand-ins read."""
    cache = tmp_path / "cache"
    folders = {
        "small": {"Dockerfile": "FROM ${BASE}\n", "requirements.txt": "iniconfig\n"},
        "module/charts/gateway-helm": {"values.tmpl.yaml": "image: ${GatewayImage}\n"},
    }
    for folder, files in folders.items():
        (cache / folder).mkdir(parents=True)
        for name, text in files.items():
            (cache / folder / name).write_text(text)
    sample = cache / "flights.csv.zip"
    with zipfile.ZipFile(sample, "w") as packed:
        packed.write(REPOSITORY / "tests" / "demo" / "flights.csv", "flights.csv")
    (cache / "sha256").write_text(hashlib.sha256(sample.read_bytes()).hexdigest())
    return cache


def with_programs(folder: Path, programs: Mapping[str, str]) -> dict[str, str]:
    """An environment in which shell scripts come before the machine's programs."""
    folder.mkdir()
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("name", "programs", "costly"),
    [
        ("debian_package", {}, ["apt-get download", "dpkg-deb --extract"]),
        ("debian_package", APT_PROGRAMS, ["apt-get update", "apt-get download"]),
        ("go_program", {}, ["go build"]),
        ("wheels", {}, ["pip download"]),
        (
            "image",
            IMAGE_PROGRAMS,
            ["go build", "pip download", "mmdebstrap", "buildah commit", "buildah build"],
        ),
        ("chart", {}, []),
        ("flights", {}, []),
        ("models", {}, []),
    ],
)
def test_eight_at_once_on_an_empty_cache_get_the_same_and_make_it_once(
    name: str, programs: dict[str, str], costly: list[str], cache: Path, tmp_path: Path
) -> None:
    environment = with_programs(tmp_path / "programs", programs)
    assert_made_once(name, costly, cache, environment)


def test_eight_at_once_build_a_real_image_once(image_builder: None, cache: Path) -> None:
    costly = ["go build", "buildah build", "buildah push"]
    assert_made_once("pause_image", costly, cache, dict(os.environ))


def assert_made_once(
    name: str, costly: list[str], cache: Path, environment: dict[str, str]
) -> None:
    """Eight processes fill an empty cache; each step in `costly`, as words, is run by one."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.e2e_cluster.at_once", name],
        cwd=REPOSITORY,
        env={**environment, "MODEL_ROLLOUTS_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
    told: list[dict[str, Any]] = json.loads(ended.stdout)
    assert [one["error"] for one in told] == [""] * at_once.PROCESSES
    assert all(one["locked"] for one in told)
    (got,) = {one["got"] for one in told}
    assert Path(got).exists()
    assert [made for one in told for made in one["made"]].count(got) == 1
    started = [set(words) for one in told for words in one["started"]]
    runs = {step: sum(words >= set(step.split()) for words in started) for step in costly}
    assert runs == dict.fromkeys(costly, 1)
    assert unfinished(cache) == []


def unfinished(cache: Path) -> list[Path]:
    """What was begun and not finished below `cache`."""
    return list(cache.rglob("*unfinished*"))


def test_eight_makes_at_once_install_once(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    environment = with_programs(tmp_path / "programs", VENV_PROGRAMS) | {"RUNS": str(runs)}
    command = ("make", "-f", REPOSITORY / "Makefile", "venv", f"VENV={tmp_path / 'venv'}")

    makes = [
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL)
        for _ in range(at_once.PROCESSES)
    ]

    assert [make.wait(timeout=60) for make in makes] == [0] * at_once.PROCESSES
    assert runs.read_text().split() == ["venv", "pip"]


PROGRAM = """
import sys
from pathlib import Path
from e2e.cluster import filling

filling.PATIENCE_SECONDS = 0.1
target, file = map(Path, sys.argv[1:])

def fill(unfinished):
    unfinished.mkdir()
    (unfinished / "half").touch()
    print("half", flush=True)
    sys.stdin.readline()
    file.rename(unfinished / "whole")

print(filling.filled(target, fill))
"""


@contextmanager
def filler(target: Path, source: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that fills `target`: halfway, and the rest with the file `source` when told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(target), str(source)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def line(stream: IO[str] | None) -> str:
    """The next line that a process writes, without its end."""
    assert stream is not None
    return stream.readline().strip()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file that can be moved into its place only once."""
    source = tmp_path / "source"
    source.touch()
    return source


@pytest.mark.timeout(60)
def test_one_that_was_killed_halfway_leaves_nothing_that_looks_finished(
    tmp_path: Path, source: Path
) -> None:
    target = tmp_path / "target"
    with filler(target, source) as first:
        assert line(first.stdout) == "half"
        with filler(target, source) as second:
            assert "Waiting for another process" in line(second.stderr)
            assert not target.exists()

            first.kill()

            assert line(second.stdout) == "half"
            second.communicate("go on\n", timeout=60)
    assert sorted(path.name for path in target.iterdir()) == ["half", "whole"]
    assert unfinished(tmp_path) == []


@pytest.mark.timeout(60)
def test_whoever_waits_is_told_for_what_and_gets_what_the_other_made(
    tmp_path: Path, source: Path
) -> None:
    target = tmp_path / "target"
    with filler(target, source) as first:
        assert line(first.stdout) == "half"
        with filler(target, source) as second:
            assert line(second.stderr).endswith(f" works on {target}")

            first.communicate("go on\n", timeout=60)

            out, _ = second.communicate(timeout=60)
    assert out == f"{target}\n"


def test_different_targets_are_filled_at_the_same_time(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=60)

    def fill(unfinished: Path) -> None:
        both.wait()
        unfinished.touch()

    with ThreadPoolExecutor(2) as threads:
        made = list(threads.map(lambda name: filled(tmp_path / name, fill), ["one", "two"]))

    assert [path.is_file() for path in made] == [True, True]


def test_a_failure_is_told_and_the_next_one_tries_again(tmp_path: Path) -> None:
    def fail(unfinished: Path) -> None:
        unfinished.touch()
        raise StepError("the disk is full")

    with pytest.raises(StepError):
        filled(tmp_path / "target", fail)
    assert unfinished(tmp_path) == []
    assert filled(tmp_path / "target", Path.touch).is_file()


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("there")

    assert filled(tmp_path / "target", Path.touch).read_text() == "there"
    assert list(tmp_path.iterdir()) == [tmp_path / "target"]
