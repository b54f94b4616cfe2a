"""Tooling and tests that need a real cluster; nothing here is part of the operator."""
