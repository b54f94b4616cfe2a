"""Whatever goes wrong on the way, and whenever: a rollout comes to the same end."""

import random
from collections import Counter
from functools import cache
from typing import Any, Self

import pytest

from model_rollouts.rollout.actions import Action, WriteRoute
from tests.rollout.bounded_cluster import Bounded
from tests.rollout.simulated_cluster import INTERVAL

ERRORS = {"1": 0.002, "2": 0.002, "3": 0.2}
SHADOW = {"sideEffects": "None", "minDuration": "1m"}
STEPS = {None: [10, 50, 100], 1: [10, 20, 25, 50, 75, 100]}
"""The shares of users that a new version gets on four pods, by the pods that may be added."""

OFTEN = 0.2
"""How often each thing goes wrong, in an interval."""


class Disorder(Bounded):
    """A world in which things go wrong by `chance`; None is a world in order."""

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        super().__post_init__()
        self.happened: Counter[str] = Counter()
        self.given: list[tuple[str, int]] = []
        """Each write of the route: the version of the spec then, and its share in percent."""
        self.mirrors: list[tuple[str, int]] = []
        """Each write of the route: the version of the spec then, and its copies in percent."""
        self.counted: dict[str, list[int]] = {}
        """The requests that each status told of a candidate, by its version."""

    def run(self, seconds: float) -> Self:
        """Let time pass, in disorder."""
        for _ in range(int(seconds // INTERVAL)):
            self.time += INTERVAL
            self.prometheus_up = not self.goes_wrong("Prometheus is down")
            self.gateway_accepts = not self.goes_wrong("the gateway is slow")
            self.cuts = self.chance  # killed between two writes
            if self.goes_wrong("the operator is killed between two passes"):
                super().restart()
            self.serve()
            self.measure()
            if not self.goes_wrong("the operator is busy"):
                self.reconcile()
        return self

    def goes_wrong(self, what: str) -> bool:
        """Whether that happens now."""
        wrong = self.chance is not None and self.chance.random() < OFTEN
        self.happened[what] += wrong
        return wrong

    def restart(self) -> None:
        """The operator is killed between two writes."""
        self.happened["the operator is killed on the way"] += 1
        super().restart()

    def do(self, action: Action) -> None:
        """Carry out one action, and note what it gives to the version that is asked for."""
        super().do(action)
        if isinstance(action, WriteRoute):
            version = f"v{self.obj['spec']['model']['version']}"
            share = 100 * self.weights.get(version, 0) // sum(self.weights.values())
            if (version, share) not in self.given[-1:]:
                self.given.append((version, share))
            if (version, self.mirror) not in self.mirrors[-1:]:
                self.mirrors.append((version, self.mirror))

    def _written(self, status: dict[str, Any]) -> None:
        super()._written(status)
        if status["phase"] == "Canary":
            told = self.counted.setdefault(status["candidate"]["version"], [])
            told += [each["total"] for each in status["objectives"] if each["name"] == "errors"]

    def end(self) -> dict[str, Any]:
        """The state that people and tools see, without times and counts."""
        status = self.status
        return {
            "weights": self.weights,
            "pods": self.pods(),
            "phase": status["phase"],
            "conditions": sorted(
                (each["type"], each["status"], each["reason"]) for each in status["conditions"]
            ),
            "history": [(past["version"], past["outcome"]) for past in status["history"]],
        }


def played(
    chance: random.Random | None,
    extra: int | None,
    seed: int = 1,
    shadow: dict[str, Any] | None = None,
) -> Disorder:
    """A first version, a good one, and one with many errors; at last nothing goes wrong."""
    world = Disorder(errors=ERRORS, seed=seed)
    world.chance = chance
    world.edit(replicas=4, strategy__maxExtraReplicas=extra)
    for version, phase in (("1", "Full"), ("2", "Full"), ("3", "RolledBack")):
        watch, asked = {"duration": "10s"}, shadow or {"percent": 0}
        world.edit(version=version, strategy__watch=watch, strategy__shadow=asked)
        world.until(phase)
        # The one after it comes when the last one is no longer watched.
        world.run(12 * INTERVAL)
    world.chance = None
    world.run(12 * INTERVAL)
    return world


@cache
def in_order(extra: int | None) -> dict[str, Any]:
    """How it ends when nothing goes wrong."""
    return played(None, extra).end()


@pytest.mark.parametrize("extra", STEPS)
def test_without_disorder_the_good_one_stays_and_the_bad_one_goes(extra: int | None) -> None:
    end = in_order(extra)

    assert end["weights"] == {"v2": 1}
    assert end["phase"] == "RolledBack"
    assert end["history"] == [("3", "RolledBack"), ("2", "Promoted"), ("1", "Promoted")]


@pytest.mark.parametrize("extra", STEPS)
@pytest.mark.parametrize("seed", range(3))
def test_disorder_changes_neither_the_way_nor_the_end(seed: int, extra: int | None) -> None:
    world = played(random.Random(seed), extra, seed)

    assert len(+world.happened) == 5, world.happened
    shares: dict[str, list[int]] = {"v1": [], "v2": [], "v3": []}
    for version, share in world.given:
        shares[version].append(share)
    assert shares["v1"] == [100]
    assert shares["v2"] == STEPS[extra]
    # The bad one may fail on any step; the last write takes all users from it.
    *steps, last = shares["v3"]
    assert steps
    assert (steps, last) == (STEPS[extra][: len(steps)], 0)
    assert 100 not in steps
    for version, totals in world.counted.items():
        assert totals == sorted(totals), f"evidence about {version} was lost"
    assert world.end() == in_order(extra)


@cache
def shadowed_in_order() -> dict[str, Any]:
    """How it ends with a shadow, when nothing goes wrong."""
    return played(None, None, shadow=SHADOW).end()


@pytest.mark.parametrize("seed", range(2))
def test_disorder_changes_neither_the_stages_of_a_shadow_nor_the_end(seed: int) -> None:
    world = played(random.Random(seed), None, seed, SHADOW)

    assert len(+world.happened) == 5, world.happened
    copied: dict[str, list[int]] = {"v1": [], "v2": [], "v3": []}
    for version, percent in world.mirrors:
        copied[version].append(percent)
    # A share is never passed over, and the last write of each takes the copies away.
    assert copied["v1"] == [0]
    assert copied["v2"] == [1, 10, 100, 0]
    *stages, last = copied["v3"]
    assert (stages, last) == ([1, 10, 100][: len(stages)], 0)
    assert world.answers.get("3", 0) == 0, "users saw a version that was judged bad on copies"
    assert world.end() == shadowed_in_order()
