"""Where things lie on disk: one place for every directory that the cluster tooling writes to."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""The checkout this file belongs to."""

CACHE = Path(
    os.environ.get("MODEL_ROLLOUTS_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "model-rollouts"
)
"""Built binaries, unpacked packages and images, keyed by version.

Safe to delete whenever nothing is being made, see `e2e.cluster.filling`.
"""
