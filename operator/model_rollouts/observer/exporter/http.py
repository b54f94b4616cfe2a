"""The endpoints: metrics, health, and the worst cases of a revision."""

from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from model_rollouts.observer.compare import Worst

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_CASES = 100
DEFAULT_CASES = 20


def application(
    registry: CollectorRegistry,
    worst: Mapping[tuple[str, str, str], Worst],
    ails: Callable[[], str],
) -> web.Application:
    """The endpoints. ails: what keeps this process from working at all, "" for nothing."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE})

    async def health(request: web.Request) -> web.Response:
        trouble = ails()
        return web.Response(text=(trouble or "ok") + "\n", status=503 if trouble else 200)

    async def disagreements(request: web.Request) -> web.Response:
        text = request.query.get("limit", str(DEFAULT_CASES))
        if not text.isdecimal() or not 1 <= (limit := int(text[:9])) <= MOST_CASES:
            message = f"limit: found {text[:40]!r}, write a number from 1 to {MOST_CASES}\n"
            return web.Response(text=message, status=400)
        names = request.match_info
        found = worst.get((names["namespace"], names["model"], names["revision"]))
        cases = found.cases(limit) if found is not None else []
        return web.Response(body=msgspec.json.encode(cases), content_type="application/json")

    made = web.Application()
    made.router.add_get("/metrics", metrics)
    made.router.add_get("/healthz", health)
    made.router.add_get("/readyz", health)
    made.router.add_get(
        "/v1/namespaces/{namespace}/models/{model}/revisions/{revision}/disagreements",
        disagreements,
    )
    return made
