"""How long requests and their stages took, asked of Prometheus for people.

Nothing is judged by it. It is some ten light queries, each time that twice as many requests were
counted.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping

from model_rollouts.decision import Histogram
from model_rollouts.metrics.objectives import GIVEN_UP, SESSIONS
from model_rollouts.metrics.sources import Listener, source_of
from model_rollouts.metrics.spreads import (
    TIMES,
    Asked,
    Within,
    buckets_of_proxy,
    of_proxy,
    of_server,
)
from model_rollouts.rollout import NETWORK, Latencies, LatencyQuery, Spread

Grown = Callable[[Asked, Iterable[str]], Awaitable[Mapping[str, Within]]]
"""How much a counter has grown in each revision, as `metrics.spreads` reads it."""


async def latencies(grown: Grown, query: LatencyQuery) -> Latencies:
    """What `query` asks; raises what `grown` raises."""
    judged, *beside = query.revisions
    arms = {Listener.LIVE: query.revisions}
    if query.mirrors:
        arms = {Listener.LIVE: tuple(beside), Listener.SHADOW: (judged,)}
    found: list[Spread] = []
    means: dict[str, float] = {}
    for listener, revisions in arms.items():
        if not revisions:
            continue
        requests = await grown(buckets_of_proxy(listener), revisions)
        found += await _whole(grown, listener, revisions, requests)
        if query.whole is not None:
            took = await grown(of_proxy(TIMES, listener), revisions)
            means |= _means(took, requests, 1e-3)
    for what, own in query.histograms:
        if source_of(own.metric).is_beside:
            for listener, revisions in arms.items():
                asked = of_server(own.metric, "bucket", own.matchers, own.unit, listener)
                stage = await grown(asked, revisions) if revisions else {}
                found += [Spread(what, name, within) for name, within in stage.items()]
            continue
        stage = await grown(_of(own, "bucket"), query.revisions)
        found += [Spread(what, name, within) for name, within in stage.items()]
    if query.whole is not None:
        took, counted = [
            await grown(_of(query.whole, part), query.revisions) for part in ("sum", "count")
        ]
        inside = _means(took, counted, query.whole.unit)
        found += [
            Spread(NETWORK, name, mean=means[name] - mean)
            for name, mean in inside.items()
            if name in means
        ]
    return Latencies(query, tuple(found))


async def _whole(
    grown: Grown, listener: Listener, revisions: Iterable[str], requests: Mapping[str, Within]
) -> list[Spread]:
    """Whole requests; what clients gave up on took longer than any edge, as in an objective."""
    left, ended = [
        await grown(of_proxy(counter, listener), revisions) for counter in (GIVEN_UP, SESSIONS)
    ]
    found = []
    for name, within in requests.items():
        given_up = max(0.0, _total(left.get(name)) - _total(ended.get(name)))
        everything = (math.inf, _total(within) + given_up)
        found.append(Spread(None, name, (*within[:-1], everything)))
    return found


def _means(
    took: Mapping[str, Within], counted: Mapping[str, Within], unit: float
) -> dict[str, float]:
    """Seconds that one request took, by revision; `unit` is what `took` counts, in seconds."""
    return {
        name: unit * _total(took[name]) / number
        for name, within in counted.items()
        if name in took and (number := _total(within))
    }


def _of(own: Histogram, part: str) -> Asked:
    return of_server(own.metric, part, own.matchers, own.unit)


def _total(within: Within | None) -> float:
    return within[-1][1] if within else 0.0
