"""One tenant can't blind another: what is wrong with one rollout is told of it, and of no other."""

from itertools import pairwise

import pytest

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.counts import Counted
from model_rollouts.prometheus.errors import PassingError, QueryError, Smaller
from model_rollouts.prometheus.splits import APART_S, EXTRA_QUERIES, MOST_APART, QUIET_S
from tests.prometheus.tenants import PATIENT, Tenants, Trouble

SAYS = {
    Trouble.HUGE: "exceeds 9 bytes",
    Trouble.LIMITED: "HTTP 422",
    Trouble.NATIVE: "envoy_http_downstream_rq_completed is a native histogram",
    Trouble.MIXED: "envoy_http_downstream_rq_completed is a native histogram",
    Trouble.LABELS: "not an answer from Prometheus",
    Trouble.SAMPLE: "a sample cannot be read",
    Trouble.SLOW: "no answer within 10 s",
    Trouble.DEADLY: "server disconnected",
}


@pytest.mark.parametrize("guilty", [0, 7])
@pytest.mark.parametrize("trouble", Trouble, ids=lambda each: each.name.lower())
def test_only_the_guilty_rollout_is_unavailable(trouble: Trouble, guilty: int) -> None:
    world = Tenants(namespaces=4, each=3)
    assert world.unavailable() == {}
    world.troubles[guilty] = trouble
    if trouble in PATIENT:
        # Each tick asks about half of what failed: four halvings, and one to begin with.
        for _ in range(5):
            world.tick()

    for _ in range(3):
        blind = world.unavailable()
        assert blind.keys() == {guilty}
        assert SAYS[trouble] in blind[guilty]
        assert len(world.asked) <= 12

    innocent = {number: total for number, total in world.totals.items() if number != guilty}
    assert set(innocent.values()) == {world.due}


@pytest.mark.parametrize("trouble", Trouble, ids=lambda each: each.name.lower())
def test_what_was_guilty_and_is_well_again_has_lost_nothing(trouble: Trouble) -> None:
    world = Tenants(namespaces=3, each=2)
    world.troubles[3] = trouble
    for _ in range(6):
        world.tick()

    del world.troubles[3]
    world.now += QUIET_S
    for _ in range(2):
        world.tick()

    assert set(world.totals.values()) == {world.due}
    # Once it has been well for a while, all are asked about together again.
    world.now += QUIET_S + APART_S
    assert world.unavailable() == {}
    assert len(world.asked) == 1


def test_the_next_tick_begins_with_the_split() -> None:
    world = Tenants(namespaces=8, each=8)
    world.troubles[20] = Trouble.HUGE

    assert world.unavailable().keys() == {20}
    first = len(world.asked)
    assert world.unavailable().keys() == {20}
    second = len(world.asked)

    assert first <= 1 + 2 * 6
    # The guilty one is known, and not asked about: its answer is large.
    assert second == 1


def test_what_stays_guilty_is_asked_about_less_and_less_often() -> None:
    world = Tenants(namespaces=2, each=2)
    world.troubles[3] = Trouble.SLOW
    while world.unavailable().keys() != {3}:
        pass

    asked_at = [world.now]
    while len(asked_at) < 6:
        world.now += 9
        assert world.unavailable().keys() == {3}
        if any("r3" in each for each in world.asked):
            asked_at.append(world.now)

    waits = [round(after - before) for before, after in pairwise(asked_at)]
    assert waits == [30, 60, 120, 240, 300]


def test_more_guilty_rollouts_than_a_tick_can_find_blind_only_themselves_in_the_end() -> None:
    world = Tenants(namespaces=12, each=4)
    world.troubles = dict.fromkeys(range(0, 48, 4), Trouble.LIMITED)

    for _ in range(4):
        blind = world.unavailable()
        assert len(world.asked) <= 1 + EXTRA_QUERIES + MOST_APART

    assert blind.keys() == world.troubles.keys()


def test_several_guilty_rollouts_of_several_tenants_are_found() -> None:
    world = Tenants(namespaces=8, each=8)
    world.troubles = {3: Trouble.HUGE, 20: Trouble.LIMITED, 21: Trouble.LABELS, 60: Trouble.NATIVE}

    for _ in range(3):
        blind = world.unavailable()
        assert len(world.asked) <= 1 + EXTRA_QUERIES + MOST_APART

    assert blind.keys() == world.troubles.keys()


def test_rollouts_that_are_too_much_together_are_asked_about_in_parts() -> None:
    world = Tenants(namespaces=2, each=4)
    too_much = 4
    original = world.reader._ask

    async def ask(text: str, at_ms: int, namespace: str) -> bytes:
        if sum(text.count(f"r{number}") for number in world.requests) > too_much:
            world.asked.append(text)
            raise QueryError("the answer exceeds 9 bytes", Smaller.HELPS)
        return await original(text, at_ms, namespace)

    world.reader._ask = ask

    assert world.unavailable() == {}
    assert len(world.asked) == 3
    assert world.unavailable() == {}
    assert len(world.asked) == 2


@pytest.mark.parametrize(
    ("failure", "most"),
    [
        (PassingError("connection refused"), 1),
        (QueryError("HTTP 401"), 1),
        (QueryError("no answer within 10 s", Smaller.MAY_HELP), 2),
        (PassingError("HTTP 503", Smaller.MAY_HELP), 2),
    ],
    ids=str,
)
def test_a_prometheus_that_is_away_is_not_asked_more_often(failure: Exception, most: int) -> None:
    world = Tenants(namespaces=20, each=3)
    world.tick()
    world.away = failure

    for _ in range(5):
        assert len(world.unavailable()) == 60
        assert len(world.asked) <= most
    world.away = None
    for _ in range(2):
        world.tick()

    assert set(world.totals.values()) == {world.due}
    assert world.heard == [None, *[str(failure)] * 5, None, None]


@pytest.mark.parametrize("trouble", [None, Trouble.LIMITED, Trouble.SLOW], ids=str)
def test_tenants_are_never_in_one_query(trouble: Trouble | None) -> None:
    # Even and odd namespaces are of two tenants.
    apart = {f"n{number}": f"tenant {number % 2}" for number in range(6)}
    world = Tenants(namespaces=6, each=2, batching=Batching(apart=apart.__getitem__))
    if trouble is not None:
        world.troubles[5] = trouble

    for _ in range(5):
        world.tick()
        assert len(world.asked) >= 2
        for text in world.asked:
            assert len({tenant for name, tenant in apart.items() if name in text}) == 1

    assert world.unavailable().keys() == world.troubles.keys()


def test_a_server_that_refuses_everything_is_halved_once_in_a_while() -> None:
    world = Tenants(namespaces=20, each=3)
    world.away = QueryError("HTTP 422: the limit is 0", Smaller.HELPS)

    asked = []
    for _ in range(5):
        assert len(world.unavailable()) == 60
        asked.append(len(world.asked))

    assert asked[0] <= 1 + EXTRA_QUERIES
    assert set(asked[1:]) == {1}
    assert set(world.heard) == {str(world.away)}


def test_a_guilty_rollout_is_no_outage() -> None:
    world = Tenants(namespaces=1, each=2)
    world.troubles[1] = Trouble.HUGE
    alone = Tenants(namespaces=1, each=1)
    alone.troubles[0] = Trouble.HUGE

    for _ in range(3):
        world.tick()
        alone.tick()

    assert {*world.heard, *alone.heard} == {None}
    assert all(isinstance(each, Counted) for n, each in world.tick().items() if n == 0)
