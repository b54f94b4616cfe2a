"""Command-line values as people write them in the resource: '99.9%', '300ms', '1h30m'.

And the options that every command which judges has in common.
"""

import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from model_rollouts.api.duration import span
from model_rollouts.decision import Compare

Command = TypeVar("Command", bound=Callable[..., Any])


class Percentage(click.ParamType[float]):
    """A share with its sign: '99.9%' becomes 0.999."""

    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share, between 0 and 1."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%")) if text.endswith("%") else None
        except ValueError:
            number = None
        if number is None or not 0 <= number <= 100:
            self.fail(f"found '{value}', write a percentage such as 99.9%", param, ctx)
        # 99.9 / 100 is 0.9990000000000001; people wrote 0.999.
        return round(number / 100, 12)


class Duration(click.ParamType[float]):
    """A time as in the Gateway API (GEP-2257): '24h', '1m30s', '300ms' become seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds, more than 0."""
        if isinstance(value, float):
            return value
        try:
            seconds = span(str(value).strip()).total_seconds()
        except ValueError:
            seconds = 0.0
        if seconds <= 0:
            self.fail(f"found '{value}', write a time such as 24h, 1m30s or 300ms", param, ctx)
        return seconds


class Percentages(click.ParamType[tuple[float, ...]]):
    """Shares with commas: '5%,25%,50%'."""

    name = "percent,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The shares."""
        if isinstance(value, tuple):
            return value
        return tuple(PERCENTAGE.convert(part, param, ctx) for part in str(value).split(","))


class Time(click.ParamType[datetime]):
    """A moment as in RFC 3339: '2026-11-22T14:00:00Z', always with its offset."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment, aware of its time zone."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"found '{value}', write a time such as 2026-11-22T14:00:00Z", param, ctx)
        return moment


class Certificates(click.ParamType[ssl.SSLContext]):
    """A file of certificates in PEM: whom to trust, in place of whom the system trusts."""

    name = "file"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> ssl.SSLContext:
        """The trust in them and in nobody else."""
        if isinstance(value, ssl.SSLContext):
            return value
        try:
            return ssl.create_default_context(cafile=value)
        except ssl.SSLError:
            self.fail(f"found '{value}', write the path of a PEM file of certificates", param, ctx)
        except OSError as error:
            self.fail(f"'{value}': {error.strerror}", param, ctx)


CERTIFICATES = Certificates()
PERCENTAGE = Percentage()
PERCENTAGES = Percentages()
DURATION = Duration()
TIME = Time()


_JUDGING = (
    click.option(
        "--target",
        default="99.9%",
        show_default=True,
        type=PERCENTAGE,
        help="Errors objective: share of requests that must succeed.",
    ),
    click.option(
        "--within",
        type=DURATION,
        help="Adds a latency objective: how long a request may take, such as 300ms.",
    ),
    click.option(
        "--share",
        default="99%",
        show_default=True,
        type=PERCENTAGE,
        help="Latency objective: share of requests that must be answered within that time.",
    ),
    click.option(
        "--steps",
        default="5%,25%,50%",
        show_default=True,
        type=PERCENTAGES,
        help="Shares of users that the candidate gets, step by step.",
    ),
    click.option(
        "--min-step",
        default="1m",
        show_default=True,
        type=DURATION,
        help="Minimum time on each step.",
    ),
    click.option(
        "--compare",
        default=Compare.AUTO.value,
        show_default=True,
        type=click.Choice([each.value for each in Compare], case_sensitive=False),
        help="What the candidate is compared with.",
    ),
    click.option(
        "--dispersion",
        default=1.0,
        show_default=True,
        type=click.FloatRange(1),
        help="How strongly errors come in bursts (variance / mean); 1 means no bursts.",
    ),
)


def judging(command: Command) -> Command:
    """Add the options that say how a candidate is judged, the same for every command."""
    for option in reversed(_JUDGING):
        command = option(command)
    return command
