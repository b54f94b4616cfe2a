"""A small real HTTP model server: answers every path, counts what it answered, ends politely.

It listens on two ports, because a mirrored copy cannot be told from a request of a user by its
content: a gateway may or may not change the Host of a copy. Settings come from the environment:
MODEL_VERSION names the version in answers and metrics, PORT is where users' requests arrive (8080)
and SHADOW_PORT where copies do (8081).
"""

import asyncio
import os
import signal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

VERSION = os.environ.get("MODEL_VERSION", "unknown")
PORT = int(os.environ.get("PORT", "8080"))
SHADOW_PORT = int(os.environ.get("SHADOW_PORT", "8081"))

ANSWERS = Counter(
    "model_answers",
    "Answers given, by version of the model and by whether the request was a mirrored copy.",
    ["version", "mirrored"],
)


async def predict(request: web.Request) -> web.Response:
    """Answer any request with the version, and count it for the port that it came in by."""
    body = await request.read()
    assert request.transport is not None
    port = request.transport.get_extra_info("sockname")[1]
    ANSWERS.labels(VERSION, str(port == SHADOW_PORT).lower()).inc()
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


async def serve() -> None:
    """Listen on both ports until the process is asked to end."""
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    for port in (PORT, SHADOW_PORT):
        await web.TCPSite(runner, port=port).start()
    asked_to_end = asyncio.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wish, asked_to_end.set)
    await asked_to_end.wait()
    # Answers that are under way are finished first.
    await runner.cleanup()


if __name__ == "__main__":
    # Both series exist from the first scrape, so that no count is lost at birth.
    for copy in ("true", "false"):
        ANSWERS.labels(VERSION, copy)
    asyncio.run(serve())
