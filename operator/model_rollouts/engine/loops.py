"""Loops that outlive every error: an error nobody foresaw touches one turn, never the process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_S = 60.0
"""A loop that ran for so long had no trouble to begin with: the delay starts anew."""

Broke = Callable[[str], None]
"""Hears of every error that nobody foresaw, by the part of the operator that it broke."""

Sleep = Callable[[float], Awaitable[object]]

_log = logging.getLogger(__name__)


def jittered(seconds: float, jitter: float) -> float:
    """Between half of `seconds` and all of them, by a `jitter` from 0 to 1: not all at one time."""
    return seconds * (0.5 + 0.5 * jitter)


async def lasting(
    part: str, run: Callable[[], Awaitable[None]], broke: Broke, sleep: Sleep = asyncio.sleep
) -> None:
    """Run a part of the operator until it ends by itself or is cancelled, again after each error.

    The last resort: what can be foreseen ends in the part itself.
    """
    delay, loop = FIRST_DELAY_S, asyncio.get_running_loop()
    while True:
        begun = loop.time()
        try:
            await run()
        except Exception:
            _log.exception("%s broke and is started again", part)
            broke(part)
        else:
            return
        if loop.time() - begun >= STEADY_S:
            delay = FIRST_DELAY_S
        await sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY_S)
