"""Where the proxies of a model send their records, and the words that both ends use for them.

Proxies and observer have to agree on all of this, and a proxy keeps what it was rendered with.
"""

import hashlib

SHARDS = 16
"""Services of the observer. A model belongs to one of them for ever, so that the number of the
observer's pods can change without touching a proxy."""
PORT = 9800
AUDIENCE = "model-rollouts-observer"
"""What the token of a proxy is for: nobody else takes it."""
METADATA = "model_rollouts.capture"
"""The namespace of Envoy's dynamic metadata in which a record carries bodies and sequence."""


def shard(namespace: str, model: str) -> int:
    """The number of the Service, from 0, that the ModelDeployment `namespace`/`model` sends to."""
    digest = hashlib.sha256(f"{namespace}/{model}".encode()).hexdigest()
    return int(digest[:8], 16) % SHARDS
