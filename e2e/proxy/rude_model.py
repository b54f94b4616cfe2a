"""A model server as a drain must survive it: slow, and gone in the middle of answers when told.

It runs in the model server's image, given on the command line. Without a drain every request under
way fails, so a test that sees no failure has seen a drain.
"""

import asyncio
import os
import signal

from aiohttp import web

SECONDS_FOR_AN_ANSWER = 0.3


async def answer(request: web.Request) -> web.Response:
    """Answer any request, after a while."""
    await asyncio.sleep(SECONDS_FOR_AN_ANSWER)
    return web.json_response({})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    web.run_app(app, port=8080, print=None, handle_signals=False)
