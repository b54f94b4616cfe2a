"""The operator changes nothing of what its store gives out: the next pass gets the same object."""

import msgspec
import pytest

from model_rollouts.engine import store
from model_rollouts.resources.shapes import Object
from tests.faults.examine import examine

SEEDS = range(6)


def test_what_was_given_out_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Object, bytes]] = []
    unpacked = store._unpacked

    def noted(packed: bytes, pattern: bytes) -> Object:
        obj = unpacked(packed, pattern)
        given.append((obj, msgspec.json.encode(obj)))
        return obj

    monkeypatch.setattr(store, "_unpacked", noted)

    for seed in SEEDS:
        examine(seed)

    kinds = {obj["kind"] for obj, _ in given}
    assert kinds >= {"ModelDeployment", "HTTPRoute", "Deployment", "ControllerRevision"}
    assert all(msgspec.json.encode(obj) == text for obj, text in given)
