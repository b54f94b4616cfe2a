"""Records that never came are counted exactly, whatever order the others come in."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.observer.capture.sequences import MOST_GAPS, Origin, Sequences

ORIGIN = Origin("models", "iris", "iris-1", "live", "uid", "boot")


def lost(sequences: Sequences, now: float) -> int:
    return sum(each.records for each in sequences.lost(now))


def test_a_gap_is_told_once_after_the_grace_period() -> None:
    sequences = Sequences(grace_s=5)
    assert all(sequences.came(ORIGIN, number, 0) for number in (1, 2, 6))

    assert lost(sequences, 4) == 0
    assert lost(sequences, 5) == 3
    assert lost(sequences, 9) == 0
    assert not sequences.came(ORIGIN, 4, 9)


def test_what_was_only_overtaken_is_not_lost() -> None:
    sequences = Sequences(grace_s=5)
    for number in (4, 2, 1, 3):
        assert sequences.came(ORIGIN, number, 0)

    assert lost(sequences, 99) == 0


def test_numbers_that_came_before_are_repeated() -> None:
    sequences = Sequences()
    sequences.came(ORIGIN, 1, 0)

    assert not sequences.came(ORIGIN, 1, 0)
    assert sequences.came(ORIGIN._replace(boot="another"), 1, 0)


def test_the_next_process_counts_what_was_kept_by_none() -> None:
    before, after = Sequences(grace_s=5), Sequences(grace_s=5)
    for number in (1, 2, 4):
        before.came(ORIGIN, number, 0)
    kept = json.loads(json.dumps(before.state()))
    before.came(ORIGIN, 5, 0)

    after.resume(kept, 100)
    after.came(ORIGIN, 8, 100)

    assert lost(after, 105) == 4
    assert [each.origin for each in after.lost(105)] == []


def test_gaps_take_bounded_memory() -> None:
    sequences = Sequences(grace_s=1e9)
    told = 0
    for number in range(2, 4 * MOST_GAPS, 2):
        sequences.came(ORIGIN, number, 0)
        told += lost(sequences, 0)

    assert len(sequences.state()[0][-1]) == MOST_GAPS
    assert told + MOST_GAPS == 2 * MOST_GAPS - 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), unique=True, min_size=1).flatmap(st.permutations))
def test_lost_is_what_is_missing_below_the_highest(numbers: list[int]) -> None:
    sequences = Sequences(grace_s=5)

    assert all(sequences.came(ORIGIN, number, 0) for number in numbers)

    assert lost(sequences, 5) == max(numbers) - len(numbers)
