"""What people read, by Apprise: Slack, Teams, e-mail, PagerDuty and a hundred more.

Apprise blocks, and its plugins bound single reads and not the whole: each message is sent in a
thread of its own, and whoever waits gives it up in the end.
"""

import asyncio
import logging
import re
import threading
from typing import Any

import apprise

from model_rollouts.notifications.kinds import Severity
from model_rollouts.notifications.message import Message
from model_rollouts.notifications.targets.target import Place, RefusedError, UnansweredError
from model_rollouts.text import cut

SECONDS = 60.0
MOST_HANGING = 3
"""So many threads may hang in one target; until one ends, nothing more is sent to it."""

_TYPES = {
    Severity.INFO: apprise.NotifyType.INFO,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.PAGE: apprise.NotifyType.FAILURE,
}
_ASSET = apprise.AppriseAsset(
    app_id="Model Rollouts", app_desc="Model Rollouts", app_url="", async_mode=False
)
_CODE = re.compile(r"error=(\d{3})\b")


class Apprise:
    """One Apprise URL with one recipient."""

    def __init__(self, place: Place, seconds: float = SECONDS) -> None:
        self._place = place
        self._seconds = seconds
        self._hanging: list[threading.Thread] = []

    async def send(self, message: Message) -> None:
        """Deliver it. Raises DeliveryError."""
        # At first it loads more than a hundred plugins.
        service = await asyncio.to_thread(service_of, self._place.url(), self._place.name)
        self._hanging = [each for each in self._hanging if each.is_alive()]
        if len(self._hanging) >= MOST_HANGING:
            raise RefusedError(f"{MOST_HANGING} messages before it are still being sent")
        answered: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
        thread = _started(service, message, answered)
        try:
            async with asyncio.timeout(self._seconds):
                is_taken, said = await answered
        except TimeoutError:
            self._hanging.append(thread)
            raise UnansweredError(f"no answer within {self._seconds:.0f} s") from None
        if is_taken:
            return
        code = _CODE.search(said)
        if code is not None and code[1].startswith("4") and code[1] != "408":
            raise RefusedError(f"HTTP {code[1]}")
        raise UnansweredError(f"HTTP {code[1]}" if code else "Apprise could not deliver it")

    async def close(self) -> None:
        """Nothing is open between messages."""


def service_of(url: str, name: str) -> Any:
    """The service that a URL means. Raises RefusedError, without the URL."""
    _mute()
    service = apprise.Apprise.instantiate(url, asset=_ASSET)
    if not isinstance(service, apprise.NotifyBase):
        raise RefusedError(
            f"found no Apprise URL in the Secret of target '{name}', write one as in Apprise's "
            "documentation, such as slack://TokenA/TokenB/TokenC/#channel"
        )
    recipients = len(service)
    if recipients != 1:
        raise RefusedError(
            f"found {recipients} recipients in the Secret of target '{name}', write a target for "
            "each: when one of them fails, all others would get the message again"
        )
    return service


def _started(
    service: Any, message: Message, answered: "asyncio.Future[tuple[bool, str]]"
) -> threading.Thread:
    """The thread that sends; a daemon, for a process must end although it hangs."""
    loop = asyncio.get_running_loop()

    def tell(is_taken: bool, said: str) -> None:
        if not answered.done():
            answered.set_result((is_taken, said))

    def work() -> None:
        heard = _Heard()
        try:
            _LOGGER.addHandler(heard)
            is_taken = bool(
                service.notify(
                    title=message.title,
                    # Split, it would be two messages, of which one may fail.
                    body=cut(message.text, max(1, service.body_maxlen - len(message.title) - 8)),
                    notify_type=_TYPES[message.severity],
                    body_format=apprise.NotifyFormat.TEXT,
                    overflow=apprise.OverflowMode.TRUNCATE,
                )
            )
        except Exception as error:  # plugins are many, and what they raise is not promised
            is_taken = False
            heard.said.append(type(error).__name__)
        finally:
            _LOGGER.removeHandler(heard)
        try:
            loop.call_soon_threadsafe(tell, is_taken, " ".join(heard.said))
        except RuntimeError:
            return

    thread = threading.Thread(target=work, name="apprise", daemon=True)
    thread.start()
    return thread


_LOGGER = logging.getLogger("apprise")


class _Heard(logging.Handler):
    """What Apprise says in this thread. It is searched for a status and never shown."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.thread == self._thread:
            self.said.append(record.getMessage())


def _mute() -> None:
    """Nothing that Apprise says reaches the log: it names URLs, and a URL is a secret."""
    _LOGGER.propagate = False
    _LOGGER.setLevel(logging.WARNING)
    if not any(isinstance(each, logging.NullHandler) for each in _LOGGER.handlers):
        _LOGGER.addHandler(logging.NullHandler())
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
