"""The one error of the API server's adapter, and what it means for the caller."""

from http import HTTPStatus
from typing import Any

_REFUSED = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_UNREADABLE = ("failed to create typed patch object", "failed to convert new object")
"""How the answer 500 begins to an apply of what is no object of its kind, such as a misspelt field
(kubernetes/kubernetes#122480): another try gets the same."""


class ApiError(Exception):
    """A request that was not done, or of which nobody knows whether it was done.

    `status` is the HTTP status, None when no answer came. `reason` is the API server's word for it,
    such as AlreadyExists. The message names the verb, the object and what the API server said.
    """

    def __init__(
        self, verb: str, subject: str, status: int | None, message: str, reason: str = ""
    ) -> None:
        self.answer = f"{'no answer' if status is None else f'HTTP {status}'}: {message}"
        """What came back, for a person."""
        super().__init__(f"{verb} {subject}: {self.answer}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def is_missing(self) -> bool:
        """Whether there is no such object, or no such kind."""
        return self.status == 404

    @property
    def is_conflict(self) -> bool:
        """Whether the object is not what the writer thought: changed, somebody else's, or there."""
        return self.status == 409

    @property
    def is_refusal(self) -> bool:
        """Whether the API server looked at the object and will not have it."""
        if self.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.message.startswith(_UNREADABLE)
        return self.status in _REFUSED


class NotLeadingError(ApiError):
    """A write that was not sent: another process may lead by now, or soon."""

    def __init__(self, verb: str, subject: str) -> None:
        super().__init__(verb, subject, None, "")
        self.answer = self.message = (
            "not sent: this process could not renew its Lease in time, so another one may lead"
        )
        self.args = (f"{verb} {subject}: {self.answer}",)


def told(answer: Any) -> tuple[str, str]:
    """Message and reason of a Status object, or of whatever came in its place."""
    if isinstance(answer, dict):
        message, reason = answer.get("message"), answer.get("reason")
        return str(message or "no message")[:2000], str(reason or "")
    return str(answer)[:300].strip() or "no message", ""
