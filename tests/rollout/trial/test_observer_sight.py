"""What the observer lacks, beside what was mirrored."""

from dataclasses import replace

import pytest

from model_rollouts.rollout.memory import ObserverSight
from model_rollouts.rollout.trial.observer_sight import is_back_lately, is_behind, lacks_pairs


@pytest.mark.parametrize(
    ("young", "lacks"),
    [
        # A share that has just grown tenfold: the pairs of the last copies are on their way.
        (((90_000, 250), (95_000, 250)), None),
        ((), "answers"),
    ],
)
def test_pairs_are_waited_for_until_they_can_be_there(
    young: tuple[tuple[int, int], ...], lacks: str | None
) -> None:
    sight = ObserverSight(
        95_000, 95_000, until_ms=95_000, copies=600, young=young, pairs={"answers": 110}
    )

    assert lacks_pairs(sight, 1.0) == lacks


def test_a_version_without_any_pair_waits_however_young_its_copies_are() -> None:
    sight = ObserverSight(5_000, 0, copies=50, young=((5_000, 50),), pairs={"answers": 0})

    assert lacks_pairs(sight, 1.0) == "answers"


@pytest.mark.parametrize(("pairs", "lacks"), [(100, None), (60, None), (40, "again")])
def test_of_what_stable_is_asked_twice_a_tenth_is_waited_for(pairs: int, lacks: str | None) -> None:
    sight = ObserverSight(
        60_000,
        60_000,
        until_ms=60_000,
        copies=1_000,
        pairs={"answers": 1_000, "again": pairs},
        parts={"answers": 1.0, "again": 0.1},
    )

    assert lacks_pairs(sight, 1.0) == lacks


def test_it_is_not_behind_where_few_are_asked_twice() -> None:
    sight = ObserverSight(
        60_000, 0, until_ms=60_000, unpaired=90, pairs={"again": 5}, parts={"again": 0.1}
    )

    assert not is_behind(sight, 1.0)
    assert is_behind(replace(sight, unpaired=100), 1.0)


@pytest.mark.parametrize(
    ("back_ms", "until_ms", "waits"),
    [(0, 10_000, False), (100_000, 110_000, True), (100_000, 115_000, False)],
)
def test_what_it_lacks_is_waited_for_when_it_is_back(
    back_ms: int, until_ms: int, waits: bool
) -> None:
    sight = ObserverSight(until_ms, until_ms, until_ms=until_ms, back_ms=back_ms)

    assert is_back_lately(sight) is waits
