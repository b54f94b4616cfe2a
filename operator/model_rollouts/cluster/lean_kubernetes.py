"""Keeps `kubernetes` from importing all of itself: its synchronous client, and what that needs.

Of the package only `kubernetes.aio` is used. Its parent imports `requests`, `oauthlib`, `websocket`
and more when it is imported, which is 7 MiB of memory for the life of the operator. A parent that
is known and not run lets its parts be imported as ever.
"""

import sys
from importlib.util import find_spec, module_from_spec


def prepare() -> None:
    """To be called before anything of `kubernetes` is imported; later it changes nothing."""
    spec = find_spec("kubernetes") if "kubernetes" not in sys.modules else None
    if spec is not None:
        sys.modules["kubernetes"] = module_from_spec(spec)
