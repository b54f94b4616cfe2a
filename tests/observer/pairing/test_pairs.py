"""Two arms of a request meet, within a time and a bound."""

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from model_rollouts.observer.compare import Answer, Outcome
from model_rollouts.observer.pairing import Half, Met, Pair, Pairs, Taken


def half(request_id: str, *, is_shadow: bool = False, model: str = "m") -> Half:
    revision = "m-2" if is_shadow else "m-1"
    return Half(("default", model), is_shadow, revision, request_id, Answer(Outcome.ANSWERED))


def test_both_arms_are_a_pair_whichever_comes_first() -> None:
    pairs = Pairs()
    live, shadow = half("a"), half("a", is_shadow=True)

    assert pairs.add(live) is Taken.WAITS
    assert pairs.add(shadow) == Met(Pair(live, shadow))
    live, shadow = half("b"), half("b", is_shadow=True)
    assert pairs.add(shadow) is Taken.WAITS
    assert pairs.add(live) == Met(Pair(live, shadow))


def test_the_first_write_wins_before_and_after_the_pair_is_made() -> None:
    pairs = Pairs()
    first = half("a")
    pairs.add(first)

    assert pairs.add(half("a")) is Taken.REPEATED
    assert isinstance(made := pairs.add(half("a", is_shadow=True)), Met)
    assert made.pair.stable is first
    assert pairs.add(half("a")) is Taken.REPEATED
    assert pairs.add(half("a", is_shadow=True)) is Taken.REPEATED


def test_one_id_in_two_models_is_two_requests() -> None:
    pairs = Pairs()
    pairs.add(half("a", model="m"))

    assert pairs.add(half("a", is_shadow=True, model="n")) is Taken.WAITS


def test_a_half_waits_for_one_to_two_times_and_is_then_told() -> None:
    pairs = Pairs(ttl_s=60)
    assert list(pairs.expired(0)) == []
    pairs.add(half("a"))
    pairs.add(half("b"))
    assert list(pairs.expired(59)) == []
    assert list(pairs.expired(60)) == []
    pairs.add(half("c"))
    assert isinstance(pairs.add(half("b", is_shadow=True)), Met)
    assert list(pairs.expired(119)) == []

    assert [each.request_id for each in pairs.expired(120)] == ["a"]
    assert [each.request_id for each in pairs.expired(180)] == ["c"]
    assert len(pairs) == 0


def test_too_many_halves_are_given_up_before_their_time() -> None:
    pairs = Pairs(ttl_s=60, most=10)
    list(pairs.expired(0))
    told = 0
    for number in range(1_000):
        pairs.add(half(str(number)))
        told += len(list(pairs.expired(1)))
        assert len(pairs) <= 20

    assert told + len(pairs) == 1_000


def again(request_id: str) -> Half:
    """What stable answered to the mirrored request."""
    return Half(("default", "m"), True, "m-1", request_id, Answer(Outcome.ANSWERED))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_three_answers_meet_in_whatever_order_and_each_pair_is_told_once(
    order: tuple[int, ...],
) -> None:
    pairs = Pairs()
    halves = half("a"), half("a", is_shadow=True), again("a")
    pair = Pair(*halves[:2])

    told = [pairs.add(halves[index], asks_twice=True) for index in order]

    met = [each for each in told if isinstance(each, Met)]
    assert [each.pair for each in met if each.is_new] == [pair]
    assert [each.itself for each in met if each.itself is not None] == [halves[2]]
    assert met[-1].itself is halves[2]
    for each in halves:
        assert pairs.add(each, asks_twice=True) is Taken.REPEATED
    assert list(pairs.expired(0)) == []
    assert list(pairs.expired(60)) + list(pairs.expired(120)) == []


def test_of_a_request_that_stable_answered_once_the_pair_is_told_and_nothing_is_missing() -> None:
    pairs = Pairs()
    list(pairs.expired(0))

    assert pairs.add(half("a"), asks_twice=True) is Taken.WAITS
    assert isinstance(pairs.add(half("a", is_shadow=True), asks_twice=True), Met)
    assert pairs.add(half("a"), asks_twice=True) is Taken.REPEATED
    assert pairs.add(again("b"), asks_twice=True) is Taken.WAITS
    assert pairs.add(half("b"), asks_twice=True) is Taken.WAITS

    gone = [*pairs.expired(60), *pairs.expired(120)]
    assert sorted((each.request_id, each.is_shadow) for each in gone) == [
        ("b", False),
        ("b", True),
    ]


def test_halves_that_wait_after_their_pair_are_bounded_as_those_that_wait_for_it() -> None:
    pairs = Pairs(ttl_s=60, most=10)
    list(pairs.expired(0))

    for number in range(1_000):
        for each in (half(str(number)), half(str(number), is_shadow=True)):
            pairs.add(each, asks_twice=True)
            list(pairs.expired(1))
            # Two halves of each request, ten in each of two generations.
            assert len(pairs) <= 10


class EveryHalfIsOneThing(RuleBasedStateMachine):
    """Whatever comes in whatever order: each half is in a pair, repeated, told, or waits."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = Pairs(ttl_s=10, most=5)
        self.now = 0.0
        self.added = self.paired = self.repeated = self.told = 0

    @rule(request_id=st.sampled_from("abcdefgh"), is_shadow=st.booleans())
    def comes(self, request_id: str, is_shadow: bool) -> None:
        """A half arrives."""
        self.added += 1
        taken = self.pairs.add(half(request_id, is_shadow=is_shadow))
        if isinstance(taken, Met):
            assert taken.pair.candidate.is_shadow and not taken.pair.stable.is_shadow
            self.paired += 2
        elif taken is Taken.REPEATED:
            self.repeated += 1

    @rule(seconds=st.floats(0, 15))
    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.told += len(list(self.pairs.expired(self.now)))

    @invariant()
    def adds_up(self) -> None:
        """What is left waits."""
        waiting = self.added - self.paired - self.repeated - self.told
        assert 0 <= waiting <= len(self.pairs)


TestEveryHalfIsOneThing = EveryHalfIsOneThing.TestCase
TestEveryHalfIsOneThing.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
