"""Fixtures for every test of the repository; the real parts live in `e2e.fixtures`."""

import gc
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["e2e.fixtures"]

# How long an example takes tells how busy the machine is, and never whether the code is right.
any_speed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What is run again plays the same examples again; `make test-properties` looks for others.
settings.register_profile("again", any_speed, derandomize=True)
settings.register_profile("others", any_speed, print_blob=True)
settings.load_profile("again")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what is imported and collected: it is there until the end.

    To look through all of it again and again took a tenth of the time of the tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


LONGEST_ID = 200
"""Characters of one value in the name of a test."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes and long texts are called after their argument.

    Bytes may be made: gzip writes the time into them, and two workers would collect other tests.
    """
    is_long = isinstance(val, str) and len(val) > LONGEST_ID
    return argname if is_long or isinstance(val, bytes) else None
