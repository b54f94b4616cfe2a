"""A small real HTTP model server: answers every path, counts what it answered, ends politely.

It listens on two ports, because a mirrored copy cannot be told from a request of a user by its
content: a gateway may or may not change the Host of a copy. Settings come from the environment:

MODEL_VERSION  names the version in answers and metrics.
PORT           where users' requests arrive (8080); SHADOW_PORT where copies do (8081).
ERRORS         share of requests answered with 500, such as 0.05; each is drawn at random.
LONG_ERRORS    the same of requests with the header `x-haul: long`, in place of ERRORS.
REFUSES        share of requests answered with 422, drawn likewise.
SLOW           share of requests whose answer takes a second, drawn likewise.
SEED           makes the draws the same in every run (0).
LATENCY        seconds that an answer takes (0).
HANG           true: every request is taken and none is answered.
CRASHES        share of requests at which it ends with exit code 3. These are drawn otherwise in
               each process, whatever SEED is: pods with equal draws would all crash together.

Probes and scrapes are always answered: such a model looks healthy from outside.
"""

import asyncio
import os
import random
import signal
import sys

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

VERSION = os.environ.get("MODEL_VERSION", "unknown")
PORT = int(os.environ.get("PORT", "8080"))
SHADOW_PORT = int(os.environ.get("SHADOW_PORT", "8081"))
ERRORS = float(os.environ.get("ERRORS", "0"))
LONG_ERRORS = float(os.environ.get("LONG_ERRORS", str(ERRORS)))
REFUSES = float(os.environ.get("REFUSES", "0"))
SLOW = float(os.environ.get("SLOW", "0"))
LATENCY = float(os.environ.get("LATENCY", "0"))
CRASHES = float(os.environ.get("CRASHES", "0"))
HANG = os.environ.get("HANG", "") == "true"
DRAWS = random.Random(int(os.environ.get("SEED", "0")))  # noqa: S311 - no secret depends on it
CRASH_DRAWS = random.SystemRandom()

SECONDS_TO_FINISH = 5.0
"""What answers under way have when the process is asked to end; a hung one never comes."""
SECONDS_OF_A_SLOW_ONE = 1.0
CRASHED = 3

ANSWERS = Counter(
    "model_answers",
    "Answers given, by version of the model and by whether the request was a mirrored copy.",
    ["version", "mirrored"],
)


async def predict(request: web.Request) -> web.Response:
    """Answer any request with the version, and count it for the port that it came in by."""
    body = await request.read()
    if HANG:
        await asyncio.Event().wait()
    if LATENCY:
        await asyncio.sleep(LATENCY)
    if SLOW and DRAWS.random() < SLOW:
        await asyncio.sleep(SECONDS_OF_A_SLOW_ONE)
    assert request.transport is not None
    port = request.transport.get_extra_info("sockname")[1]
    ANSWERS.labels(VERSION, str(port == SHADOW_PORT).lower()).inc()
    if CRASH_DRAWS.random() < CRASHES:
        print("RuntimeError: the model has crashed", file=sys.stderr, flush=True)
        # As a fault in native code ends it: nothing is finished or cleaned up.
        os._exit(CRASHED)
    return web.json_response(
        {"model_version": VERSION, "bytes": len(body)},
        status=_status(DRAWS.random(), is_long=request.headers.get("x-haul") == "long"),
        headers={"x-model-version": VERSION},
    )


def _status(drawn: float, *, is_long: bool) -> int:
    errors = LONG_ERRORS if is_long else ERRORS
    if drawn < errors:
        return 500
    return 422 if drawn < errors + REFUSES else 200


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
    # A client that gives up ends its hung request, or they would pile up.
    runner = web.AppRunner(
        application(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=SECONDS_TO_FINISH,
    )
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
