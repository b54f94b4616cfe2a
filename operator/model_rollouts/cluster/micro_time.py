"""Times as Events and Leases have them: RFC 3339 in UTC, with microseconds."""

from datetime import UTC, datetime


def written(at: datetime) -> str:
    """A time that knows its zone, as the API server takes it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read(text: object) -> float | None:
    """Unix seconds; None for what is no such time."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
