"""Which pod speaks: its projected ServiceAccount token, reviewed by the API server."""

from model_rollouts.observer.identity.tokens import AwayError, ForeignError, Identity, Speaker

__all__ = ["AwayError", "ForeignError", "Identity", "Speaker"]
