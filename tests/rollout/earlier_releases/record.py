"""What a release leaves in the cluster in the middle of a rollout, for `test_earlier_releases`.

Run by that release itself, in a checkout of it: `PYTHONPATH=operator:. python record.py NAME`, with
this file beside it. It writes `NAME-<stage>.json.gz`: all objects as they are in the simulated
cluster of that release.
"""

import gzip
import json
import sys
from pathlib import Path

from tests.rollout.simulated_cluster import World

COUNTED_S = 60
WATCHED_S = 300
"""Until the status has told of counts: it does so less often of what all users have."""


def stages() -> dict[str, World]:
    """A world in each stage in which something is judged, and something was counted."""
    canary = World()
    canary.edit(version="1")
    canary.until("Full").run(10)
    canary.edit(version="2")
    canary.until("Canary").run(COUNTED_S)
    shadow = World()
    shadow.edit(version="1")
    shadow.until("Full").run(10)
    shadow.edit(version="2", strategy__shadow={"percent": 10, "sideEffects": "None"})
    shadow.until("Shadow").run(2 * COUNTED_S)
    watch = World()
    watch.edit(version="1", strategy__watch={"duration": "20m"})
    watch.until("Full").run(10)
    watch.edit(version="2")
    watch.until("Full").run(WATCHED_S)
    return {"canary": canary, "shadow": shadow, "watch": watch}


def main(name: str) -> None:
    """Write a file for each stage."""
    for stage, world in stages().items():
        kept = {
            "time": world.time,
            "version": world.version,
            "changed_at": world.changed_at,
            "model": world.obj,
            "objects": list(world.objects.values()),
        }
        text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
        path = Path(__file__).with_name(f"{name}-{stage}.json.gz")
        path.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(sys.argv[1])
