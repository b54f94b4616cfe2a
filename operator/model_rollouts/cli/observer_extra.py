"""What the commands of the observer have in common: its libraries are in an extra of their own."""

from functools import partial
from typing import Any

import click

from model_rollouts.cli.extra import extra

observer_extra = partial(extra, "observer")
"""Imports of the observer's modules."""


class Setting(click.ParamType[tuple[str, str]]):
    """NAME=VALUE."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Name and value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not (name and equals):
            self.fail(f"found '{value}', write NAME=VALUE", param, ctx)
        return name, text


storage_options = click.option(
    "--storage-option",
    "storage_options",
    type=Setting(),
    multiple=True,
    help="Option of the object store, such as AWS_REGION=eu-west-1; can be repeated. Those of the "
    "environment are read as well.",
)
