"""What a command cannot do, apart from what the API server refuses."""

import click


class Unreachable(click.ClickException):
    """No answer came from the API server, or one after which asking again may help."""
