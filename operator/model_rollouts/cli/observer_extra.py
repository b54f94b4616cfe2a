"""What the commands of the observer have in common: its libraries are in an extra of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def observer_extra() -> Iterator[None]:
    """Imports of the observer's modules: raises ClickException, which names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error}: install the extra, pip install 'model-rollouts[observer]'"
        ) from None


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
