"""Times on the command line, as in the resource: `24h`, `1m30s`, `300ms` (GEP-2257)."""

import re
from typing import Any

import click

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Seconds(click.ParamType[float]):
    """A time above zero, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        parts = re.findall(r"([0-9]{1,5})(h|ms|m|s)", text)
        seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
        if "".join(map("".join, parts)) != text or seconds <= 0:
            self.fail(f"found '{value}', write a time such as 24h, 1m30s or 300ms", param, ctx)
        return float(seconds)


SECONDS = Seconds()
