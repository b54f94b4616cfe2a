"""The time that is usual at stable: the first edge above its p99, by all that its pods answered."""

import asyncio
import json

import pytest

from model_rollouts.prometheus.history import usual_time

EDGES = (0.1, 0.25, 0.5)


def asked(counts: dict[str, int], edges: tuple[float, ...] = EDGES) -> tuple[float | None, str]:
    """What is found when the buckets hold so many, and the query."""
    queries = []

    async def ask(text: str, start_ms: int, end_ms: int, step_ms: int) -> bytes:
        queries.append(text)
        series = [
            {"metric": {"le": edge}, "values": [[60, str(count)]]} for edge, count in counts.items()
        ]
        return json.dumps(
            {"status": "success", "data": {"resultType": "matrix", "result": series}}
        ).encode()

    found = asyncio.run(usual_time(ask, "flights", ["v1"], 60_000, edges=edges))
    return found, "".join(queries)


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({"99": 980, "249.0": 995, "499": 1000, "+Inf": 1000}, 0.25),
        ({"99": 990, "249": 995, "499": 1000, "+Inf": 1000}, 0.1),
        ({"99": 10, "249": 20, "499": 30, "+Inf": 1000}, None),
        ({"99": 99, "249": 99, "499": 99, "+Inf": 99}, None),
        ({}, None),
    ],
)
def test_it_is_the_first_edge_within_which_99_of_100_were_answered(
    counts: dict[str, int], found: float | None
) -> None:
    assert asked(counts)[0] == found


def test_users_of_what_served_are_asked_for() -> None:
    _, query = asked({})

    assert query.startswith("sum by (le) (max by (pod, instance, le) (envoy_http_downstream_rq")
    assert 'modelrollouts_revision="v1"' in query
    assert 'envoy_http_conn_manager_prefix="live"' in query


def test_nobody_is_asked_when_nobody_needs_it() -> None:
    assert asked({}, edges=()) == (None, "")
