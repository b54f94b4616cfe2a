"""Fixtures for every test of the repository; the real parts live in `e2e.fixtures`."""

pytest_plugins = ["e2e.fixtures"]
