"""Command-line values as people write them in the resource: '99.9%', '300ms', '1h30m'.

And the options that every command which judges has in common.
"""

import ipaddress
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from model_rollouts.cli.duration import DURATION, Duration
from model_rollouts.cli.percentage import PART_PERCENTAGE, PERCENTAGE
from model_rollouts.decision import Compare
from model_rollouts.metrics.requests import LONGEST_WARMUP_MS
from model_rollouts.resources import companions
from model_rollouts.resources.companions import Companion
from model_rollouts.resources.errors import ResourceError

Command = TypeVar("Command", bound=Callable[..., Any])


class Warmup(Duration):
    """A time that a pod may be cold, which may be none."""

    hint = "a time from 0s to 2m"

    def takes(self, seconds: float) -> bool:
        """Whether what is known of a pod goes back as far."""
        return 1000 * seconds <= LONGEST_WARMUP_MS


class Percentages(click.ParamType[tuple[float, ...]]):
    """Shares with commas: '5%,25%,50%'."""

    name = "percent,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The shares."""
        if isinstance(value, tuple):
            return value
        shares = tuple(PERCENTAGE.convert(part, param, ctx) for part in str(value).split(","))
        if not all(0 < share < 1 for share in shares) or list(shares) != sorted(set(shares)):
            self.fail(
                f"found '{value}', write ascending shares above 0% and below 100%, "
                "such as 5%,25%,50%",
                param,
                ctx,
            )
        return shares


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


PERCENTAGES = Percentages()
WARMUP = Warmup()
TIME = Time()


_JUDGING = (
    click.option(
        "--target",
        default="99.9%",
        show_default=True,
        type=PART_PERCENTAGE,
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
        type=PART_PERCENTAGE,
        help="With --within: share of requests that must be answered within that time.",
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
        help="How strongly errors come in bursts, as the judge is told (variance / mean); 1 means "
        "no bursts. Simulated errors are independent whatever it is.",
    ),
)


def judging(command: Command) -> Command:
    """Add the options that say how a candidate is judged, the same for every command."""
    for option in reversed(_JUDGING):
        command = option(command)
    return command


slice_target = click.option(
    "--slice-target",
    default="99%",
    show_default=True,
    type=PART_PERCENTAGE,
    help="With --slice: share of its requests that must succeed.",
)
"""Of every command that judges a slice."""


class _Address(click.ParamType[str]):
    """An IP address to listen on."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address as it was written."""
        try:
            ipaddress.ip_address(value)
        except ValueError:
            self.fail(f"found {value!r}, write an IP address such as 0.0.0.0 or ::", param, ctx)
        return str(value)


class _Resources(click.ParamType[dict[str, Any]]):
    """Requests and limits of a container, as JSON."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """The resources as a container has them."""
        try:
            found = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            found = None
        known = isinstance(found, dict) and set(found) <= {"requests", "limits"}
        if not known or not all(isinstance(each, dict) for each in found.values()):
            example = '{"requests": {"cpu": "100m"}, "limits": {"memory": "512Mi"}}'
            self.fail(f"found {value!r}, write JSON such as {example}", param, ctx)
        resources: dict[str, Any] = found
        return resources


class _Companions(click.ParamType[tuple[Companion, ...]]):
    """Templates of objects beside Services, as JSON."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Companion, ...]:
        """The templates."""
        if isinstance(value, tuple):
            return value
        try:
            return companions.parse(json.loads(value))
        except json.JSONDecodeError:
            self.fail(f"found {value!r}, write a JSON list of templates", param, ctx)
        except ResourceError as error:
            self.fail(str(error), param, ctx)


class _Sharded(click.ParamType[str]):
    """HOST:PORT with `{shard}` in the host."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address as it was written."""
        host, _, port = str(value).rpartition(":")
        is_host = re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", host.replace("{shard}", "0", 1))
        is_port = port.isascii() and port.isdecimal() and 0 < int(port) < 65_536
        if "{shard}" not in host or not is_host or not is_port:
            self.fail(
                f"found '{value}', write HOST:PORT with {{shard}} in the host, such as "
                "model-rollouts-observer-{shard}.model-rollouts.svc:9800",
                param,
                ctx,
            )
        return str(value)


ADDRESS = _Address()
COMPANIONS = _Companions()
SHARDED = _Sharded()
RESOURCES = _Resources()
