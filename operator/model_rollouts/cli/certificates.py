"""A command-line value: a file of certificates."""

from pathlib import Path
from typing import Any

import click


class Certificates(click.ParamType[Path]):
    """A file of certificates in PEM: whom to trust, in place of whom the system trusts."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Its path; what is in it now are certificates."""
        # Slow to import, and help needs none.
        import ssl

        try:
            ssl.create_default_context(cafile=value)
        except ssl.SSLError:
            self.fail(f"found '{value}', write the path of a PEM file of certificates", param, ctx)
        except OSError as error:
            self.fail(f"'{value}': {error.strerror}", param, ctx)
        return Path(value)


CERTIFICATES = Certificates()
