"""The two images of the demo, built like those of the end-to-end tests."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from demo.flights.prepared import Prepared
from e2e.cluster.images import Image
from e2e.cluster.paths import REPOSITORY

MODEL, LOAD = (REPOSITORY / "demo" / room for room in ("model", "load"))
_Files = Mapping[str, Callable[[], Path]]


def model(prepared: Prepared) -> Image:
    """The model server with the trained models."""
    files: _Files = {
        "model": lambda: MODEL,
        "artifacts": lambda: prepared.models,
        "requirements.txt": partial(MODEL.joinpath, "requirements.txt"),
    }
    # KServe and this project want different versions of the same libraries.
    pins = MODEL / "constraints.txt"
    return Image("flights-model", MODEL, files, _requirements(MODEL), pins)


def load(prepared: Prepared) -> Image:
    """The load generator with the flights that it replays."""
    files: _Files = {
        "load": lambda: LOAD,
        "requests.gz": lambda: prepared.requests,
        "requirements.txt": partial(LOAD.joinpath, "requirements.txt"),
    }
    return Image("flights-load", LOAD, files, _requirements(LOAD))


def _requirements(folder: Path) -> str:
    return (folder / "requirements.txt").read_text()
