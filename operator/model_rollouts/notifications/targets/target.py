"""What all kinds of targets are to the rest of the room."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model_rollouts.notifications.message import Message

LONGEST_SECRET = 8_192

_ADDRESS = re.compile(r"https?://[^\s/?#@]+([/?][^\s]*)?")


class DeliveryError(Exception):
    """A message was not taken; the words hold no part of an address and no secret."""

    is_refused = False
    """Whether it is certain that the target does not have it."""

    def __init__(self, words: str, after_s: float = 0.0) -> None:
        super().__init__(words)
        self.after_s = after_s
        """How long the target asks to be left alone, in seconds."""


class RefusedError(DeliveryError):
    """The target said no."""

    is_refused = True


class UnansweredError(DeliveryError):
    """Nobody knows whether the target has it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target is; the files are read for each message, for they are renewed.

    `url_file` has an address, `token_file` a token, and `repository` is `owner/name`.
    """

    name: str
    url_file: Path | None = None
    token_file: Path | None = None
    repository: str = ""
    api: str = ""

    def url(self) -> str:
        """The address. Raises RefusedError."""
        assert self.url_file is not None
        return secret(self.url_file, f"the address of target '{self.name}'")

    def web_address(self) -> str:
        """The address, of HTTP. Raises RefusedError."""
        url = self.url()
        if not _ADDRESS.fullmatch(url):
            raise RefusedError(
                f"found no address of HTTP in the Secret of target '{self.name}', write one such "
                "as https://hooks.example.com/messages, without user and password"
            )
        return url

    def token(self) -> str:
        """The token, empty when there is none. Raises RefusedError."""
        if self.token_file is None:
            return ""
        return secret(self.token_file, f"the token of target '{self.name}'")


class Target(Protocol):
    """Takes messages."""

    async def send(self, message: Message) -> None:
        """Deliver it. Raises DeliveryError."""

    async def close(self) -> None:
        """Let go of connections."""


def secret(path: Path, what: str) -> str:
    """The one line of a file. Raises RefusedError that does not show it."""
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise RefusedError(f"{what} could not be read: {why}") from None
    if not text or len(text) > LONGEST_SECRET or not text.isprintable():
        raise RefusedError(f"found {len(text)} characters as {what}, write one line of text")
    return text
