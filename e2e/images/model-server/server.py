"""A small real HTTP model server: answers every path, counts what it answered, ends politely.

Settings come from the environment: MODEL_VERSION names the version in answers and metrics, PORT is
where it listens (8080).
"""

import os

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

VERSION = os.environ.get("MODEL_VERSION", "unknown")
PORT = int(os.environ.get("PORT", "8080"))

ANSWERS = Counter(
    "model_answers",
    "Answers given, by version of the model and by whether the request was a mirrored copy.",
    ["version", "mirrored"],
)


async def predict(request: web.Request) -> web.Response:
    """Answer any request with the version; a copy is known by the Host that Envoy gives it."""
    body = await request.read()
    mirrored = request.host.partition(":")[0].endswith("-shadow")
    ANSWERS.labels(VERSION, str(mirrored).lower()).inc()
    return web.json_response(
        {"model_version": VERSION, "bytes": len(body)}, headers={"x-model-version": VERSION}
    )


async def healthy(_: web.Request) -> web.Response:
    """Answer a probe."""
    return web.Response(text="ok\n")


async def metrics(_: web.Request) -> web.Response:
    """Answer a scrape."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def application() -> web.Application:
    """The server's routes."""
    app = web.Application()
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/metrics", metrics)
    app.router.add_route("*", "/{path:.*}", predict)
    return app


if __name__ == "__main__":
    # Both series exist from the first scrape, so that no count is lost at birth.
    for copy in ("true", "false"):
        ANSWERS.labels(VERSION, copy)
    web.run_app(application(), port=PORT, access_log=None)
