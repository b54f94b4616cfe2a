"""What goes wrong with a Prometheus; the messages name the server, and never a credential."""

from enum import Enum


class Smaller(Enum):
    """Whether a smaller question, about fewer rollouts, would be answered."""

    NO_HELP = "no help"
    """The server is away, or whoever asks is not let in."""
    MAY_HELP = "may help"
    """The server did not manage in its time: the question is too large, or everything is slow."""
    HELPS = "helps"
    """The server answers, and something in this question or its answer is too much for it or us."""


class QueryError(Exception):
    """A query without a usable answer."""

    def __init__(self, message: str, smaller: Smaller = Smaller.NO_HELP) -> None:
        super().__init__(message)
        self.smaller = smaller


class PassingError(QueryError):
    """A failure that asking again may cure."""


class AnswerError(Exception):
    """Prometheus answered something that cannot be counted on; the message says what."""

    def __init__(self, message: str, smaller: Smaller = Smaller.NO_HELP) -> None:
        super().__init__(message)
        self.smaller = smaller
