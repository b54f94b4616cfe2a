"""Lists and watches that fail: told from the second time on, seldom, and to whom it concerns."""

from model_rollouts.engine.sight import STANDS_S, Sight

ROUTES = "list HTTPRoutes"


class At:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def told(sight: Sight, namespace: str | None = None) -> list[tuple[str, str]]:
    """What is told and why."""
    return [(each.what, each.answer) for each in sight.unseen(namespace)]


def test_once_may_be_chance_and_twice_is_told_in_the_words_that_it_began_with() -> None:
    sight = Sight(At())

    assert not sight.failed(ROUTES, None, "HTTP 500: 1")
    assert told(sight) == []
    assert sight.failed(ROUTES, None, "HTTP 500: 2")
    assert not sight.failed(ROUTES, None, "HTTP 500: 3")
    assert told(sight) == [(ROUTES, "HTTP 500: 2")]


def test_a_success_between_two_failures_keeps_them_from_being_told() -> None:
    sight = Sight(At())
    sight.failed(ROUTES, None, "no answer")

    assert sight.done(ROUTES, None) is None
    assert not sight.failed(ROUTES, None, "no answer")


def test_what_comes_and_goes_is_told_for_a_minute_at_least() -> None:
    clock = At()
    sight = Sight(clock)
    for _ in range(2):
        sight.failed(ROUTES, None, "no answer")

    clock.now += 20
    assert sight.done(ROUTES, None) == STANDS_S - 20
    assert sight.done(ROUTES, None) is None, "nobody has to be woken twice"
    assert told(sight) == [(ROUTES, "no answer")]
    assert not sight.failed(ROUTES, None, "no answer"), "it is told still"

    clock.now += STANDS_S
    assert told(sight) == [(ROUTES, "no answer")]
    assert sight.done(ROUTES, None) == 0
    assert told(sight) == []


def test_a_namespace_hears_of_its_own_lists_alone() -> None:
    sight = Sight(At())
    for _ in range(2):
        sight.failed(ROUTES, "shop", "HTTP 403: no")

    assert told(sight, "shop") == [(f"{ROUTES} in namespace shop", "HTTP 403: no")]
    assert told(sight, "other") == []
    assert len(told(sight)) == 1


def test_who_plans_meanwhile_is_told_when_to_plan_again() -> None:
    clock = At()
    sight = Sight(clock)
    for _ in range(2):
        sight.failed(ROUTES, "flights", "no answer")
    assert sight.ends_in("flights") is None, "nobody knows when it ends"

    clock.now += 20
    sight.done(ROUTES, "flights")

    assert sight.ends_in("flights") == STANDS_S - 20
    assert sight.ends_in("trains") is None
    clock.now += STANDS_S - 20
    assert sight.ends_in("flights") is None
    assert told(sight, "flights") == []
