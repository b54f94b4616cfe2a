"""What the operator serves: its metrics, whether it is alive, whether it has seen everything."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Healthy = Callable[[], str | None]
"""What is wrong, None while nothing is."""


def application(
    registry: CollectorRegistry,
    *,
    alive: Healthy,
    ready: Healthy,
    said: Callable[[], str] = lambda: "ok",
) -> web.Application:
    """/metrics, /healthz and /readyz; the latter two answer 503 with what is wrong.

    What is `said` is the answer while nothing is.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def answer(healthy: Healthy) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def health(_: web.Request) -> web.Response:
            wrong = healthy()
            return web.Response(text=wrong or said(), status=200 if wrong is None else 503)

        return health

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", answer(alive))
    app.router.add_get("/readyz", answer(ready))
    return app
