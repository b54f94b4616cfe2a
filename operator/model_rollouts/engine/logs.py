"""The log: one line of JSON for each thing that happened, or text for people at a terminal."""

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

FIELDS = ("model", "reason", "action", "move")
"""What a line may carry besides its message; nothing else is ever added to one."""

LONGEST_MESSAGE = 4_000


class LogFormat(StrEnum):
    """How lines are written."""

    JSON = "json"
    TEXT = "text"
    AUTO = "auto"
    """Text at a terminal, JSON elsewhere."""


class JsonFormatter(logging.Formatter):
    """One line of JSON: time (RFC 3339, UTC), level, logger, message, and the fields above."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:LONGEST_MESSAGE],
        }
        line |= {name: str(getattr(record, name)) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(log_format: LogFormat, stream: TextIO, level: int = logging.INFO) -> None:
    """Write the log of the whole process to `stream`."""
    as_text = log_format is LogFormat.TEXT or (log_format is LogFormat.AUTO and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(message)s") if as_text else JsonFormatter()
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
