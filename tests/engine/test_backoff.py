"""Each action that fails waits by itself, longer each time, and nothing else waits for it."""

from model_rollouts.engine.backoff import LONGEST_BACKOFF_S, Retries
from model_rollouts.engine.store import Key

A, B = Key("shop", "a"), Key("shop", "b")


class Waiting:
    """Retries without jitter, and their clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.retries = Retries(lambda: self.now, lambda: 1.0, LONGEST_BACKOFF_S)

    def fail(self, what: str, times: int) -> list[float | None]:
        """Seconds that it is left alone after each of so many failures, as each becomes due."""
        waits = []
        for _ in range(times):
            self.retries.failed(A, what)
            waits.append(self.retries.left(A, [what]))
            self.now += waits[-1] or 0.0
        return waits


def test_each_failure_doubles_the_wait_up_to_a_minute() -> None:
    assert Waiting().fail("scale", 10) == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_nothing_else_waits_for_what_fails() -> None:
    world = Waiting()
    world.fail("scale", 8)
    world.retries.failed(A, "scale")

    assert world.retries.waiting(A) == {"scale"}
    assert world.retries.waiting(B) == frozenset()
    assert world.fail("apply", 2) == [0.5, 1]


def test_the_first_that_may_be_tried_is_waited_for() -> None:
    world = Waiting()
    world.fail("scale", 5)
    world.retries.failed(A, "scale")
    world.retries.failed(A, "apply")

    assert world.retries.left(A, ["scale", "apply", "create"]) == 0.5
    assert world.retries.left(A, ["create"]) is None
    world.now += 100
    assert world.retries.left(A, ["scale"]) == 0


def test_what_protects_waits_for_seconds_although_it_failed_often_before() -> None:
    world = Waiting()
    world.fail("route", 8)
    world.retries.failed(A, "route")

    assert world.retries.left(A, ["route"], ["route"]) == 5
    world.now += 5
    assert world.retries.waiting(A, ["route"]) == frozenset()
    assert world.retries.waiting(A) == {"route"}


def test_what_is_done_or_forgiven_is_forgotten() -> None:
    world = Waiting()
    world.fail("scale", 4)
    world.retries.done(A, "scale")
    world.retries.done(B, "scale")
    assert world.fail("scale", 1) == [0.5]

    world.retries.failed(A, "scale")
    world.retries.forgive(A)
    assert world.retries.waiting(A) == frozenset()


def test_a_plan_that_leaves_it_out_once_is_no_excuse_and_one_long_after_is() -> None:
    world = Waiting()
    world.fail("scale", 4)
    world.now += LONGEST_BACKOFF_S
    assert world.fail("scale", 1) == [8]

    world.now += LONGEST_BACKOFF_S + 1
    assert world.fail("scale", 1) == [0.5]
