"""How bursty a service's errors are, asked of Prometheus before a rollout begins.

The value is fixed for the rollout, so it is asked once and travels with the evidence.
"""

import math
from collections.abc import Awaitable, Callable, Collection

from model_rollouts.decision import DISPERSION_BLOCK, UNKNOWN, Dispersion, measure
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.grid import SELDOM_MS
from model_rollouts.metrics.histogram_edges import edge_of
from model_rollouts.metrics.history import Block, History, blocks, both, joined, one_copy
from model_rollouts.metrics.objectives import (
    WITHIN,
    CountedObjective,
    Template,
    errors,
    proxy_edge,
)
from model_rollouts.metrics.selector import is_named, selector
from model_rollouts.metrics.series import Sample
from model_rollouts.metrics.sources import PROXY, Listener
from model_rollouts.prometheus.decode import decode_matrix
from model_rollouts.prometheus.errors import AnswerError

AskRange = Callable[[str, int, int, int], Awaitable[bytes]]
"""Ask a query from, until, every so many milliseconds: `PrometheusClient.query_range`."""

LATELY_MS = SELDOM_MS + 5_000
"""What was scraped within it is scraped now, whatever is configured."""

USUAL_SHARE = 0.99
FEWEST = 100
"""Requests from which on it can be said how long one of a hundred takes."""

SPAN_S = 24 * 3600
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
RECENT_MINUTES = 30
SLICE_BLOCKS = 960
"""Blocks in one answer, four hours of them: about 35 kB, however many pods there are."""


async def stable_dispersion(
    ask: AskRange,
    namespace: str,
    revisions: Collection[str],
    now_ms: int,
    *,
    objective: CountedObjective | None = None,
    level: int = 0,
    scrape_ms: int = 5_000,
    batching: Batching | None = None,
    pods: frozenset[str] | None = None,
) -> Dispersion:
    """The dispersion of a service's bad answers to users, from up to 24 h before `now_ms`.

    `revisions` is stable's and, where known, those that served before it, all in `namespace`.
    `objective` and `level` say what is bad: by default 5xx, 429 and requests given up on. Blocks
    are 15 s, or as many times that as a scrape interval of `scrape_ms` milliseconds needs. `pods`
    are the names of those that count, None for all of these revisions.

    13 queries, 25 with two pods or more; an answer is at most 35 kB, except for the list of pods,
    which is under 600 bytes a pod. Less than six hours of history gives UNKNOWN. Raises QueryError
    or AnswerError when Prometheus does not answer: ask again, or go on with UNKNOWN.
    """
    history = History(
        objective or errors("errors"),
        namespace,
        tuple(sorted(revisions)),
        level,
        batching or Batching(),
        pods,
    )
    block_ms = round(DISPERSION_BLOCK * 1000)
    block_ms *= -(-scrape_ms // block_ms)
    # The last block is complete once the scrapes that began in it have arrived.
    end_ms = (now_ms - scrape_ms) // block_ms * block_ms
    seen = await _pods(ask, history, end_ms)
    if not seen:
        return UNKNOWN
    halves = history.halves(seen)
    if halves is None:
        whole = await _blocks(ask, history, "", end_ms, block_ms)
        return measure(joined(whole, {}), block=block_ms / 1000)
    first, second = [await _blocks(ask, history, half, end_ms, block_ms) for half in halves]
    return measure(joined(first, second), both(first, second), block=block_ms / 1000)


async def recent_rate(
    ask: AskRange,
    namespace: str,
    revisions: Collection[str],
    now_ms: int,
    *,
    batching: Batching | None = None,
    pods: frozenset[str] | None = None,
) -> float | None:
    """Requests per second that users made of `revisions` in up to half an hour before `now_ms`.

    One query, whose answer has a number a minute. Minutes in which nothing was scraped do not
    count; None when there is none that does, or nobody asked. `pods` as in `stable_dispersion`.
    Raises QueryError or AnswerError.
    """
    if not revisions:
        return None
    history = History(
        errors("errors"), namespace, tuple(sorted(revisions)), 0, batching or Batching(), pods
    )
    text = history.total_text(_MINUTE_MS, "")
    begin_ms = now_ms - RECENT_MINUTES * _MINUTE_MS
    body = await ask(text, begin_ms + _MINUTE_MS, now_ms, _MINUTE_MS)
    minutes = [float(value) for _, value in _only(body)]
    return sum(minutes) / (60 * len(minutes)) or None if minutes else None


async def usual_time(
    ask: AskRange,
    namespace: str,
    revisions: Collection[str],
    now_ms: int,
    *,
    edges: Collection[float],
    batching: Batching | None = None,
    pods: frozenset[str] | None = None,
) -> float | None:
    """The first of `edges` (seconds) within which 99 of 100 requests of users were answered.

    Of all that the present pods of `revisions` have answered: they count from their start, so that
    one small query tells it. None when no edge is so high, or fewer than `FEWEST` were answered.
    `pods` as in `stable_dispersion`. Raises QueryError or AnswerError.
    """
    if not revisions or not edges:
        return None
    asked, names = batching or Batching(), set(revisions)
    bucket = Template(PROXY, WITHIN, Listener.LIVE)
    ours = () if pods is None else (is_named(asked.labels.pod, pods),)
    text = selector(bucket, {namespace}, names, asked.labels, asked.matchers, ours)
    once = f"max {one_copy(PROXY, asked.labels, 'le')} ({text})"
    found: dict[float, float] = {}
    body = await ask(f"sum by (le) ({once})", now_ms, now_ms, _MINUTE_MS)
    for labels, samples in decode_matrix(body):
        edge = edge_of(labels.get("le", ""))
        if edge is not None and samples:
            found[edge] = float(samples[-1][1])
    total = found.get(math.inf, 0.0)
    if total < FEWEST:
        return None
    within = {edge: found.get(proxy_edge(edge), 0.0) for edge in edges}
    return min((edge for edge in edges if within[edge] >= USUAL_SHARE * total), default=None)


async def scraped_pods(
    ask: AskRange,
    namespace: str,
    revisions: Collection[str],
    now_ms: int,
    *,
    batching: Batching | None = None,
) -> frozenset[str]:
    """The names of all pods of `revisions` that are scraped now, whoever's they are.

    What ended may still be told for five minutes, so the last sample has to be young. The empty
    name stands for those that no label names. Raises QueryError or AnswerError.
    """
    if not revisions:
        return frozenset()
    history = History(
        errors("errors"), namespace, tuple(sorted(revisions)), 0, batching or Batching()
    )
    text = history.scraped_text(now_ms - LATELY_MS)
    return frozenset(await _seen(ask, history, text, now_ms, now_ms))


async def _pods(ask: AskRange, history: History, end_ms: int) -> dict[str, int]:
    """How many of the past hours each pod was seen in."""
    return await _seen(ask, history, history.pods_text(), end_ms - SPAN_S * 1000, end_ms)


async def _seen(
    ask: AskRange, history: History, text: str, begin_ms: int, end_ms: int
) -> dict[str, int]:
    """At how many hours from `begin_ms` to `end_ms` each pod was scraped."""
    label = history.batching.labels.pod
    body = await ask(text, begin_ms, end_ms, _HOUR_MS)
    return {labels.get(label, ""): len(samples) for labels, samples in decode_matrix(body)}


async def _blocks(
    ask: AskRange, history: History, half: str, end_ms: int, block_ms: int
) -> dict[float, Block]:
    found: dict[float, Block] = {}
    total, bad = history.total_text(block_ms, half), history.bad_text(block_ms, half)
    span_ms = SLICE_BLOCKS * block_ms
    for begin_ms in range(end_ms - SPAN_S * 1000, end_ms, span_ms):
        until_ms = min(begin_ms + span_ms, end_ms)
        totals, bads = [
            _only(await ask(text, begin_ms + block_ms, until_ms, block_ms)) for text in (total, bad)
        ]
        found |= blocks(totals, bads)
    return found


def _only(body: bytes) -> list[Sample]:
    """The samples of the one series, none when there is no series."""
    answers = [samples for _, samples in decode_matrix(body)]
    if len(answers) > 1:
        raise AnswerError(f"found {len(answers)} series where a sum returns one")
    return answers[0] if answers else []
