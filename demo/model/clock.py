"""Hours of UTC, as everywhere else in the company (version 7's idea, and its mistake).

The model was trained on local hours. Nothing fails, and nothing takes longer.
"""

from collections.abc import Mapping
from typing import Any

AHEAD = 4
"""Hours that UTC is ahead of New York in summer, when the users of the story fly."""


def in_utc(flight: Mapping[str, Any]) -> dict[str, Any]:
    """The flight with the hour of its departure in UTC."""
    return {**flight, "scheduled_hour": (flight["scheduled_hour"] + AHEAD) % 24}
