"""Times on the command line. Nothing else is imported: commands that only ask are quick."""

import math
from typing import Any

import click

from model_rollouts.api.duration import span


class Duration(click.ParamType[float]):
    """A time as in the Gateway API (GEP-2257): '24h', '1m30s', '300ms' become seconds."""

    name = "duration"
    hint = "a time such as 24h, 1m30s or 300ms"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds, as many as it `takes`."""
        if isinstance(value, float):
            return value
        try:
            seconds = span(str(value).strip()).total_seconds()
        except ValueError:
            seconds = math.nan
        if not self.takes(seconds):
            self.fail(f"found '{value}', write {self.hint}", param, ctx)
        return seconds

    def takes(self, seconds: float) -> bool:
        """Whether it is a time that makes sense; NaN is none."""
        return seconds > 0


DURATION = Duration()
