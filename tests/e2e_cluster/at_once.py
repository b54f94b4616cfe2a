"""Eight processes that want the same thing of an empty cache at the same moment.

A program of its own, run by `test_filling.py`: with a single thread it may fork, so that each of
the eight begins with everything imported. None takes a lock before all have found the thing
missing. What they start and rename is taken from Python's audit events, which nothing that is
tested here can bypass.
"""

import json
import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock

from e2e.cluster import filling, images, tools
from e2e.cluster.images import Image
from e2e.cluster.paths import CACHE, REPOSITORY

PROCESSES = 8
Filler = Callable[[], Path]


@dataclass
class Told:
    """What one process got, or why it got nothing, and what it did for it.

    `locked` has the files that it asked for as locks, `started` the words of each program, `made`
    what it renamed into its place.
    """

    got: str = ""
    error: str = ""
    locked: list[str] = field(default_factory=list)
    started: list[list[str]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take note of an audit event."""
        if event == "subprocess.Popen":
            self.started.append([str(word) for word in arguments[1]])
        elif event == "os.rename":
            self.made.append(str(arguments[1]))


def debian_package() -> Filler:
    """A real one, and a small one."""
    from e2e.cluster import debian

    return partial(debian.unpacked, "lua5.4")


def go_program() -> Filler:
    """The smallest of the cluster's programs."""
    return partial(tools.binary, "pause")


def wheels() -> Filler:
    """Of one small package."""
    return partial(images._wheels, "iniconfig", REPOSITORY / "constraints.txt")


def image() -> Filler:
    """An image with one of everything that an image is made of."""
    folder = CACHE / "small"
    files = {
        "pause": partial(tools.binary, "pause"),
        "requirements.txt": partial(folder.joinpath, "requirements.txt"),
    }
    return partial(images.archive, Image("small", folder, files, "iniconfig"))


def pause_image() -> Filler:
    """The smallest real image."""
    (pause,) = (image for image in images.NODE if image.name == "pause")
    return partial(images.archive, pause)


def chart() -> Filler:
    """Envoy Gateway's chart, or what stands for it: its module is a download of its own."""
    from e2e.cluster import addons

    tools.module_directory = lambda _: CACHE / "module"  # type: ignore[assignment]
    return addons._chart


def flights() -> Filler:
    """The demo's data, or a sample of them: pip takes ten seconds for the real ones."""
    from demo.flights import data

    def fetch(unfinished: Path) -> None:
        (CACHE / "flights.csv.zip").rename(unfinished)

    data._fetch = fetch
    data.SHA256 = (CACHE / "sha256").read_text()
    return data.archive


def models() -> Filler:
    """The demo's models, trained on the sample."""
    from demo.flights.prepared import prepare

    flights()
    return lambda: prepare().folder


FILLERS = {
    made.__name__: made
    for made in (debian_package, go_program, wheels, image, pause_image, chart, flights, models)
}
"""Each gets ready whatever it needs, before there are eight, and returns what the eight call."""


def main() -> None:
    """Print what each process tells, as JSON."""
    fill = FILLERS[sys.argv[1]]()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(PROCESSES)
    results: Any = context.SimpleQueue()
    processes = [
        context.Process(target=_want, args=(fill, barrier, results)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    print(json.dumps([asdict(results.get()) for _ in processes]))


def _want(fill: Filler, barrier: Any, results: Any) -> None:
    told = Told()
    sys.addaudithook(told.hear)

    def lock(path: Path) -> BaseFileLock:
        if not told.locked:
            barrier.wait(timeout=60)
        told.locked.append(str(path))
        return FileLock(path)

    filling.FileLock = lock  # type: ignore[attr-defined, assignment]
    try:
        told.got = str(fill())
    except Exception as error:
        told.error = repr(error)
    results.put(told)


if __name__ == "__main__":
    main()
