"""Libraries that only some commands need are in extras of this package."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports of what an extra installs: raises ClickException, which names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error}: install the extra, pip install 'model-rollouts[{name}]'"
        ) from None
